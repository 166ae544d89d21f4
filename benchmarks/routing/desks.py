"""Who decides in the cost benchmark: the plan that knows everything, the yard that does not, and what they are compared
with. All but one ask the real engine and take its first choice; they differ in the policy's weights and in the prices
on slots that they put into the snapshot.
"""

from __future__ import annotations

import math
import random
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from benchmarks.routing.clock import Day, Queue, chosen_of, taken, with_room
from benchmarks.routing.market import USUAL_OUTPUT_TOKENS, Job
from benchmarks.routing.rules import allowed
from router_worker.bound.batch import requests, slots, tokens_at
from router_worker.bound.program import solve
from router_worker.bound.shadows import slot_prices
from router_worker.bound.values import Choice, Program, Resource, Solution, WorkClass
from runtime.limits import BURST_S, SHARE
from schemas.catalog import Catalog, CatalogModel
from schemas.decision import Decision
from schemas.policy import Objective, RoutingPolicy, Scale, Scales, Weights

DEAREST_USD_MICROS = 400_000
"""Where the scale of cost ends: beyond the dearest document with the price of its slot."""

QUALITY = 0.85
"""The mean that all documents together must reach."""

MARGIN = 0.0006
"""Beyond it, that is aimed at: what is short at the end cannot be made up for."""

GAIN, NUDGE, MOST_NUDGE = 0.1, 0.002, 0.3
"""How much more quality is worth for each document's worth of it that is missing, in steps, and at most."""

AHEAD_S = 30.0
"""Work that should wait at a scarce provider, a slot: enough that a lull never leaves it idle."""

LEAST_PRICE, MOST_PRICE = 0.4, 2.5
"""Of the program's price of a slot: where nothing waits there, and where too much does."""

PLAN_AHEAD_S, PLAN_PRICE = 10.0, (0.9, 2.0)
"""Likewise for the plan, whose prices know what comes."""

SIZES = 4
"""Kinds of documents a doubling of their length, in the small program."""


@lru_cache(maxsize=4_096)
def policy_of(quality_price: float) -> RoutingPolicy:
    """Cost, and quality at so many micro-dollars for a document at 1.0 instead of 0.0."""
    return RoutingPolicy(
        policy="cost",
        version=1,
        objective=Objective.JOINT,
        weights=Weights(cost=1, quality=quality_price / DEAREST_USD_MICROS, latency=0, load=0),
        scales=Scales(cost_usd_micros=Scale(best=0, worst=DEAREST_USD_MICROS)),
    )


@dataclass
class Steady:
    """The same weights all day, and no price on any slot: `quality_price` 0 takes the cheapest that has room and time;
    with the price that the bound has for quality it is the greedy one of the anchor."""

    quality_price: float = 0.0
    foreseen: bool = False

    def policy(self, now_s: float) -> RoutingPolicy:
        return policy_of(self.quality_price)

    def shadows(self, job: Job, now_s: float) -> Mapping[str, int]:
        return {}

    def saw(self, job: Job) -> None:
        pass

    def chose(self, job: Job, provider: str, model: CatalogModel) -> None:
        pass

    def pick(self, job: Job, decision: Decision) -> tuple[str, str] | None:
        return chosen_of(decision)


@dataclass
class Chance(Steady):
    """Any that may serve it and has room."""

    seed: int = 0

    def pick(self, job: Job, decision: Decision) -> tuple[str, str] | None:
        able = sorted(with_room(decision))
        return random.Random(self.seed * 7_919 + job.number).choice(able) if able else None


@dataclass
class Tracking(Steady):
    """Keeps the mean quality: a little more for it while the documents so far are short of it, a little less else. At
    the program's price many documents are indifferent, and would come all or none."""

    day: Day | None = None
    decided: int = 0
    reached: float = 0.0

    def policy(self, now_s: float) -> RoutingPolicy:
        short = (QUALITY + MARGIN) * self.decided - self.reached
        nudge = min(MOST_NUDGE, max(-MOST_NUDGE, GAIN * short))
        return policy_of(round(self.quality_price * (1 + round(nudge / NUDGE) * NUDGE), 1))

    def chose(self, job: Job, provider: str, model: CatalogModel) -> None:
        self.decided += 1
        self.reached += model.quality


