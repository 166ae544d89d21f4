"""`classyard ladder show` and `ladder import FILE`: what the rungs of the policy in force keep, promise and save."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.text import Text

from classyard.commands import outcomes
from classyard.commands.terminal import console, counted, hush, indented, number, run, shown, tell
from classyard.context import Context
from producer.money import format_usd
from router_worker.promises import promises
from runtime.db.session import Database, Row
from runtime.db.stores import labels, rungs
from schemas.ladder import Ladder, Rung
from schemas.policy import RoutingPolicy
from schemas.snapshot import RungPromise

MILLION = 1_000_000


def show(context: Context) -> int:
    """Prints each ladder of the policy in force, rung by rung; returns 0. Raises `YardNotRunning`."""
    hush()
    run(_show(context.connected()))
    return 0


async def _show(context: Context) -> None:
    tenant, policy = context.settings.tenant, context.policy()
    async with context.database() as database, database.transaction() as connection:
        promised = await promises(connection, tenant, policy)
        counted_labels = await labels.counts(connection, tenant)
        walked = await rungs.walked(connection, tenant)
    screen = console()
    for line in told(policy, promised, counted_labels, walked):
        tell(screen, Text(line)) if not line.startswith(" ") else screen.print(indented(Text(line.strip())))


def told(
    policy: RoutingPolicy,
    promised: Sequence[RungPromise],
    labelled: Mapping[tuple[str, str], Row],
    walked: Mapping[str, Row],
) -> Iterator[str]:
    """Lines; those of a rung are indented."""
    if not policy.ladders:
        yield f"Policy {policy.policy!r} has no ladder; docs/ladders.md says how to write one."
    by_rung = {(each.ladder, each.model): each for each in promised}
    for ladder in policy.ladders:
        yield f"Ladder {ladder.ladder!r}, when {shown(ladder.when, most=200)}:"
        for place, rung in enumerate(ladder.rungs, start=1):
            key = (ladder.ladder, rung.model)
            is_last = place == len(ladder.rungs)
            yield f"  {place}. {rung.model}: {_threshold(rung, by_rung.get(key), is_last=is_last)}"
            if key in by_rung:
                yield f"  {by_rung[key].sentence}"
            yield f"  {_labels(labelled.get(key))} {_walked(walked.get(rung.model))}"
        yield f"  {_saved(ladder, walked)}"


def _threshold(rung: Rung, promised: RungPromise | None, *, is_last: bool) -> str:
    if is_last:
        return "the last one keeps what is sound"
    if rung.promise is not None:
        if promised is None or promised.keep_from is None:
            return "no promise yet, so it keeps nothing"
        return f"keeps from evidence {number(promised.keep_from)} on, by its promise"
    if rung.keep_from is not None:
        return f"keeps from evidence {number(round(rung.keep_from * MILLION))} on"
    return "keeps what is sound"


def _labels(row: Row | None) -> str:
    if row is None:
        return "No labels."
    unbiased, agreed = number(row["unbiased"]), number(row["agreed"])
    return f"{counted(row['labels'], 'label')}, {unbiased} of them unbiased, {agreed} agreed."


def _walked(row: Row | None) -> str:
    if row is None:
        return "Nothing was answered there on a ladder."
    share = row["kept"] / row["jobs"]
    return f"Of {counted(row['jobs'], 'document')} answered there it kept {share:.0%}."


def _saved(ladder: Ladder, walked: Mapping[str, Row]) -> str:
    """Against asking the last rung alone, at what a document cost there on the average."""
    last = walked.get(ladder.rungs[-1].model)
    before = [walked[rung.model] for rung in ladder.rungs[:-1] if rung.model in walked]
    if last is None or not before:
        return "What it saves is not known before its last rung has answered too."
    kept = sum(row["kept"] for row in before)
    spent = sum(row["cost"] for row in before)
    saved = kept * last["cost"] // max(1, last["jobs"]) - spent
    kept_told = f"{counted(kept, 'document')} did not need the last rung"
    if saved < 0:
        return f"{kept_told}; the rungs before it cost {format_usd(-saved)} more than that saved."
    return f"{kept_told}; that saved {format_usd(saved)}, the cost of the rungs before it taken off."


def bring(context: Context, file: Path) -> int:
    """Takes labelled outcomes; returns 0. Raises `BadInput`, with the line, and takes nothing then."""
    hush()
    found = outcomes.read(file)
    connected = context.connected()
    run(_bring(connected, found))
    known = {(ladder.ladder, rung.model) for ladder in context.policy().ladders for rung in ladder.rungs}
    strangers = sorted({f"{one[0]} {one[1]}" for one in found if (one[0], one[1]) not in known})
    screen = console()
    tell(screen, Text(f"Took {counted(len(found), 'outcome')}."))
    if strangers:
        names = ", ".join(shown(one) for one in strangers[:6])
        tell(screen, Text(f"The policy in force has no such rung, so these wait for one: {names}."))
    return 0


async def _bring(context: Context, found: Sequence[outcomes.Outcome]) -> None:
    database: Database
    async with context.database() as database, database.transaction() as connection:
        await labels.bring(connection, context.settings.tenant, found)
