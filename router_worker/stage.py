"""The router's stage, as a sentence: observe, claim a chunk, extract, decide one by one, write, ring.

Claim and write are one transaction, so a router that dies has done nothing. Thinking in between is pure.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from router_worker.bound.shadows import priced
from router_worker.classes import formed_by, open_classes, providers_of, route_class_of
from router_worker.engine.decide import Prepared, prepare
from router_worker.features.extract import Extractor
from router_worker.observe import snapshot_of
from router_worker.outcome import at_this_moment, moved_by, start_by, with_work
from router_worker.promises import FRESH_S, promises
from router_worker.purses import purse_over, reopened
from router_worker.rules import Rules
from router_worker.spending import Purse, held_behind, told
from runtime import failpoints
from runtime.clock import Ticks, ticks
from runtime.db.session import Connection, Database, Row, clock, repeated
from runtime.db.stores import artifacts, budgets, capacity, documents, jobs, record, waiting
from runtime.metrics import Metrics
from runtime.settings import Settings
from schemas.budget import Account, call_cost_usd_micros
from schemas.canonical import canonical, digest
from schemas.changing import changed
from schemas.decision import Decision, Outcome
from schemas.features import JobFeatures
from schemas.job import Job
from schemas.review import Review
from schemas.sensitivity import Lane
from schemas.snapshot import Assigned, ProviderLoad, ProviderSnapshot, RungPromise

CHUNK_BYTES = 32 * 1024 * 1024
"""Text that is read in one transaction; a chunk of long documents is shorter."""

URGENT = Lane.URGENT.rank
"""As the column has it."""

CHUNK_S = 0.05
"""How long one chunk may take, by what the jobs of the last one took: so long an urgent job waits behind it at most."""

LEAST_CHUNK = 16
"""Below it, what a chunk costs by itself would count."""

SNAPSHOT_S = 0.5
"""A snapshot is used for so long; what was bound meanwhile by this router is added to it."""


@dataclass(slots=True)
class _Chunk:
    """What one transaction gathers before it writes."""

    now: datetime
    snapshot: ProviderSnapshot
    """With what was assigned so far."""
    prepared: Prepared
    """The rules at that snapshot."""
    moves: list[jobs.Move] = field(default_factory=list)
    decisions: list[record.DecisionRecord] = field(default_factory=list)
    classified: list[Job] = field(default_factory=list)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    bound: Counter[str] = field(default_factory=Counter)
    purse: Purse = field(default_factory=Purse)


@dataclass
class Stage:
    settings: Settings
    database: Database
    rules: Rules
    extractor: Extractor
    metrics: Metrics
    router_id: str
    ticks: Ticks = ticks
    shadows: Mapping[str, int] = field(default_factory=dict)
    """What a slot-second of each scarce provider is worth; see `router_worker.prices`. For the next snapshot."""
    _snapshot: ProviderSnapshot | None = None
    _prepared: Prepared | None = None
    _formed_by: str = ""
    _snapshot_digest: str = ""
    _snapshot_stored: bool = False
    _snapshot_ticks: float = 0.0
    _promises: tuple[RungPromise, ...] | None = None
    _promises_ticks: float = 0.0
    _assigned: dict[str, Assigned] = field(default_factory=dict)
    _job_s: float = 0.0
    """What a job of the last chunk took."""
    _budgeted: bool = False
    """Whether there are budgets, as of the last snapshot; without any, a chunk asks nothing more."""
    _tried: dict[str, int] = field(default_factory=dict)
    """By class behind a budget, what that had left when one of its jobs was last held."""
    _reviews: dict[str, Review] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held for one chunk: snapshot and what was assigned since are the stage's, and a decision is recorded with both.
    A router's pool can be grown, and two chunks that mixed theirs could not be decided again."""

    async def publish(self) -> None:
        """Stores the rules, so that every decision can name them by digest."""
        async with self.database.transaction() as connection:
            tenant = self.settings.tenant
            await artifacts.keep(connection, tenant, "catalog", "catalog", self.rules.catalog)
            policy = self.rules.policy
            await budgets.publish(connection, tenant, policy.budgets)
            await artifacts.keep(connection, tenant, "policy", f"{policy.policy} {policy.version}", policy)
            for provider in self.rules.catalog.providers:
                await capacity.register_provider(
                    connection, tenant, provider.name, provider.ceiling, provider.limits
                )

    async def route(self) -> tuple[int, dict[str, int]]:
        """Decides one chunk. Returns how many jobs it looked at, and how many it bound to each provider."""
        async with self._turn:
            began = self.ticks()
            looked, chunk = await self._route()
            self._job_s = (self.ticks() - began) / looked if looked else self._job_s
        self._count(chunk)
        return looked, dict(chunk.bound) if chunk else {}

    async def _route(self) -> tuple[int, _Chunk | None]:
        snapshot = await self._observe()
        held = dict(self._assigned)
        try:
            looked, chunk = await repeated(lambda: self._transact(snapshot, dict(held)))
        except BaseException:
            self._assigned = held  # nothing was written, so nothing was bound
            raise
        return looked, chunk

    async def _observe(self) -> ProviderSnapshot:
        if self._snapshot is not None and self.ticks() - self._snapshot_ticks < SNAPSHOT_S:
            return self._snapshot
        async with self.database.transaction() as connection:
            rows = await capacity.loads(connection, self.settings.tenant)
            now = await clock(connection)
            self._budgeted = await budgets.exist(connection, self.settings.tenant)
            promised = await self._promised(connection)
        rules = self.rules
        observed = priced(
            snapshot_of(rules.catalog, rules.catalog_digest, rows, rules.policy.bind_late, taken_at=now),
            self.shadows,
        )
        self._snapshot = changed(observed, promises=promised)
        self._snapshot_digest = digest(self._snapshot.facts())
        if self._prepared is None:
            self._prepared = prepare(rules.policy, self._snapshot)
        self._prepared = self._prepared.moved_to(self._snapshot)
        self._formed_by = formed_by(rules, self._snapshot)
        self._snapshot_stored, self._snapshot_ticks, self._assigned = False, self.ticks(), {}
        return self._snapshot

    async def _promised(self, connection: Connection) -> tuple[RungPromise, ...]:
        """Of the rungs that the policy asks it of; kept for a while, since labels come slowly."""
        if self._promises is None or self.ticks() - self._promises_ticks >= FRESH_S:
            self._promises = await promises(connection, self.settings.tenant, self.rules.policy)
            self._promises_ticks = self.ticks()
        return self._promises

    async def _transact(
        self, snapshot: ProviderSnapshot, assigned: dict[str, Assigned]
    ) -> tuple[int, _Chunk | None]:
        tenant = self.settings.tenant
        self._assigned = assigned
        async with self.database.transaction() as connection:
            known = await waiting.classes(connection, tenant)
            limits = open_classes(known, self._formed_by, snapshot.plus(assigned), most=self.settings.chunk)
            if self._budgeted:
                shut = known.keys() - limits.keys()
                limits |= await reopened(
                    connection, tenant, shut, self._tried, attempts=self._attempts, most=self.settings.chunk
                )
            rows = _within(await waiting.claim(connection, tenant, limits, most=self._most))
            failpoints.reach("router.claimed")
            if not rows:
                return 0, None
            assert self._prepared is not None
            filled = snapshot.plus(assigned)
            chunk = _Chunk(await clock(connection), filled, self._prepared.moved_to(filled))
            stored = [jobs.job_of(row) for row in rows]
            if self._budgeted:
                batches = {job.batch_id for job in stored}
                chunk.purse = await purse_over(connection, tenant, batches, attempts=self._attempts)
            found = await self._featured(connection, stored, chunk.now)
            for before, job in zip(stored, found, strict=True):
                self._decide(before, job, chunk)
            await self._write(connection, chunk, known)
            failpoints.reach("router.commit")
        failpoints.reach("router.committed")
        self._snapshot_stored = self._snapshot_stored or bool(chunk.decisions)
        return len(rows), chunk

    # -- thinking

    def _decide(self, stored: Job, job: Job, chunk: _Chunk) -> None:
        """`stored` as its row is now, `job` with its features."""
        assert job.features is not None
        tightest = chunk.purse.tightest(job.batch_id)
        ceiling = self.rules.policy.budgets.job_usd_micros
        features = at_this_moment(job.features, job, chunk.now, ceiling_usd_micros=ceiling)
        if tightest is not None:
            features = changed(features, budget_left_usd_micros=tightest[1], budget=told(tightest[0]))
        decision = chunk.prepared.decide(features)
        classed = changed(
            job,
            route_class=self._class_of(decision, tightest, job),
            start_by=start_by(job, decision) or job.start_by,
        )
        chunk.classes[classed.route_class] = providers_of(decision)
        after = with_work(moved_by(classed, decision), features, chunk.prepared)
        if after is None:
            chunk.classified.append(classed)
            return
        self._record(stored, after, decision, features, chunk)
        if after.provider is not None:
            self._tried.pop(stored.route_class, None)  # one fitted, so others of its class may
            self._assign(after, chunk)
            chunk.purse.take(
                after.batch_id, call_cost_usd_micros(after.plan[0].worst_cost_usd_micros, self._attempts)
            )
            chunk.prepared = chunk.prepared.moved_to(chunk.snapshot)

    @property
    def loads(self) -> tuple[ProviderLoad, ...]:
        """As they were last observed."""
        return self._snapshot.loads if self._snapshot else ()

    @property
    def _most(self) -> int:
        """Jobs for the next chunk."""
        in_time = int(CHUNK_S / self._job_s) if self._job_s > 0 else self.settings.chunk
        return min(self.settings.chunk, max(LEAST_CHUNK, in_time))

    @property
    def _attempts(self) -> int:
        return self.rules.policy.plan.attempts_per_step

    def _class_of(self, decision: Decision, tightest: tuple[Account, int] | None, job: Job) -> str:
        plain = route_class_of(decision, self._formed_by)
        waits = held_behind(decision, tightest, job.batch_id, self._attempts)
        if waits is None or tightest is None:
            return plain  # below, those within budget and only full or down are part of the name
        name = waits.named(digest([plain, providers_of(decision)]).removeprefix("sha256:")[:16])
        self._tried[name] = tightest[1]
        return name

    def _assign(self, job: Job, chunk: _Chunk) -> None:
        assert job.provider is not None and job.features is not None
        before = self._assigned.get(job.provider, Assigned())
        more = Assigned(1, job.features.tokens, job.work_ms)
        self._assigned[job.provider] = before.plus(more)
        chunk.snapshot = chunk.snapshot.plus({job.provider: more})  # only this load moves
        chunk.bound[job.provider] += 1

    def _record(
        self, before: Job, after: Job, decision: Decision, features: JobFeatures, chunk: _Chunk
    ) -> None:
        body = canonical(decision)
        name = digest(body)
        facts = {
            "catalog": self.rules.catalog_digest,
            "decision": name,
            "model": after.model,
            "policy": self.rules.policy_digest,
            "provider": after.provider,
            "snapshot": decision.snapshot_digest,
        }
        chunk.moves.append(jobs.move_of(before, after, at=chunk.now, actor=self.router_id, facts=facts))
        chunk.decisions.append(
            record.DecisionRecord(
                job=after,
                outcome=decision.outcome.value,
                policy_digest=self.rules.policy_digest,
                catalog_digest=self.rules.catalog_digest,
                snapshot_digest=self._snapshot_digest,
                assigned=dict(self._assigned),
                features=canonical(features),
                body=body,
                digest=name,
            )
        )

    # -- reading and writing

    async def _featured(self, connection: Connection, found: list[Job], now: datetime) -> list[Job]:
        """The jobs with their features; those that have none yet are read."""
        new = [job for job in found if job.features is None]
        texts = await documents.texts(connection, self.settings.tenant, [job.document_digest for job in new])
        await self._load_reviews(connection, {job.review_digest for job in new})
        # Counting tokens is work for a processor; the loop goes on meanwhile, and so does the heartbeat.
        extracted = await asyncio.to_thread(self._extract, new, texts, now)
        return [extracted.get(job.id, job) for job in found]

    def _extract(self, new: Sequence[Job], texts: Mapping[str, str], now: datetime) -> dict[str, Job]:
        return {
            job.id: changed(
                job,
                features=self.extractor.extract(
                    texts[job.document_digest], self._reviews[job.review_digest], job, now
                ),
            )
            for job in new
        }

    async def _load_reviews(self, connection: Connection, digests: set[str]) -> None:
        missing = sorted(digests - self._reviews.keys())
        if missing:
            stored = await artifacts.load(connection, self.settings.tenant, missing)
            self._reviews.update({name: Review.model_validate(body) for name, body in stored.items()})

    async def _write(
        self, connection: Connection, chunk: _Chunk, known: Mapping[str, tuple[str, tuple[str, ...]]]
    ) -> None:
        tenant = self.settings.tenant
        if chunk.decisions and not self._snapshot_stored and self._snapshot is not None:
            await artifacts.keep(connection, tenant, "snapshot", "snapshot", self._snapshot.facts())
        for name, providers in chunk.classes.items():
            if name not in known:
                await waiting.keep_class(connection, tenant, name, self._formed_by, providers)
        moved = await jobs.move(connection, chunk.moves)
        await record.keep_decisions(connection, [one for one in chunk.decisions if one.job.id in moved])
        if chunk.classified:
            await jobs.classify(connection, chunk.classified)

    def _count(self, chunk: _Chunk | None) -> None:
        if chunk is None:
            return
        for move in chunk.moves:
            self.metrics.of(self.metrics.moves, move.after.state.value).inc()
        for one in chunk.decisions:
            self.metrics.of(self.metrics.decided, one.outcome).inc()
            if one.outcome == Outcome.REFUSED:
                self.metrics.refusals.labels(one.job.reason_code).inc()


def _within(rows: list[Row]) -> list[Row]:
    """The first rows whose texts fit into `CHUNK_BYTES`, one at least, and after urgent ones
    that nobody has looked at no others, for which they would wait; the others are free again at the commit."""
    kept: list[Row] = []
    total = 0
    for row in rows:
        if kept and row["lane"] != URGENT == kept[0]["lane"] and kept[0]["features"] is None:
            break
        total += row["size_bytes"] if row["features"] is None else 0
        if kept and total > CHUNK_BYTES:
            break
        kept.append(row)
    return kept
