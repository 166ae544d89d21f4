"""Unequal endpoints under a stream of calls, on a clock that does not exist: who is asked, and how long it took.

Baselines choose an endpoint when a call arrives. `Engine` is the router itself: it decides on snapshots that are up to
half a second old, binds late, and knows lengths and speeds only as far as earlier calls have shown them.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from governance.drift.seen import Observation, Seen
from router_worker.engine.decide import Prepared, prepare
from router_worker.observe import snapshot_of
from router_worker.stage import SNAPSHOT_S
from schemas.canonical import digest
from schemas.catalog import Catalog, CatalogModel, CatalogProvider, DataTerms, LatencyPrior, Price
from schemas.decision import Outcome
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy, Scale, Scales, Weights
from schemas.sensitivity import Quality, Sensitivity
from schemas.snapshot import Assigned, ProviderSnapshot

SPEEDS = (1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25)
PRIOR = LatencyPrior()
"""What a call takes at speed 1; the catalog says so of every endpoint, and is wrong about half of them."""


@dataclass(frozen=True, slots=True)
class Call:
    arrives_s: float
    input_tokens: int
    output_tokens: int
    expected_output_tokens: int
    """From earlier calls of about its length."""

    @property
    def work_s(self) -> float:
        """At speed 1."""
        return PRIOR.expected_ms(self.input_tokens, self.output_tokens) / 1000


@dataclass(slots=True)
class Endpoint:
    """One slot, and the calls that wait for it, in order."""

    index: int
    speed: float
    current: Call | None = None
    since_s: float = 0.0
    queue: deque[Call] = field(default_factory=deque)
    ewma_s: float = 0.0
    """Of observed latency, waiting included."""
    last_s: float = 0.0
    """What the last call took once it was served."""

    @property
    def held(self) -> int:
        return len(self.queue) + (self.current is not None)


Pick = Callable[[Sequence[Endpoint], Random], int]


def at_random(endpoints: Sequence[Endpoint], chance: Random) -> int:
    return chance.randrange(len(endpoints))


def round_robin() -> Pick:
    turn = -1

    def pick(endpoints: Sequence[Endpoint], chance: Random) -> int:
        nonlocal turn
        turn = (turn + 1) % len(endpoints)
        return turn

    return pick


def least_busy(endpoints: Sequence[Endpoint], chance: Random) -> int:
    """Fewest calls; one of the equal ones by chance."""
    return min(range(len(endpoints)), key=lambda index: (endpoints[index].held, chance.random()))


def two_choices(endpoints: Sequence[Endpoint], chance: Random) -> int:
    """The less busy of two that are drawn."""
    return min(chance.sample(range(len(endpoints)), 2), key=lambda index: endpoints[index].held)


def lowest_latency(endpoints: Sequence[Endpoint], chance: Random) -> int:
    return min(range(len(endpoints)), key=lambda index: (endpoints[index].ewma_s, chance.random()))


def pooled(calls: Sequence[Call], speeds: Sequence[float] = SPEEDS) -> list[float]:
    """Seconds from arrival to answer, were all endpoints one queue at their speeds' sum and each call then served at
    speed 1: no first-come order over these endpoints does better."""
    free_s, took = 0.0, []
    for call in calls:
        starts_s = max(call.arrives_s, free_s)
        free_s = starts_s + call.work_s / sum(speeds)
        took.append(starts_s - call.arrives_s + call.work_s)
    return took


def picked(
    calls: Sequence[Call], pick: Pick, chance: Random, speeds: Sequence[float] = SPEEDS
) -> list[float]:
    """Seconds from arrival to answer, bound at arrival."""
    endpoints, yard = [Endpoint(index, speed) for index, speed in enumerate(speeds)], _Yard(calls)

    def arrived(call: Call, now_s: float) -> None:
        yard.bind(endpoints[pick(endpoints, chance)], call, now_s)

    return list(yard.run(arrived, lambda endpoint, call, now_s: None))


class Engine:
    """The router and its providers' rows, as far as they matter here."""

    def __init__(
        self, speeds: Sequence[float] = SPEEDS, *, seconds: int = 30, load_weight: float = 0.2
    ) -> None:
        self.catalog = Catalog(providers=tuple(_provider(index) for index in range(len(speeds))))
        self.policy = _policy(seconds, load_weight)
        self._catalog_digest, self._names = (
            digest(self.catalog),
            [each.name for each in self.catalog.providers],
        )
        self.endpoints = [Endpoint(index, speed) for index, speed in enumerate(speeds)]
        self.seen = [Seen() for _ in speeds]
        self._waiting: deque[Call] = deque()
        self._snapshot, self._taken_s = self._taken(0.0), 0.0
        self._base = prepare(self.policy, self._snapshot)
        self._assigned: dict[str, Assigned] = {}
        self._prepared: Prepared | None = None

    def run(self, calls: Sequence[Call]) -> list[float]:
        self._yard = _Yard(calls)
        return list(self._yard.run(self._arrived, self._answered))

    def _arrived(self, call: Call, now_s: float) -> None:
        self._waiting.append(call)
        self._route(now_s)

    def _answered(self, endpoint: Endpoint, call: Call, now_s: float) -> None:
        tokens = call.input_tokens + call.output_tokens
        observed = Observation(round(endpoint.last_s * 1000), round(call.work_s * 1000), tokens, False)
        self.seen[endpoint.index] = self.seen[endpoint.index].after([observed])
        self._route(now_s)

    def _route(self, now_s: float) -> None:
        """Most urgent first, which is first come here, until one has to wait."""
        while self._waiting:
            prepared = self._at(now_s)
            features = _features(self._waiting[0])
            decision = prepared.decide(features)
            if decision.outcome is not Outcome.ROUTED or decision.chosen is None:
                return
            name, call = decision.chosen.provider, self._waiting.popleft()
            before = self._assigned.get(name, Assigned())
            work_ms = prepared.work_ms(features, name, "one")
            self._assigned[name] = Assigned(before.jobs + 1, before.tokens, before.work_ms + work_ms)
            self._prepared = None
            self._yard.bind(self.endpoints[self._names.index(name)], call, now_s)

    def _at(self, now_s: float) -> Prepared:
        if now_s - self._taken_s >= SNAPSHOT_S:
            self._snapshot, self._taken_s = self._taken(now_s), now_s
            self._assigned, self._prepared = {}, None
        if self._prepared is None:
            self._prepared = self._base.moved_to(self._snapshot.plus(self._assigned))
        return self._prepared

    def _taken(self, now_s: float) -> ProviderSnapshot:
        rows = [self._row(index) for index in range(len(self.endpoints))]
        taken_at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=now_s)
        return snapshot_of(self.catalog, self._catalog_digest, rows, self.policy.bind_late, taken_at=taken_at)

    def _row(self, index: int) -> dict[str, Any]:
        endpoint, seen = self.endpoints[index], self.seen[index]
        return {
            "name": self._names[index],
            "ceiling": 1,
            "slots": 1,
            "workers": 1,
            "keyless": 0,
            "paused": False,
            "resting": False,
            "in_flight": int(endpoint.current is not None),
            "in_flight_work_ms": _expected_ms(endpoint.current) if endpoint.current else 0,
            "waiting_jobs": len(endpoint.queue),
            "waiting_work_ms": sum(map(_expected_ms, endpoint.queue)),
            "pace_millionths": seen.pace_millionths,
            "health": seen.health.value,
        }


