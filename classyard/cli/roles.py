"""`classyard run`: the roles of a yard, each as a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classyard.cli.here import here

run = typer.Typer(help="Run one role of a yard as a process of its own.", no_args_is_help=True)


@run.command("router")
def run_router() -> None:
    """Decide waiting jobs."""
    from classyard import roles

    raise typer.Exit(roles.run_router(here()))


@run.command("provider")
def run_provider(
    name: Annotated[str, typer.Argument(help="The provider's name in the catalog.")],
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, help="Calls in flight in this process; the provider's ceiling by default."),
    ] = None,
) -> None:
    """Serve the jobs of one provider."""
    from classyard import roles

    raise typer.Exit(roles.run_provider(here(), name, concurrency))


@run.command("keeper")
def run_keeper() -> None:
    """Take back what lost workers held, expire, and ring missing bells. One leads; more stand by."""
    from classyard import roles

    raise typer.Exit(roles.run_keeper(here()))


@run.command("flower")
def run_flower(
    auth: Annotated[Path, typer.Option(help="A file with one user:password a line.")],
    host: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 inside a container.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 5555,
) -> None:
    """Show workers and their slots in a browser, and raise or lower them. Never without a password."""
    from classyard.flower import run_flower as show

    raise typer.Exit(show(here(), auth=auth, host=host, port=port))


@run.command("api")
def run_api(
    host: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 inside a container.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 8700,
) -> None:
    """Serve the HTTP API: OpenAI's files and batches, for unmodified clients."""
    from classyard.api_role import run_api as serve

    raise typer.Exit(serve(here(), host=host, port=port))


@run.command("webhooks")
def run_webhooks() -> None:
    """Deliver webhooks, beside the API processes, which deliver as well. As many may run as are wanted."""
    from classyard.webhooks_role import run_webhooks as deliver

    raise typer.Exit(deliver(here()))
