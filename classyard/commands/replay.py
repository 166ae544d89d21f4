"""`classyard replay`: decide a batch again, to prove its record or to ask what another policy would have done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from classyard.commands import resolve
from classyard.commands.terminal import (
    UNKNOWN,
    alarm,
    console,
    counted,
    heading,
    indented,
    joined,
    money,
    number,
    run,
    shown,
    span,
)
from classyard.context import Context
from governance.policies.source import load_policy
from router_worker import whatif
from router_worker.replay import Verified, verify
from router_worker.whatif import Comparison, Side
from runtime.db.session import Database
from schemas.decision import Outcome
from schemas.errors import BadInput
from schemas.policy import RoutingPolicy

MOST_MOVES = 20
"""Rows of the table of moves; the rest are counted."""


def replay(context: Context, batch: str, *, verify: bool, policy: str | None) -> int:
    """Returns 0, and 1 where a decision is not what its inputs give, or could not be made again.

    Raises `BadInput` where neither is asked for, `BadConfiguration` for a policy file that is wrong, `UnknownName`
    and `YardNotRunning`.
    """
    if not verify and policy is None:
        raise BadInput("Say --verify, or --policy FILE, or both.", code="missing_required_parameter")
    other = load_policy(Path(policy)) if policy is not None else None
    return run(tell(context.connected(), batch, verified=verify, other=other))


async def tell(
    context: Context, given: str, *, verified: bool, other: RoutingPolicy | None, to: Console | None = None
) -> int:
    """The same inside an event loop; `context` is connected."""
    screen, tenant, sound = to or console(), context.settings.tenant, True
    async with context.database() as database:
        batch = await resolve.batch_id(database, tenant, given)
        if verified:
            sound &= await _verify(database, tenant, batch, screen)
        if other is not None:
            sound &= await _compare(database, tenant, batch, other, screen)
    return 0 if sound else 1


async def _verify(database: Database, tenant: str, batch: str, screen: Console) -> bool:
    begun = perf_counter()
    found = await verify(database, tenant, batch)
    for part in verified_parts(found, seconds=perf_counter() - begun):
        screen.print(part)
    return found.is_sound


async def _compare(
    database: Database, tenant: str, batch: str, policy: RoutingPolicy, screen: Console
) -> bool:
    found = await whatif.compare(database, tenant, batch, policy)
    for part in compared_parts(found, policy):
        screen.print(part)
    return not found.unreadable


# -- the record


def verified_parts(found: Verified, *, seconds: float) -> Iterator[RenderableType]:
    told = f"{counted(found.decisions, 'decision')}, {number(found.identical)} identical, in {span(seconds)}."
    if found.is_sound:
        yield Text(told, style="green" if found.decisions else "")
        if not found.decisions:
            yield Text("Nothing of this batch was decided yet.", style="dim")
        return
    yield Text(told)
    different = found.decisions - found.identical
    missing = f"{counted(found.missing, 'decision')} missing" if found.missing else ""
    yield alarm(joined((f"{counted(different, 'decision')} not identical" if different else "", missing)))
    for flaw in found.flaws:
        yield indented(Text(f"job {flaw.job_id}, decision {flaw.number}: {shown(flaw.sentence, most=400)}"))
    if (more := different + found.missing - len(found.flaws)) > 0:
        yield indented(Text(f"… and {number(more)} more.", style="dim"))


# -- another policy


def compared_parts(found: Comparison, policy: RoutingPolicy) -> Iterator[RenderableType]:
    told = f"{number(found.moved)} of {counted(found.jobs, 'job')} would have gone elsewhere"
    yield Text(f"Under policy {policy.policy} {policy.version}, {told}.", style="bold")
    for reason, jobs in found.unreadable.most_common(3):
        yield alarm(f"{counted(jobs, 'job')} could not be decided again: {shown(reason, most=300)}")
    if not found.jobs:
        return
    yield heading("Expected")
    yield indented(_sides(found))
    if found.moves:
        yield heading("Moves")
        yield indented(_moves(found.moves))
    yield from _refusals(found)
    yield heading("What this cannot say")
    for sentence in unknown(found):
        yield indented(Text(f"- {sentence}"))


def unknown(found: Comparison) -> Iterator[str]:
    yield from whatif.UNKNOWN
    if earlier := found.decisions - found.jobs - found.unreadable.total():
        yield f"Each job counts by its last decision; {counted(earlier, 'earlier decision')} are left out."


def _sides(found: Comparison) -> Table:
    table = _table("", ("recorded", "this policy", "difference"))
    for name, (was, now) in _counts(found).items():
        table.add_row(name, number(was), number(now), _signed(now - was, number))
    before, after = found.before, found.after
    _money(table, "cost of all that is routed", before.cost_usd_micros, after.cost_usd_micros)
    _money(table, "cost of what both route", found.shared_before_usd_micros, found.shared_after_usd_micros)
    table.add_row("mean quality prior", _quality(before), _quality(after))
    return table


def _counts(found: Comparison) -> dict[str, tuple[int, int]]:
    before, after = found.before, found.after
    states = {each.value: (before.outcomes[each], after.outcomes[each]) for each in Outcome}
    kept = {name: both for name, both in states.items() if any(both)}
    return {**kept, "expected to miss the deadline": (before.late, after.late)}


def _money(table: Table, name: str, was: int, now: int) -> None:
    share = f" ({100 * (now - was) / was:+.1f} %)" if was else ""
    table.add_row(name, money(was), money(now), _signed(now - was, money) + share)


def _signed(difference: int, told: Callable[[int], str]) -> str:
    sign = "+" if difference > 0 else "-" if difference < 0 else ""
    return f"{sign}{told(abs(difference))}"


def _quality(side: Side) -> str:
    return UNKNOWN if side.mean_quality is None else f"{side.mean_quality:.3f}"


def _moves(moves: Counter[tuple[str, str]]) -> Table:
    """Most frequent first; equal ones by name."""
    table = _table("from", ("to", "jobs"))
    ordered = sorted(moves.items(), key=lambda pair: (-pair[1], pair[0]))
    for (one, other), jobs in ordered[:MOST_MOVES]:
        table.add_row(Text(shown(one, most=80)), Text(shown(other, most=80)), number(jobs))
    if more := sum(jobs for _, jobs in ordered[MOST_MOVES:]):
        table.add_row("… others", "", number(more))
    return table


def _refusals(found: Comparison) -> Iterator[RenderableType]:
    for name, rules in (("Refused now", found.refused_now), ("Refused no more", found.refused_no_more)):
        if told := [f"{rule} {number(jobs)}" for rule, jobs in sorted(rules.items()) if jobs]:
            yield heading(name)
            yield indented(Text(joined(told)))


def _table(first: str, others: tuple[str, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="left" if name == "to" else "right", overflow="fold")
    return table
