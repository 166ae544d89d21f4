"""`classyard report BATCH`: what became of a batch, what it cost, and what it could have cost at the least."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from rich.console import Console, RenderableType
from rich.text import Text

from classyard.commands import bounds_view, progress, resolve
from classyard.commands.progress import Progress
from classyard.commands.progress_view import providers_table, states_line, title
from classyard.commands.terminal import (
    SIMULATED_NOTE,
    console,
    counted,
    heading,
    indented,
    instant,
    money,
    number,
    run,
    shown,
    span,
)
from classyard.context import Context
from runtime.db.session import Database, Row
from runtime.db.stores import bounds

NOT_YET = "Not finished; cost and bound are told when every document is final."
SOON = "Finished; a router works out the bound within seconds, if one runs."


@dataclass(frozen=True, slots=True)
class Report:
    progress: Progress
    bound: Row
    escalated: int
    """Documents that were answered by a later step of their plan."""
    reasons: tuple[Row, ...]
    """Of what has no answer: state, code and number."""


def report(context: Context, batch: str, *, as_json: bool = False) -> int:
    """Prints the report and returns 0. Raises `UnknownName`, `YardNotRunning`."""
    run(tell(context.connected(), batch, as_json=as_json))
    return 0


async def tell(context: Context, batch: str, *, as_json: bool = False, to: Console | None = None) -> None:
    async with context.database() as database:
        tenant = context.settings.tenant
        found = await gather(database, tenant, await resolve.batch_id(database, tenant, batch))
    screen = to or console()
    if as_json:
        screen.print(Text(orjson.dumps(facts(found)).decode()), soft_wrap=True)
        return
    for part in parts(found, width=screen.width):
        screen.print(part)


async def gather(database: Database, tenant: str, batch_id: str) -> Report:
    seen = await progress.gather(database, tenant, [batch_id])
    async with database.transaction() as connection:
        (bound,) = await bounds.bounds_of(connection, tenant, [batch_id])
        return Report(
            seen,
            bound,
            await bounds.escalated(connection, tenant, batch_id),
            tuple(await bounds.reasons(connection, tenant, batch_id)),
        )


def facts(found: Report) -> Mapping[str, Any]:
    """The same for programs."""
    seen, bound = found.progress, found.bound
    return {
        "batch": seen.batches[0],
        "states": dict(seen.states),
        "rejected": seen.rejected,
        "escalated": found.escalated,
        "spent_usd_micros": seen.cost_usd_micros,
        "cost_usd_micros": bound["cost_usd_micros"],
        "lp_lower_bound_usd_micros": bound["lp_lower_bound_usd_micros"],
        "gap": bound["gap"],
        "bound_note": bound["bound_note"],
        "providers": [
            {
                "provider": row.provider,
                "simulated": row.simulated,
                "done": row.done,
                "calls": row.calls,
                "faults": row.faults,
                "cost_usd_micros": row.cost_usd_micros,
                "latency_ms_p50": row.latency_ms_p50,
            }
            for row in seen.providers
        ],
        "reasons": [dict(row) for row in found.reasons],
    }


def parts(found: Report, *, width: int) -> Iterator[RenderableType]:
    seen = found.progress
    yield Text(title(seen), style="bold")
    yield indented(Text(f"handed in {instant(seen.started_at)}, {span(seen.elapsed_s)}", style="dim"))
    yield indented(states_line(seen.states))
    yield heading("Cost")
    for sentence in cost_lines(found):
        yield indented(Text(sentence))
    if seen.providers:
        yield heading("By provider")
        yield indented(providers_table(seen.providers, width=width))
    if found.reasons or seen.rejected:
        yield heading("Without an answer")
        yield from (indented(Text(sentence)) for sentence in _reasons(found.reasons, seen.rejected))
    if seen.simulated:
        yield Text(f"\n{SIMULATED_NOTE}", style="yellow")


def cost_lines(found: Report) -> list[str]:
    seen, bound = found.progress, found.bound
    if bound["bounded_at"] is None:
        return [f"Spent so far: {money(seen.cost_usd_micros)}.", SOON if bound["finished_at"] else NOT_YET]
    lines = [bounds_view.line(bound)]
    if bound["cost_usd_micros"] is not None and seen.cost_usd_micros != bound["cost_usd_micros"]:
        lines.append(
            f"Spent in all, calls for documents without an answer included: {money(seen.cost_usd_micros)}."
        )
    if bound["lp_lower_bound_usd_micros"] is not None:
        lines += [f"The bound is over {bound['bound_note']}", bounds_view.GAP_NOTE]
    if found.escalated:
        lines.append(
            f"{counted(found.escalated, 'document')} went on from the first model of the plan to another."
        )
    return lines


def _reasons(rows: Sequence[Row], rejected: int) -> list[str]:
    told = [f"{number(row['jobs'])} {row['state']}: {shown(row['reason_code'])}" for row in rows]
    return [*told, f"{counted(rejected, 'document')} could not be accepted."] if rejected else told
