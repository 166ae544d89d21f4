"""`classyard quote`: what a submission would cost and when it would be done. Nothing is sent, nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from classyard.commands import catalogs
from classyard.commands.submit import read_requirements
from classyard.commands.terminal import (
    SIMULATED_NOTE,
    console,
    counted,
    heading,
    indented,
    marked,
    milliseconds,
    money,
    number,
    run,
    shown,
)
from classyard.context import Context
from producer.intake.names import Names
from producer.sources import read_all
from router_worker.features.extract import Extractor
from router_worker.observe import snapshot_of
from router_worker.quote import Quote, ceilings, idle
from router_worker.quote import quote as reckon
from runtime.clock import utc_now
from runtime.db.session import clock
from runtime.db.stores import budgets, capacity, views
from schemas.budget import Account
from schemas.canonical import digest
from schemas.errors import BadInput, YardNotRunning
from schemas.features import JobFeatures
from schemas.job import Job
from schemas.policy import RoutingPolicy
from schemas.review import Review
from schemas.snapshot import ProviderSnapshot
from schemas.submission import Rejection, Requirements, SourceDocument

ESTIMATES = (
    "These are estimates: answers are taken to be as long as the review expects, and providers as fast as they were "
    "lately. The worst case is every attempt of every planned step, each with the longest answer. Nothing was sent, "
    "and nothing was written."
)

SHOWN = 10
"""Lines of a list; the rest are counted."""

IDLE = "No yard runs here: this is for an idle one, with every provider of the catalog up."


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of the documents: no text."""

    features: tuple[JobFeatures, ...]
    rejections: tuple[Rejection, ...]


def quote(
    context: Context,
    paths: Sequence[Path],
    *,
    review: str,
    sensitivity: str | None,
    residency: Sequence[str],
    deadline: str | None,
    max_cost: str | None,
    quality: str | None,
    priority: str | None,
    model: str | None = None,
    tier: str | None = None,
    to: Console | None = None,
) -> int:
    """Returns 0 where every document could be read and would be served, else 1.

    Raises `BadInput` where not one can be read, `UnknownName` for the review, and `BadConfiguration`.
    """
    asked = read_requirements(sensitivity, residency, deadline, max_cost, quality, priority, model, tier)
    requirements = context.settings.tenant_defaults.floor_of(asked)
    found, policy = context.review(review), context.policy()
    documents = read_all(paths)
    snapshot, notes = present(context, policy)
    Names.of(snapshot.catalog, policy).require(requirements)
    extractor = Extractor.of(snapshot.catalog, policy)
    read = read_features(documents, found, requirements, now=snapshot.taken_at, extractor=extractor)
    if not read.features:
        raise BadInput("There is nothing to quote: not one document could be read.", code="empty_batch")
    least = policy.budgets.job_usd_micros
    features = [one if least is None else _capped(one, least) for one in read.features]
    told = reckon(features, policy, snapshot, accounts(context, policy))
    screen = to or console()
    for part in parts(told, read.rejections, snapshot, notes):
        screen.print(part)
    return 0 if told.served == told.documents and not read.rejections else 1


# -- what it is reckoned from


def present(context: Context, policy: RoutingPolicy) -> tuple[ProviderSnapshot, tuple[str, ...]]:
    """The yard as it is now; an idle one of the catalog's files where none runs, with a sentence that says so."""
    try:
        connected = context.connected()
    except YardNotRunning:
        return idle(catalogs.of_files(context), policy, at=utc_now()), (IDLE,)
    return run(_observed(connected, policy)), ()


def accounts(context: Context, policy: RoutingPolicy) -> list[Account]:
    """The budgets that a submission made now would be under; the policy's where no yard runs."""
    try:
        return run(_accounts(context.connected()))
    except YardNotRunning:
        limits = policy.budgets
        named = (
            ("batch", limits.batch_usd_micros),
            ("day", limits.day_usd_micros),
            ("tenant", limits.tenant_usd_micros),
        )
        return [Account(scope, "", limit, 0, 0) for scope, limit in named if limit is not None]


async def _accounts(context: Context) -> list[Account]:
    tenant, new = context.settings.tenant, "new"
    async with context.database() as database, database.transaction() as connection:
        there = await budgets.over(connection, tenant, [])
        there |= await budgets.unopened(connection, tenant, [new])
    return [replace(one, subject="") if one.subject == new else one for one in there.values()]


def _capped(features: JobFeatures, most_usd_micros: int) -> JobFeatures:
    own = features.max_cost_usd_micros
    return replace(
        features, max_cost_usd_micros=most_usd_micros if own is None else min(own, most_usd_micros)
    )


