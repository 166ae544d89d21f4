"""`classyard policy` and `classyard ladder`: what decisions are made by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classyard.cli.here import here

policy = typer.Typer(help="Look at routing policies.", no_args_is_help=True)
ladder = typer.Typer(
    help="See what the rungs of the policy's ladders keep and promise.", no_args_is_help=True
)


@policy.command("lint")
def policy_lint(file: Annotated[Path, typer.Argument(help="A policy file.")]) -> None:
    """Say what is wrong or odd about a policy, tried on this yard's catalog; exits with 1 where there is something."""
    from classyard.commands.policy import lint

    raise typer.Exit(lint(here(), file))


@policy.command("show")
def policy_show() -> None:
    """Print the policy in force, every default written out, and its digest."""
    from classyard.commands.policy import show

    raise typer.Exit(show(here()))


@ladder.command("show")
def ladder_show() -> None:
    """For each rung: from which evidence it keeps, its labels, its promise or why there is none, what it saved."""
    from classyard.commands.ladder import show

    raise typer.Exit(show(here()))


@ladder.command("import")
def ladder_import(
    file: Annotated[Path, typer.Argument(help="CSV or JSONL with ladder, model, score (0 to 1), agrees.")],
) -> None:
    """Take labelled outcomes from a file, for promises. All of it, or nothing where a line is wrong."""
    from classyard.commands.ladder import bring

    raise typer.Exit(bring(here(), file))
