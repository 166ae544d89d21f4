"""`classyard providers`, `classyard budget` and `classyard audit`: for those who keep a yard."""

from __future__ import annotations

from typing import Annotated

import typer

from classyard.cli.here import here

providers = typer.Typer(help="List the providers, or switch one.", invoke_without_command=True)
budget = typer.Typer(help="Look at budgets, and set them.", invoke_without_command=True)
audit = typer.Typer(help="Prove things from the record.", no_args_is_help=True)

ProviderName = Annotated[str, typer.Argument(help="The provider's name in the catalog.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with your name.")]


@providers.callback()
def list_providers(
    asked: typer.Context,
    history: Annotated[
        str | None,
        typer.Option("--history", metavar="NAME", help="What was done to this provider, and by whom."),
    ] = None,
) -> None:
    """List the providers: what they can do, what they cost, how busy they are. Or switch one."""
    if asked.invoked_subcommand is not None:
        return
    if history is not None:
        from classyard.commands.switch import history as tell

        raise typer.Exit(tell(here(), history))
    from classyard.commands.providers import providers as show

    raise typer.Exit(show(here()))


def _switch(name: str, to: str, reason: str) -> None:
    from classyard.commands.switch import turn
    from runtime.db.stores.switches import Switch

    raise typer.Exit(turn(here(), name, Switch(to), reason=reason))


@providers.command("pause")
def pause_provider(name: ProviderName, reason: Reason = "") -> None:
    """Take no new claims; what is bound is decided anew after a moment."""
    _switch(name, "paused", reason)


@providers.command("resume")
def resume_provider(name: ProviderName, reason: Reason = "") -> None:
    """Serve again, with a closed breaker."""
    _switch(name, "resumed", reason)


@providers.command("drain")
def drain_provider(name: ProviderName, reason: Reason = "") -> None:
    """Bind nothing new, serve what is bound to its end, then pause."""
    _switch(name, "draining", reason)


@providers.command("kill")
def kill_provider(name: ProviderName, reason: Reason = "") -> None:
    """Stop at once: give up calls in flight, and take back all that is bound."""
    _switch(name, "killed", reason)


@providers.command("set")
def set_provider(
    name: ProviderName,
    ceiling: Annotated[int, typer.Option(min=0, help="Calls in flight at most; 0: the catalog's again.")],
    reason: Reason = "",
) -> None:
    """Change a provider's ceiling while it runs, over all workers."""
    from classyard.commands.switch import set_ceiling

    raise typer.Exit(set_ceiling(here(), name, ceiling, reason=reason))


@budget.callback()
def budgets(context: typer.Context) -> None:
    """Show what may be spent, what is spent and reserved, and how much work is held by it."""
    if context.invoked_subcommand is None:
        from classyard.commands.budget import budget as show

        raise typer.Exit(show(here()))


@budget.command("set")
def budget_set(words: list[str]) -> None:
    """Set another ceiling than the policy's: batch ID, day or tenant; then $12.50, off, or policy."""
    from classyard.commands.budget import set_budget

    raise typer.Exit(set_budget(here(), words))


@audit.callback()
def audit_record() -> None:
    """Prove things from the record."""


@audit.command("hops")
def audit_hops(
    batch: Annotated[
        str | None, typer.Argument(help="A batch id, its end, or `latest`; all of them.")
    ] = None,
) -> None:
    """Show that every call, fallbacks included, went to a candidate that its decision allowed."""
    from classyard.commands.audit import audit_hops as prove

    raise typer.Exit(prove(here(), batch))
