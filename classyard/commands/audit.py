"""`classyard audit hops`: proves from the record that no call left what its decision allowed."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from classyard.commands import resolve
from classyard.commands.terminal import alarm, console, counted, indented, number, run, shown
from classyard.context import Context
from runtime.db.session import Row
from runtime.db.stores import hops

MOST = 20
"""Hops that are shown; all are counted."""


def audit_hops(context: Context, batch: str | None) -> int:
    """Returns 0, and 1 where a call went outside. Raises `UnknownName` and `YardNotRunning`."""
    return run(tell(context.connected(), batch))


async def tell(context: Context, batch: str | None, *, to: Console | None = None) -> int:
    screen, tenant = to or console(), context.settings.tenant
    async with context.database() as database:
        found = await resolve.batch_id(database, tenant, batch) if batch else None
        async with database.transaction() as connection:
            outside = await hops.outside(connection, tenant, found)
            calls = await hops.count(connection, tenant, found)
    if not outside:
        screen.print(
            Text(f"{counted(calls, 'call')}, all inside what their decisions allowed.", style="green")
        )
        return 0
    screen.print(alarm(f"{number(len(outside))} of {counted(calls, 'call')} outside what was allowed:"))
    for row in outside[:MOST]:
        screen.print(indented(Text(shown(sentence(row), most=300))))
    return 1


def sentence(row: Row) -> str:
    what = f"job {row['job_id']}, call {row['number']} to {row['provider']}/{row['model']}"
    if row["decision"] is None:
        return f"{what}: no decision was in force."
    return f"{what}: decision {row['decision']} allowed {', '.join(row['allowed']) or 'nothing'}."
