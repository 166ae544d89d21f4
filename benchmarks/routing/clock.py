"""The yard of the cost benchmark on a virtual clock: arrivals, decisions by the real engine, queues, slots and limits.

A job is decided when it comes. It waits at its provider in the order of deadlines, and starts when a slot is free and
the limits of the minute (`runtime.limits`, as the yard draws them) allow it. Where all that may serve it are full, it
waits unbound and is decided again when one has room. Nobody here knows the future but a desk that was told it.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from benchmarks.routing.market import PROMPT_TOKENS, USUAL_OUTPUT_TOKENS, Job
from router_worker.engine.decide import Prepared, prepare
from runtime.limits import Bucket, draw
from schemas.canonical import digest
from schemas.catalog import Catalog, CatalogModel, CatalogProvider
from schemas.decision import Decision
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy
from schemas.snapshot import ProviderLoad, ProviderSnapshot, ProviderStatus

_NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
QUEUE_S = 300.0
"""Work that a provider's queue may hold, at a typical job's length."""

TYPICAL_MS = 2_500
LOOK_S = 0.25
"""Until a limit is asked again."""


class Taken(NamedTuple):
    """What one job really takes at one model."""

    cost_usd_micros: int
    seconds: float


def taken(job: Job, model: CatalogModel) -> Taken:
    read, written = model.own_tokens(job.tokens + PROMPT_TOKENS), model.own_tokens(job.output_tokens)
    assert model.price is not None
    return Taken(model.price.cost_usd_micros(read, written), model.latency.expected_ms(read, written) / 1000)


@dataclass(slots=True)
class Done:
    """One job's end."""

    job: Job
    provider: str
    model: str
    starts_s: float
    ends_s: float
    cost_usd_micros: int
    quality: float

    @property
    def is_late(self) -> bool:
        return self.ends_s > self.job.due_s + 1e-9


