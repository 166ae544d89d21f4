"""`classyard webhooks`: make endpoints, see how they fare, deliver again."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from classyard.commands.keys import pepper_of
from classyard.commands.terminal import console, indented, instant, note, run, shown
from classyard.context import Context
from producer.durations import parse_duration
from producer.webhooks.endpoints import Endpoints, Made
from runtime.db.session import Row
from runtime.db.stores import batches, deliveries, webhooks
from schemas.errors import BadInput, UnknownName
from schemas.webhooks import USUAL

STATES = ("waiting", "delivered", "exhausted")
T = TypeVar("T")


def add(context: Context, url: str, *, events: Sequence[str] | None, name: str, is_tenant_wide: bool) -> int:
    """Prints the secret alone on standard output, and returns 0."""

    async def work(endpoints: Endpoints) -> Made:
        async with endpoints.database.transaction() as connection:
            await batches.ensure_tenant(connection, endpoints.tenant)
        return await endpoints.add(url, name=name, events=events or USUAL, is_tenant_wide=is_tenant_wide)

    made = _with(context, work)
    note(f"The endpoint {made.row['id']} is told: {', '.join(made.row['events'])}.")
    return _secret(made)


def every(context: Context) -> int:
    async def work(endpoints: Endpoints) -> list[Row]:
        async with endpoints.database.transaction() as connection:
            return await webhooks.every(connection, endpoints.tenant)

    return _print(parts(_with(context, work)))


def rotate(context: Context, endpoint_id: str, *, overlap: str) -> int:
    overlap_s = 0 if overlap.strip() in ("0", "0s", "0m", "0h") else parse_duration(overlap)
    made = _with(context, lambda endpoints: endpoints.rotate(endpoint_id, overlap_s=overlap_s))
    until = made.row["before_until"]
    note(
        f"Until {instant(until)} the old secret signs as well." if until else "The old secret signs no more."
    )
    return _secret(made)


def test(context: Context, endpoint_id: str) -> int:
    row = _with(context, lambda endpoints: endpoints.test(endpoint_id))
    note(f"Delivery {row['id']} is on its way; `classyard webhooks log {endpoint_id}` shows what came of it.")
    return 0


def log(context: Context, endpoint_id: str, *, state: str | None, most: int) -> int:
    if state is not None and state not in STATES:
        raise BadInput(f"It may be one of: {', '.join(STATES)}.", where="--state")

    async def work(endpoints: Endpoints) -> list[Row]:
        async with endpoints.database.transaction() as connection:
            if await webhooks.find(connection, endpoints.tenant, endpoint_id) is None:
                raise UnknownName(f"There is no endpoint {shown(endpoint_id, most=60)!r}.")
            return await deliveries.log(connection, endpoints.tenant, endpoint_id, state=state, most=most)

    return _print(log_parts(_with(context, work)))


def redeliver(context: Context, what: str) -> int:
    if what.isascii() and what.isdigit() and len(what) < 19:
        row = _with(context, lambda endpoints: endpoints.redeliver(int(what)))
        note(f"Delivery {row['id']} begins anew, as {row['event_id']}.")
    else:
        count = _with(context, lambda endpoints: endpoints.redeliver_all(what))
        note(f"{count} deliveries that were given up begin anew.")
    return 0


def switch(context: Context, endpoint_id: str, *, is_disabled: bool) -> int:
    _with(context, lambda endpoints: endpoints.change(endpoint_id, is_disabled=is_disabled))
    note(f"The endpoint {shown(endpoint_id)} is {'disabled' if is_disabled else 'enabled'}.")
    return 0


def remove(context: Context, endpoint_id: str) -> int:
    _with(context, lambda endpoints: endpoints.remove(endpoint_id))
    note(f"The endpoint {shown(endpoint_id)} is removed, and its log.")
    return 0


def _with(context: Context, work: Callable[[Endpoints], Awaitable[T]]) -> T:
    async def whole() -> T:
        async with _endpoints(context.connected()) as endpoints:
            return await work(endpoints)

    return run(whole())


@asynccontextmanager
async def _endpoints(context: Context) -> AsyncIterator[Endpoints]:
    settings = context.settings
    async with context.database() as database:
        yield Endpoints(database, settings.tenant, pepper_of(context), settings.webhook_networks)


def _secret(made: Made) -> int:
    note("Its secret is shown this once; keep it where secrets are kept.")
    sys.stdout.write(f"{made.secret}\n")
    return 0


def _print(found: Iterator[RenderableType]) -> int:
    screen = console()
    for part in found:
        screen.print(part)
    return 0


def parts(rows: Sequence[Row]) -> Iterator[RenderableType]:
    if not rows:
        yield Text("There are no endpoints. `classyard webhooks add URL` makes one.", style="dim")
        return
    table = _table("id", "name", "address", "is told", "waiting", "given up", "state")
    for row in rows:
        told = ", ".join(row["events"]) + ("" if row["is_tenant_wide"] else " (of batches that name it)")
        counts = (str(row["waiting"]), str(row["exhausted"]))
        table.add_row(row["id"], shown(row["name"]), shown(row["url"]), told, *counts, _state(row))
    yield indented(table)


def _state(row: Row) -> str:
    if row["disabled_at"]:
        return f"disabled {instant(row['disabled_at'])}: {shown(row['disabled_reason'])}"
    if row["failures"]:
        return f"{row['failures']} failures since {instant(row['failing_since'])}"
    return "well"


def log_parts(rows: Sequence[Row]) -> Iterator[RenderableType]:
    if not rows:
        yield Text("There are no deliveries.", style="dim")
        return
    table = _table("number", "event", "of", "state", "attempts", "last attempt", "what came of it")
    for row in rows:
        last = row["tries"][-1] if row["tries"] else None
        when = instant(datetime.fromisoformat(last["at"])) if last else ""
        said = f"{last['sentence']} ({last['took_ms']} ms)" if last else ""
        reason = row["reason"] if row["reason"] and (not last or row["reason"] != last["sentence"]) else ""
        table.add_row(
            str(row["id"]),
            row["type"],
            shown(row["subject"]),
            row["state"],
            str(len(row["tries"])),
            when,
            shown(" ".join(one for one in (said, reason) if one)),
        )
    yield indented(table)


def _table(*names: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, overflow="fold")
    return table
