"""`classyard status`: the yard at a glance: who is alive, what is open, what was handed in lately."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from classyard.commands import catalogs
from classyard.commands.progress_view import states_line
from classyard.commands.terminal import (
    SIMULATED_NOTE,
    UNKNOWN,
    beside,
    console,
    heading,
    indented,
    marked,
    money,
    number,
    percent,
    run,
    short,
    shown,
    span,
)
from classyard.context import Context
from runtime.db.session import Database, Row, clock
from runtime.db.stores import views

CLUSTER = "The database and broker that the settings name."

NEEDED = {
    "router": "No router has been heard of lately: accepted jobs wait for one.",
    "keeper": "No keeper has been heard of lately: what a lost worker held is not taken back.",
    "provider": "No provider worker has been heard of lately: nothing is served.",
}


@dataclass(frozen=True, slots=True)
class Status:
    place: str
    """Where this yard is, as a sentence."""
    workers: tuple[Row, ...]
    states: Mapping[str, int]
    """Open jobs only."""
    batches: tuple[Row, ...]
    simulated: frozenset[str]
    now: datetime


def status(context: Context) -> int:
    """Prints the status and returns 0, also where roles are missing. Raises `YardNotRunning`."""
    run(tell(context.connected(), CLUSTER if context.settings.is_cluster else _at_home(context)))
    return 0


def _at_home(context: Context) -> str:
    return f"Home: {context.home.path}"


async def tell(context: Context, place: str, *, to: Console | None = None) -> None:
    async with context.database() as database:
        found = await gather(database, context.settings.tenant, place)
    screen = to or console()
    for part in parts(found, width=screen.width):
        screen.print(part)


async def gather(database: Database, tenant: str, place: str) -> Status:
    async with database.transaction() as connection:
        await views.one_picture(connection)
        return Status(
            place=place,
            workers=tuple(await views.workers(connection, tenant)),
            states=await views.open_states(connection, tenant),
            batches=tuple(await views.recent_batches(connection, tenant)),
            simulated=catalogs.simulated_in(await catalogs.stored(connection, tenant)),
            now=await clock(connection),
        )


def parts(found: Status, *, width: int) -> Iterator[RenderableType]:
    yield Text(shown(found.place, most=400), overflow="fold")
    yield heading("Alive")
    yield indented(_workers(found, width))
    for line in missing(found.workers):
        yield indented(beside(Text("!", style="yellow"), Text(line, style="yellow")))
    for address in sorted({row["detail"] for row in found.workers if row["role"] == "api"}):
        yield indented(Text(f"HTTP API: {shown(address)}/v1", style="dim"))
    yield heading("Open jobs")
    yield indented(states_line(found.states) if found.states else Text("none", style="dim"))
    yield heading("Recent batches")
    yield indented(_batches(found, width) if found.batches else Text("none yet", style="dim"))
    if found.simulated:
        yield Text(f"\n{SIMULATED_NOTE}", style="yellow")


def missing(workers: Sequence[Row]) -> list[str]:
    """A sentence for each role that nobody plays, and for each worker that has no key."""
    played = {row["role"] for row in workers}
    keyless = {row["provider"]: row["detail"] for row in workers if not row["key_found"]}
    silent = [sentence for role, sentence in NEEDED.items() if role not in played]
    return silent + [
        shown(detail or f"{provider} has no key.", most=300) for provider, detail in keyless.items()
    ]


def _table(width: int) -> Table:
    return Table(box=None, padding=(0, 2 if width >= 92 else 1, 0, 0), pad_edge=False, header_style="dim")


def _workers(found: Status, width: int) -> RenderableType:
    if not found.workers:
        return Text("nobody", style="yellow")
    table = _table(width)
    table.add_column("role", no_wrap=True)
    table.add_column("provider", overflow="fold")
    for name in ("pid", "slots"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("key", no_wrap=True)
    table.add_column("metrics", overflow="fold")
    hosts = {row["host"] for row in found.workers}
    for row in found.workers:
        table.add_row(*_worker(row, found.simulated, with_host=len(hosts) > 1))
    return table


def _worker(row: Row, simulated: frozenset[str], *, with_host: bool) -> tuple[RenderableType, ...]:
    serves = row["role"] == "provider"
    key = Text("found" if row["key_found"] else "missing", style="" if row["key_found"] else "red")
    return (
        shown(row["role"]),
        marked(row["provider"], row["provider"] in simulated) if row["provider"] else Text(),
        f"{shown(row['host'], most=40)}:{row['pid']}" if with_host else str(row["pid"]),
        number(row["slots"]) if serves else "",
        key if serves else Text(),
        Text(shown(row["metrics_address"], most=100), style="dim"),
    )


def _batches(found: Status, width: int) -> RenderableType:
    table = _table(width)
    table.add_column("id", no_wrap=True)
    with_cost = width >= 92
    for name in ("jobs", "open", "rejected", *(("cost", "gap") if with_cost else ())):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("review", overflow="ellipsis", no_wrap=True)
    table.add_column("handed in", no_wrap=True)
    table.add_column("from", overflow="ellipsis", no_wrap=True)
    for row in found.batches:
        table.add_row(
            short(row["id"]),
            number(row["accepted"]),
            Text(number(row["open"]), style="bold" if row["open"] else "dim"),
            Text(number(row["rejected"]), style="yellow" if row["rejected"] else "dim"),
            *(_cost(row) if with_cost else ()),
            Text(shown(row["review_name"], most=60)),
            f"{span((found.now - row['created_at']).total_seconds())} ago",
            Text(shown(row["source"], most=80), style="dim"),
        )
    return table


def _cost(row: Row) -> tuple[Text, Text]:
    """What a finished batch cost, and how far that is above the least possible."""
    cost = row["cost_usd_micros"]
    return Text(UNKNOWN if cost is None else money(cost)), Text(percent(row["gap"]))
