"""`classyard webhooks`: who is told what happened."""

from __future__ import annotations

from typing import Annotated

import typer

from classyard.cli.here import here

webhooks = typer.Typer(
    help="Endpoints that are told what happened, and every delivery.", no_args_is_help=True
)

EndpointId = Annotated[str, typer.Argument(help="The endpoint's id, as `classyard webhooks list` shows it.")]


@webhooks.command("add")
def add(
    url: Annotated[str, typer.Argument(help="Where events are sent: https://HOST/PATH.")],
    event: Annotated[
        list[str] | None,
        typer.Option(help="Such as review.finished, batch.*, job.failed or *; may be given again."),
    ] = None,
    name: Annotated[str, typer.Option(help="For people. Default: the host.")] = "",
    named_only: Annotated[
        bool, typer.Option("--named-only", help="Only of batches that name this endpoint.")
    ] = False,
) -> None:
    """Make an endpoint and print its secret. It is shown this once."""
    from classyard.commands.webhooks import add as make

    raise typer.Exit(make(here(), url, events=event, name=name, is_tenant_wide=not named_only))


@webhooks.command("list")
def every() -> None:
    """List the endpoints: what each is told, and how it fares."""
    from classyard.commands.webhooks import every as show

    raise typer.Exit(show(here()))


@webhooks.command("rotate")
def rotate(
    endpoint: EndpointId,
    overlap: Annotated[
        str, typer.Option(help="How long the old secret signs as well, such as 24h or 0m.")
    ] = "24h",
) -> None:
    """Make a new secret and print it. For a while both sign, so that the receiver has time to change."""
    from classyard.commands.webhooks import rotate as change

    raise typer.Exit(change(here(), endpoint, overlap=overlap))


@webhooks.command("test")
def test(endpoint: EndpointId) -> None:
    """Send an event of the type webhook.test."""
    from classyard.commands.webhooks import test as send

    raise typer.Exit(send(here(), endpoint))


@webhooks.command("log")
def log(
    endpoint: EndpointId,
    state: Annotated[str | None, typer.Option(help="waiting, delivered or exhausted.")] = None,
    most: Annotated[int, typer.Option(help="How many deliveries.", min=1, max=1_000)] = 20,
) -> None:
    """Show deliveries, newest first, with the last attempt of each."""
    from classyard.commands.webhooks import log as show

    raise typer.Exit(show(here(), endpoint, state=state, most=most))


@webhooks.command("redeliver")
def redeliver(
    what: Annotated[
        str, typer.Argument(help="A delivery's number, or an endpoint's id: all that were given up.")
    ],
) -> None:
    """Deliver again, from the first attempt on, with the same event id."""
    from classyard.commands.webhooks import redeliver as again

    raise typer.Exit(again(here(), what))


@webhooks.command("disable")
def disable(endpoint: EndpointId) -> None:
    """Send nothing more to an endpoint. What happens meanwhile is not kept for it."""
    from classyard.commands.webhooks import switch

    raise typer.Exit(switch(here(), endpoint, is_disabled=True))


@webhooks.command("enable")
def enable(endpoint: EndpointId) -> None:
    """Send to it again, what waits for it first."""
    from classyard.commands.webhooks import switch

    raise typer.Exit(switch(here(), endpoint, is_disabled=False))


@webhooks.command("remove")
def remove(endpoint: EndpointId) -> None:
    """Remove an endpoint, and its log."""
    from classyard.commands.webhooks import remove as end

    raise typer.Exit(end(here(), endpoint))