async def _observed(context: Context, policy: RoutingPolicy) -> ProviderSnapshot:
    tenant = context.settings.tenant
    async with context.database() as database, database.transaction() as connection:
        await views.one_picture(connection)
        stored = catalogs.parsed(await catalogs.stored(connection, tenant))
        rows = await capacity.loads(connection, tenant)
        now = await clock(connection)
    catalog = stored or catalogs.of_files(context)
    return snapshot_of(catalog, digest(catalog), rows, policy.bind_late, taken_at=now)


def read_features(
    found: Iterable[SourceDocument | Rejection],
    review: Review,
    requirements: Requirements,
    *,
    now: datetime,
    extractor: Extractor | None = None,
) -> Read:
    """Each document as the router would see it; its text is in memory only while it is read."""
    tools, job = extractor or Extractor(), _job(requirements, now)
    features: list[JobFeatures] = []
    sizes: list[int] = []
    rejections: list[Rejection] = []
    for one in found:
        if isinstance(one, Rejection):
            rejections.append(one)
            continue
        features.append(tools.extract(one.text, review, replace(job, id=one.custom_id), now))
        sizes.append(len(one.text.encode()))
    shares = ceilings(sizes, requirements.max_cost_usd_micros)
    capped = (replace(one, max_cost_usd_micros=share) for one, share in zip(features, shares, strict=True))
    return Read(tuple(capped), tuple(rejections))


def _job(wanted: Requirements, now: datetime) -> Job:
    """What every document of the submission would have in common."""
    seconds = wanted.deadline_s
    return Job(
        id="",
        tenant_id="",
        batch_id="",
        custom_id="",
        name="",
        document_digest="",
        review_digest="",
        sensitivity=wanted.sensitivity,
        residency=wanted.residency,
        quality=wanted.quality,
        lane=wanted.lane,
        deadline_at=None if seconds is None else now + timedelta(seconds=seconds),
        max_cost_usd_micros=None,
        asked_model=wanted.model,
        asked_tier=wanted.tier,
    )


# -- how it is told


def parts(
    found: Quote, rejections: Sequence[Rejection], snapshot: ProviderSnapshot, notes: Sequence[str] = ()
) -> Iterator[RenderableType]:
    for sentence in notes:
        yield Text(sentence, style="yellow")
    yield Text(summary(found), style="bold")
    yield from _listed("Could not be read", [f"{one.where}: {one.sentence}" for one in rejections])
    yield from _listed("Would be refused", _by_rule(found.refused, found.sentences))
    yield from _listed("Would be held for now", _by_rule(found.held, found.sentences))
    if found.parts:
        yield heading("By provider")
        yield indented(_table(found, snapshot))
    if found.late:
        yield Text(
            f"{counted(found.late, 'document')} would be expected to miss the deadline.", style="yellow"
        )
    yield Text()
    yield Text(ESTIMATES)
    if any(one.simulated for one in snapshot.catalog.providers if one.name in found.parts):
        yield Text(SIMULATED_NOTE, style="yellow")


def summary(found: Quote) -> str:
    """The figures in one line."""
    begun = f"{counted(found.documents, 'document')}: {number(found.served)} would be served"
    if not found.served:
        return f"{begun}."
    cost, worst = money(found.cost_usd_micros), money(found.worst_cost_usd_micros)
    return f"{begun}, for {cost} expected and {worst} at worst, in about {milliseconds(found.finish_ms)}."


def _listed(title: str, lines: Sequence[str]) -> Iterator[RenderableType]:
    if not lines:
        return
    yield heading(title)
    for line in lines[:SHOWN]:
        yield indented(Text(shown(line, most=600)))
    if len(lines) > SHOWN:
        yield indented(Text(f"… and {number(len(lines) - SHOWN)} more.", style="dim"))


def _by_rule(counts: Mapping[str, int], sentences: Mapping[str, str]) -> list[str]:
    """Most frequent first, each with what was said of the first document."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [f"{number(count)} by {name}: {sentences[name]}" for name, count in ordered]


def _table(found: Quote, snapshot: ProviderSnapshot) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("provider", overflow="fold")
    for name in ("documents", "tokens in", "tokens out", "expected cost", "done in about"):
        table.add_column(name, justify="right")
    simulated = {one.name for one in snapshot.catalog.providers if one.simulated}
    for name, part in sorted(found.parts.items()):
        table.add_row(
            marked(name, name in simulated),
            number(part.documents),
            number(part.input_tokens),
            number(part.output_tokens),
            money(part.cost_usd_micros),
            milliseconds(part.finish_ms),
        )
    return table