@dataclass(slots=True)
class Queue:
    """One provider: what waits there, by deadline, and what it is doing."""

    provider: CatalogProvider
    waiting: list[tuple[float, int, Job, str]] = field(default_factory=list)
    work_ms: list[int] = field(default_factory=list)
    in_flight: int = 0
    requests: Bucket = field(default_factory=lambda: Bucket(None, 0.0))
    tokens: Bucket = field(default_factory=lambda: Bucket(None, 0.0))
    drawn_s: float | None = None
    wakes_s: float = -1.0

    @classmethod
    def of(cls, provider: CatalogProvider) -> Queue:
        limits = provider.limits
        return cls(
            provider,
            requests=Bucket(limits.requests_per_minute, 0.0),
            tokens=Bucket(limits.tokens_per_minute, 0.0),
        )

    @property
    def room(self) -> int:
        return max(0, int(self.provider.ceiling * QUEUE_S * 1000 / TYPICAL_MS) - len(self.waiting))

    def joins(self, job: Job, model: str, ms: int) -> None:
        entry = (job.due_s, job.number, job, model)
        self.work_ms.insert(bisect_right(self.waiting, entry), ms)
        insort(self.waiting, entry)

    def load_for(self, job: Job, shadow: int) -> ProviderLoad:
        """What is ahead of this job: those due before it."""
        ahead = bisect_right(self.waiting, (job.due_s, job.number))
        work_ms = sum(self.work_ms[:ahead])
        busy = self.in_flight >= self.provider.ceiling
        return ProviderLoad(
            provider=self.provider.name,
            status=ProviderStatus.READY,
            reason="",
            ceiling=self.provider.ceiling,
            slots=self.provider.ceiling,
            in_flight=self.in_flight,
            waiting_jobs=-(-work_ms // max(1, self._usual_ms(job))),
            waiting_tokens=0,
            headroom_jobs=self.room,
            job_ms_p50=None,
            waiting_work_ms=work_ms,
            in_flight_work_ms=0 if not busy else self.in_flight * TYPICAL_MS // 2,
            shadow_usd_micros_per_s=shadow,
        )

    def _usual_ms(self, job: Job) -> int:
        """Of this job here. The engine takes jobs that wait to be as long as the one it decides; so many of those as
        make up the work that waits are told it."""
        tokens = job.tokens + PROMPT_TOKENS
        each = sorted(
            model.latency.expected_ms(tokens, USUAL_OUTPUT_TOKENS) for model in self.provider.models
        )
        return each[len(each) // 2]

    def next_start(self, now_s: float) -> tuple[Job, str] | None:
        """The most urgent job, where slot and limits let it go now."""
        if not self.waiting or self.in_flight >= self.provider.ceiling:
            return None
        _, _, job, model = self.waiting[0]
        elapsed = None if self.drawn_s is None else now_s - self.drawn_s
        went = draw(
            self.requests.refilled(elapsed), self.tokens.refilled(elapsed), [job.tokens + job.output_tokens]
        )
        if not went.jobs:
            return None
        self.requests, self.tokens, self.drawn_s = went.requests, went.tokens, now_s
        del self.waiting[0], self.work_ms[0]
        self.in_flight += 1
        return job, model


class Desk(Protocol):
    """Who decides."""

    foreseen: bool

    def policy(self, now_s: float) -> RoutingPolicy: ...
    def shadows(self, job: Job, now_s: float) -> Mapping[str, int]: ...
    def saw(self, job: Job) -> None: ...
    def chose(self, job: Job, provider: str, model: CatalogModel) -> None: ...
    def pick(self, job: Job, decision: Decision) -> tuple[str, str] | None: ...


class Seen(NamedTuple):
    """One decision, for the checker."""

    job: Job
    decision: Decision


@dataclass
class Day:
    """One run of all jobs past one desk."""

    catalog: Catalog
    desk: Desk
    queues: dict[str, Queue] = field(init=False)
    done: list[Done] = field(default_factory=list)
    decided: list[Seen] = field(default_factory=list)
    unbound: list[tuple[float, int, Job]] = field(default_factory=list)
    _events: list[tuple[float, int, str, object]] = field(default_factory=list)
    _prepared: Prepared | None = None
    _policy: RoutingPolicy | None = None
    _digest: str = ""
    _number: int = 0

    def __post_init__(self) -> None:
        self.queues = {each.name: Queue.of(each) for each in self.catalog.providers}
        self._digest = digest(self.catalog)

    def run(self, work: Sequence[Job]) -> Day:
        for job in work:
            self._at(job.arrives_s, "arrives", job)
        while self._events:
            now, _, kind, what = heapq.heappop(self._events)
            if kind == "arrives":
                assert isinstance(what, Job)
                self.desk.saw(what)
                self._decide(what, now)
            elif kind == "ends":
                assert isinstance(what, Queue)
                what.in_flight -= 1
                self._start(what, now)
                self._decide_unbound(now)
            else:
                assert isinstance(what, Queue)
                what.wakes_s = -1.0
                self._start(what, now)
        return self

    def _at(self, when_s: float, kind: str, what: object) -> None:
        self._number += 1
        heapq.heappush(self._events, (when_s, self._number, kind, what))

    def _decide(self, job: Job, now: float) -> bool:
        """Whether it was bound."""
        features = job.features(now, foreseen=self.desk.foreseen)
        if features.time_left_ms is not None and features.time_left_ms <= 0:
            features = replace(features, time_left_ms=1)  # too late, and served all the same, to be counted
        decision = self._ready(job, now).decide(features)
        self.decided.append(Seen(job, decision))
        chosen = self.desk.pick(job, decision)
        if chosen is None:
            heapq.heappush(self.unbound, (job.due_s, job.number, job))
            return False
        queue = self.queues[chosen[0]]
        model = queue.provider.model(chosen[1])
        assert model is not None
        self.desk.chose(job, chosen[0], model)
        queue.joins(job, chosen[1], _expected_ms(features, model))
        self._start(queue, now)
        return True

    def _ready(self, job: Job, now: float) -> Prepared:
        shadows = self.desk.shadows(job, now)
        loads = tuple(
            queue.load_for(job, shadows.get(name, 0)) for name, queue in sorted(self.queues.items())
        )
        snapshot = ProviderSnapshot(self.catalog, self._digest, loads, _NOON)
        policy = self.desk.policy(now)
        if self._prepared is None or policy is not self._policy:
            self._prepared, self._policy = prepare(policy, snapshot), policy
            return self._prepared
        self._prepared = self._prepared.moved_to(snapshot)
        return self._prepared

    def _decide_unbound(self, now: float) -> None:
        again, self.unbound = self.unbound, []
        while again:
            _, _, job = heapq.heappop(again)
            if not self._decide(job, now):
                break
        for entry in again:
            heapq.heappush(self.unbound, entry)

    def _start(self, queue: Queue, now: float) -> None:
        while (started := queue.next_start(now)) is not None:
            job, name = started
            model = queue.provider.model(name)
            assert model is not None
            cost, seconds = taken(job, model)
            self.done.append(Done(job, queue.provider.name, name, now, now + seconds, cost, model.quality))
            self._at(now + seconds, "ends", queue)
        if queue.waiting and queue.in_flight < queue.provider.ceiling and queue.wakes_s < 0:
            queue.wakes_s = now + LOOK_S
            self._at(queue.wakes_s, "wakes", queue)


def _expected_ms(features: JobFeatures, model: CatalogModel) -> int:
    return model.latency.expected_ms(
        model.own_tokens(features.tokens + features.prompt_tokens),
        model.own_tokens(features.expected_output_tokens),
    )


def busiest(done: Sequence[Done], provider: str) -> int:
    """The most calls that were in flight at once."""
    edges = sorted(
        [(one.starts_s, 1) for one in done if one.provider == provider]
        + [(one.ends_s, -1) for one in done if one.provider == provider]
    )
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


def fullest_minute(done: Sequence[Done], provider: str) -> tuple[int, int]:
    """The most requests and the most tokens that began within any sixty seconds."""
    begun = sorted(
        (one.starts_s, one.job.tokens + one.job.output_tokens) for one in done if one.provider == provider
    )
    most_calls = most_tokens = tokens = first = 0
    for index, (at, size) in enumerate(begun):
        tokens += size
        while begun[first][0] <= at - 60.0:
            tokens -= begun[first][1]
            first += 1
        most_calls, most_tokens = max(most_calls, index - first + 1), max(most_tokens, tokens)
    return most_calls, most_tokens


def chosen_of(decision: Decision) -> tuple[str, str] | None:
    return (decision.chosen.provider, decision.chosen.model) if decision.chosen else None


def with_room(decision: Decision) -> Iterator[tuple[str, str]]:
    """All that could be taken now."""
    return ((each.provider, each.model) for each in decision.candidates if each.rank is not None)
