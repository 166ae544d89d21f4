"""What a quote is reckoned from: the yard as it is now, its budgets, and the documents as the router would see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from classyard.commands import catalogs
from classyard.commands.terminal import run
from classyard.context import Context
from producer.intake.names import Names
from router_worker.features.extract import Extractor
from router_worker.observe import snapshot_of
from router_worker.quote import Quote, ceilings, idle
from router_worker.quote import quote as reckon
from runtime.clock import utc_now
from runtime.db.session import clock
from runtime.db.stores import budgets, capacity, views
from schemas.budget import Account
from schemas.canonical import digest
from schemas.catalog import Catalog
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

IDLE = "No yard runs here: this is for an idle one, with every provider of the catalog up."


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of the documents: no text."""

    features: tuple[JobFeatures, ...]
    rejections: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True)
class Reckoned:
    quote: Quote
    rejections: tuple[Rejection, ...]
    snapshot: ProviderSnapshot
    notes: tuple[str, ...]
    policy_digest: str


def reckoned(
    context: Context,
    documents: Iterable[SourceDocument | Rejection],
    review: Review,
    requirements: Requirements,
    *,
    tools: Callable[[Catalog, RoutingPolicy], Extractor] = Extractor.of,
) -> Reckoned:
    """With the yard as it is now. Raises `BadInput` where not one document could be read, and `BadConfiguration`."""
    policy = context.policy()
    snapshot, notes = present(context, policy)
    Names.of(snapshot.catalog, policy).require(requirements)
    extractor = tools(snapshot.catalog, policy)
    read = read_features(documents, review, requirements, now=snapshot.taken_at, extractor=extractor)
    if not read.features:
        raise BadInput("There is nothing to quote: not one document could be read.", code="empty_batch")
    least = policy.budgets.job_usd_micros
    features = [one if least is None else _capped(one, least) for one in read.features]
    told = reckon(features, policy, snapshot, accounts(context, policy))
    return Reckoned(told, read.rejections, snapshot, notes, digest(policy))


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