@dataclass
class Planned(Tracking):
    """Offline: the prices of the whole program, each slot's in the cheapest time that the document has."""

    foreseen: bool = True
    prices: Mapping[str, Sequence[int]] = field(default_factory=dict)
    bucket_s: float = 30.0

    def shadows(self, job: Job, now_s: float) -> Mapping[str, int]:
        first, last = int(job.arrives_s / self.bucket_s), last_bucket(job.due_s, self.bucket_s)
        found = {name: min(prices[first : last + 1], default=0) for name, prices in self.prices.items()}
        if self.day is None:
            return found
        return {
            name: int(price * _pressure(self.day.queues[name], PLAN_AHEAD_S, *PLAN_PRICE))
            for name, price in found.items()
        }


@dataclass
class Online(Tracking):
    """No future: every few seconds a small program over what came lately and what waits, as if it went on so."""

    catalog: Catalog = field(kw_only=True)
    past: Sequence[Job] = ()
    """Arrivals of before, at negative times."""
    seen_s: float = 120.0
    """How far back it looks."""
    every_s: float = 10.0
    solves: int = 0
    _recent: deque[Job] = field(default_factory=deque)
    _next_s: float = 0.0
    _prices: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._recent.extend(self.past)

    def policy(self, now_s: float) -> RoutingPolicy:
        if now_s >= self._next_s:
            self._next_s = now_s + self.every_s
            self._look(now_s)
        return super().policy(now_s)

    def shadows(self, job: Job, now_s: float) -> Mapping[str, int]:
        """The program's prices, less where little waits and more where much does: at a price everybody is indifferent
        whom it is about, so they come all or none, and only the queue says which."""
        if self.day is None:
            return self._prices
        return {
            name: int(price * _pressure(self.day.queues[name], AHEAD_S, LEAST_PRICE, MOST_PRICE))
            for name, price in self._prices.items()
        }

    def saw(self, job: Job) -> None:
        self._recent.append(job)

    def _look(self, now_s: float) -> None:
        while self._recent and self._recent[0].arrives_s < now_s - self.seen_s:
            self._recent.popleft()
        if not self._recent:
            return
        span = max(1.0, now_s - self._recent[0].arrives_s)
        classes = kinds(self._recent, self.catalog)
        short = QUALITY * self.decided - self.reached
        wanted = min(0.93, max(0.5, QUALITY + MARGIN + short / 2 / len(self._recent)))
        program = Program(
            classes,
            tuple(_flow(self.catalog, span, self._waiting_s())),
            mean_quality=wanted,
            unserved_usd_micros=10.0 * DEAREST_USD_MICROS,
        )
        found = solve(program, most_seconds=2.0)
        self.solves += 1
        if isinstance(found, Solution):
            self._prices = slot_prices(found, classes, [each.name for each in self.catalog.providers])
            self.quality_price = round(found.quality_price, -1)

    def _waiting_s(self) -> Mapping[str, float]:
        if self.day is None:
            return {}
        return {name: sum(queue.work_ms) / 1000 for name, queue in self.day.queues.items()}


def _pressure(queue: Queue, ahead_s: float, least: float, most: float) -> float:
    """1 where as much waits as should, `least` where nothing does."""
    waits_s = sum(queue.work_ms) / 1000 / queue.provider.ceiling
    return min(most, least + (1 - least) * waits_s / ahead_s)


