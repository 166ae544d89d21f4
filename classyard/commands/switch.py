"""`classyard providers pause | resume | drain | kill | set`, and the history of a provider."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Awaitable, Callable

from rich.table import Table
from rich.text import Text

from classyard.commands.terminal import console, counted, run, shown
from classyard.context import Context
from runtime import switching
from runtime.db.session import Database
from runtime.db.stores import switches
from runtime.db.stores.switches import Switch

SAID = {
    Switch.PAUSE: "{name} is paused: it takes no new claims. What is bound to it is decided anew in a few seconds.",
    Switch.RESUME: "{name} serves again.",
    Switch.DRAIN: "{name} is being drained: what is bound to it is served, nothing new is, and then it is paused.",
    Switch.KILL: "{name} is killed: its calls in flight are given up. {jobs} taken back, to be decided anew.",
}


def turn(context: Context, name: str, switch: Switch, *, reason: str) -> int:
    """Returns 0. Raises `UnknownName`, and `YardNotRunning` where no yard can be asked."""

    async def asked(database: Database, tenant: str) -> str:
        taken = await switching.turn(database, tenant, name, switch, actor=who(), reason=reason)
        return SAID[switch].format(name=name, jobs=counted(taken, "job"))

    return _say(context, asked)


def set_ceiling(context: Context, name: str, ceiling: int, *, reason: str) -> int:
    """0 gives back the catalog's."""

    async def asked(database: Database, tenant: str) -> str:
        async with database.transaction() as connection:
            known = await switches.set_ceiling(
                connection, tenant, name, ceiling or None, actor=who(), reason=reason
            )
        if not known:
            raise switching.unknown(name)
        return (
            f"{name} takes {counted(ceiling, 'call')} at once at most."
            if ceiling
            else (f"{name} has the ceiling of the catalog again.")
        )

    return _say(context, asked)


def history(context: Context, name: str, *, most: int = 50) -> int:
    """Prints what operators and the breaker did to a provider, newest first, and returns 0."""
    rows = run(_history(context.connected(), name, most))
    if not rows:
        console().print(Text(f"Nothing was ever switched at {shown(name, most=80)}.", style="dim"))
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in ("at (UTC)", "event", "by", "reason"):
        table.add_column(column, overflow="fold")
    for row in rows:
        told = (f"{row['at']:%Y-%m-%d %H:%M:%S}", row["event"], row["actor"], row["reason"])
        table.add_row(*(Text(shown(part, most=300)) for part in told))
    console().print(table)
    return 0


async def _history(context: Context, name: str, most: int) -> list[dict[str, object]]:
    async with context.database() as database, database.transaction() as connection:
        return await switches.history(connection, context.settings.tenant, name, most=most)


def who() -> str:
    """As it stands in the record of a switch."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _say(context: Context, asked: Callable[[Database, str], Awaitable[str]]) -> int:
    connected = context.connected()

    async def done() -> str:
        async with connected.database() as database:
            return await asked(database, connected.settings.tenant)

    console().print(Text(shown(run(done()), most=400)))
    return 0
