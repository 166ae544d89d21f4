"""`classyard keys`: who may call the HTTP API."""

from __future__ import annotations

from typing import Annotated

import typer

from classyard.cli.here import here
from schemas.scopes import Scope

keys = typer.Typer(help="Keys of the HTTP API.", no_args_is_help=True)


@keys.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Who or what it is for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"{', '.join(Scope)}; may be given again. Default: submitter."),
    ] = None,
    expires: Annotated[str | None, typer.Option(help="From now, such as 90d. Default: never.")] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            help="How often it may ask, such as 600/m or 10/s; or none. Default: as the settings say."
        ),
    ] = None,
) -> None:
    """Make a key and print it. It is shown this once."""
    from classyard.commands.keys import new_key

    raise typer.Exit(new_key(here(), name, scopes=scope or [], expires=expires, rate=rate))


@keys.command("list")
def every() -> None:
    """List the keys: what each may do, and when it was last used. No secret is kept, so none is shown."""
    from classyard.commands.keys import list_keys

    raise typer.Exit(list_keys(here()))


@keys.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id, as `classyard keys list` shows it.")],
) -> None:
    """End a key, at once and for good."""
    from classyard.commands.keys import revoke_key

    raise typer.Exit(revoke_key(here(), key))