class _Yard:
    """Arrivals and answers in the order of their time."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._events: list[tuple[float, int, Call | Endpoint]] = [
            (call.arrives_s, number, call) for number, call in enumerate(calls)
        ]
        heapq.heapify(self._events)
        self._number = len(calls)

    def run(
        self, arrived: Callable[[Call, float], None], answered: Callable[[Endpoint, Call, float], None]
    ) -> Iterator[float]:
        """Seconds from arrival to answer, in the order of the answers."""
        while self._events:
            now_s, _, what = heapq.heappop(self._events)
            if isinstance(what, Call):
                arrived(what, now_s)
                continue
            call = what.current
            assert call is not None
            what.last_s, what.current = now_s - what.since_s, None
            took_s = now_s - call.arrives_s
            what.ewma_s += 0.1 * (took_s - what.ewma_s)
            if what.queue:
                self._start(what, what.queue.popleft(), now_s)
            answered(what, call, now_s)
            yield took_s

    def bind(self, endpoint: Endpoint, call: Call, now_s: float) -> None:
        if endpoint.current is None:
            self._start(endpoint, call, now_s)
        else:
            endpoint.queue.append(call)

    def _start(self, endpoint: Endpoint, call: Call, now_s: float) -> None:
        endpoint.current, endpoint.since_s = call, now_s
        self._number += 1
        heapq.heappush(self._events, (now_s + call.work_s / endpoint.speed, self._number, endpoint))


def _expected_ms(call: Call) -> int:
    return PRIOR.expected_ms(call.input_tokens, call.expected_output_tokens)


def _features(call: Call) -> JobFeatures:
    return JobFeatures(
        tokens=call.input_tokens,
        prompt_tokens=0,
        expected_output_tokens=call.expected_output_tokens,
        max_output_tokens=4_000,
        characters=4 * call.input_tokens,
        language="en",
        modalities=("text",),
        needs_json_schema=False,
        sensitivity=Sensitivity.PUBLIC,
        residency=(),
        quality=Quality.STANDARD,
        time_left_ms=None,
        max_cost_usd_micros=None,
    )


def _policy(seconds: int, load_weight: float) -> RoutingPolicy:
    """Time alone counts. Ten minutes are the worst on both scales, so that no queue here is off them."""
    long = Scale(best=0, worst=600_000)
    return RoutingPolicy(
        policy="queues",
        version=1,
        weights=Weights(cost=0, quality=0, latency=0.1, load=load_weight),
        scales=Scales(latency_ms=long, delay_ms=long),
        bind_late={"seconds": seconds},
    )


def _provider(index: int) -> CatalogProvider:
    checked = date(2026, 1, 1)
    price = Price(
        input_usd_micros_per_mtok=1, output_usd_micros_per_mtok=1, source="a benchmark", checked=checked
    )
    terms = DataTerms(retention_days=0, trains_on_data=False, source="a benchmark", checked=checked)
    model = CatalogModel(
        name="one",
        version="1",
        context_tokens=1_000_000,
        max_output_tokens=100_000,
        json_schema=True,
        quality=1.0,
        price=price,
        latency=PRIOR,
    )
    return CatalogProvider(
        name=f"endpoint-{index}",
        kind="api",
        adapter="openai",
        base_url="http://endpoint.test/v1",
        boundary=Sensitivity.PUBLIC,
        regions=("us",),
        data_terms=terms,
        ceiling=1,
        models=(model,),
    )