def _flow(catalog: Catalog, span_s: float, waiting_s: Mapping[str, float]) -> Sequence[Resource]:
    """What each provider can do in so many seconds, without what waits there beyond a few seconds a slot."""
    found = []
    for provider in catalog.providers:
        late = max(0.0, waiting_s.get(provider.name, 0.0) - AHEAD_S * provider.ceiling)
        found.append(Resource(slots(provider.name), (max(0.0, provider.ceiling * span_s - late),)))
        limits = provider.limits
        share = SHARE * span_s / 60 * max(0.1, 1 - late / (provider.ceiling * span_s))
        if limits.requests_per_minute is not None:
            found.append(Resource(requests(provider.name), (limits.requests_per_minute * share,)))
        if limits.tokens_per_minute is not None:
            found.append(Resource(tokens_at(provider.name), (limits.tokens_per_minute * share,)))
    return found


def kinds(work: Sequence[Job], catalog: Catalog) -> tuple[WorkClass, ...]:
    """Jobs by who may serve them and by size, each kind with its mean size and the usual answer."""
    count: Counter[tuple[tuple[tuple[str, str], ...], int]] = Counter()
    tokens: Counter[tuple[tuple[tuple[str, str], ...], int]] = Counter()
    one_of: dict[tuple[tuple[tuple[str, str], ...], int], Job] = {}
    for job in work:
        key = (allowed(job, catalog), int(SIZES * math.log2(max(2, job.tokens))))
        count[key] += 1
        tokens[key] += job.tokens
        one_of[key] = job
    found = []
    for key, number in count.items():
        typical = _with(one_of[key], tokens[key] // number)
        found.append(WorkClass(number, tuple(_choice(typical, pair, catalog) for pair in key[0])))
    return tuple(found)


def _with(job: Job, tokens: int) -> Job:
    return Job(
        job.number,
        job.arrives_s,
        job.due_s,
        tokens,
        USUAL_OUTPUT_TOKENS,
        job.sensitivity,
        job.residency,
        job.quality,
    )


def _choice(job: Job, pair: tuple[str, str], catalog: Catalog) -> Choice:
    provider = catalog.provider(pair[0])
    assert provider is not None
    model = provider.model(pair[1])
    assert model is not None
    cost, seconds = taken(job, model)
    uses = (
        (slots(pair[0]), seconds),
        (requests(pair[0]), 1.0),
        (tokens_at(pair[0]), float(job.tokens + job.output_tokens)),
    )
    return Choice(f"{pair[0]}/{pair[1]}", cost, uses, model.quality)


# -- the whole program


def whole_program(work: Sequence[Job], catalog: Catalog, bucket_s: float) -> Program:
    """Every job a class of its own, with what it really takes; the limits as the yard draws them."""
    buckets = last_bucket(max(job.due_s for job in work), bucket_s) + 1
    classes = tuple(
        WorkClass(
            1.0,
            tuple(_choice(job, pair, catalog) for pair in allowed(job, catalog)),
            int(job.arrives_s / bucket_s),
            last_bucket(job.due_s, bucket_s),
        )
        for job in work
    )
    return Program(
        classes,
        tuple(_there_is(catalog, buckets, bucket_s)),
        buckets=buckets,
        mean_quality=QUALITY,
        unserved_usd_micros=10.0 * DEAREST_USD_MICROS,
    )


def bucket_for(work: Sequence[Job], about_s: float) -> float:
    """Length of a bucket, such that the last one ends when the last job is due: a longer one would be time that nobody
    has."""
    end_s = max(job.due_s for job in work)
    return end_s / max(1, round(end_s / about_s))


def last_bucket(due_s: float, bucket_s: float) -> int:
    return max(0, math.ceil(due_s / bucket_s - 1e-6) - 1)


def _there_is(catalog: Catalog, buckets: int, bucket_s: float) -> Sequence[Resource]:
    found = []
    ends = [(number + 1) * bucket_s for number in range(buckets)]
    for provider in catalog.providers:
        found.append(Resource(slots(provider.name), (provider.ceiling * bucket_s,) * buckets))
        limits = provider.limits
        for name, rate in (
            (requests(provider.name), limits.requests_per_minute),
            (tokens_at(provider.name), limits.tokens_per_minute),
        ):
            if rate is not None:
                drawn = tuple(rate / 60 * (SHARE * end + BURST_S) for end in ends)
                found.append(Resource(name, drawn, is_cumulative=True))
    return found
