"""What a second of a scarce slot is worth to the work that waits, from the prices of a linear program. Pure.

For a policy whose objective is `joint`. Kinds of waiting jobs (the same allowed models, a like size, a like haste) go
into the program as classes; slots and limits of the providers that serve now are what is scarce, over a quarter more
time than all of it takes at best. Where a provider is wanted by more work than it can do in that time, the program's
price of its slots is what the least keen of those who get it save there, a second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from router_worker.bound.batch import requests, slots, tokens_at
from router_worker.bound.program import solve
from router_worker.bound.values import Choice, Program, Resource, Solution, WorkClass
from router_worker.engine.decide import Prepared
from schemas.decision import Candidate
from schemas.features import JobFeatures
from schemas.snapshot import ProviderLoad, ProviderSnapshot, ProviderStatus

HASTE_S = (60.0, 300.0, 900.0, 3_600.0)
"""Where jobs are told apart by the time they have left; the last kind has more, or no deadline."""

SLACK = 1.25
"""Of the least time in which all of it could be done. At exactly that time nobody has a choice, and prices only say
how much the last second was missed; a quarter more, and they say what the scarce slots save."""

SHORTEST_S, LONGEST_S = 1.0, 1e6
SOLVE_S = 0.5
NOW = frozenset({"full", "deadline"})
"""Reasons for not being available now that pass with the work itself."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Waiting jobs that are alike."""

    jobs: int
    haste: int
    """How many of `HASTE_S` they have time for."""
    features: JobFeatures
    """Of one of them."""


def shadows(kinds: Sequence[Kind], prepared: Prepared, snapshot: ProviderSnapshot) -> dict[str, int]:
    """Micro-dollars a second of one slot, by provider; those that are not scarce are left out."""
    up = {load.provider: load for load in snapshot.loads if load.status is ProviderStatus.READY}
    wanted = [(kind, choices) for kind in kinds if (choices := tuple(_choices(kind, prepared, up)))]
    if not wanted:
        return {}
    time = _least_time_s(wanted, snapshot, up)
    if time is None:
        return {}
    ends = (*(edge for edge in HASTE_S if edge < time * SLACK), time * SLACK)
    for hasty in (True, False):  # where deadlines cannot all be kept, prices are those without them
        classes = tuple(
            WorkClass(kind.jobs, choices, last=min(kind.haste if hasty else len(ends), len(ends) - 1))
            for kind, choices in wanted
        )
        there_is = tuple(_resources(snapshot, up, ends))
        found = solve(Program(classes, there_is, buckets=len(ends)), most_seconds=SOLVE_S)
        if isinstance(found, Solution):
            return slot_prices(found, classes, up)
    return {}


def priced(snapshot: ProviderSnapshot, found: Mapping[str, int]) -> ProviderSnapshot:
    """The snapshot with these prices on its providers' slots."""
    if not found:
        return snapshot
    loads = (replace(load, shadow_usd_micros_per_s=found.get(load.provider, 0)) for load in snapshot.loads)
    return replace(snapshot, loads=tuple(loads))


_Wanted = Sequence[tuple[Kind, tuple[Choice, ...]]]


def _choices(kind: Kind, prepared: Prepared, up: Mapping[str, ProviderLoad]) -> Iterator[Choice]:
    """Where the engine would let such a job go; their deadline is in the buckets."""
    decision = prepared.decide(replace(kind.features, time_left_ms=None))
    for each in decision.candidates:
        if each.estimate is not None and each.provider in up and _may(each):
            uses = (
                (slots(each.provider), each.estimate.latency_ms / 1000),
                (requests(each.provider), 1.0),
                (tokens_at(each.provider), kind.features.tokens + kind.features.expected_output_tokens),
            )
            yield Choice(f"{each.provider}/{each.model}", each.estimate.cost_usd_micros, uses)


def _may(each: Candidate) -> bool:
    return each.unavailable is None or each.unavailable.rule in NOW


def _resources(
    snapshot: ProviderSnapshot, up: Mapping[str, ProviderLoad], ends: Sequence[float]
) -> Iterator[Resource]:
    """What is left from now to the end of each bucket, once the work that is bound already is done."""
    for name, rates, taken in _rates(snapshot, up):
        yield Resource(name, tuple(max(0.0, rates * end - taken) for end in ends), is_cumulative=True)


def _rates(snapshot: ProviderSnapshot, up: Mapping[str, ProviderLoad]) -> Iterator[tuple[str, float, float]]:
    """Of each resource: how much a second brings, and how much is spoken for."""
    for provider in snapshot.catalog.providers:
        if (load := up.get(provider.name)) is None:
            continue
        yield slots(provider.name), float(load.slots), _bound_s(load)
        if (calls := provider.limits.requests_per_minute) is not None:
            yield requests(provider.name), calls / 60, float(load.waiting_jobs)
        if (tokens := provider.limits.tokens_per_minute) is not None:
            yield tokens_at(provider.name), tokens / 60, float(load.waiting_tokens)


def _bound_s(load: ProviderLoad) -> float:
    """Slot-seconds of what is bound there."""
    work_ms = load.waiting_work_ms + load.in_flight_work_ms
    if work_ms:
        return work_ms * (load.pace_millionths or 1_000_000) / 1_000_000 / 1000
    return (load.waiting_jobs + load.in_flight) * (load.job_ms_p50 or 0) / 1000


def _least_time_s(
    wanted: _Wanted, snapshot: ProviderSnapshot, up: Mapping[str, ProviderLoad]
) -> float | None:
    """In which all of it could be done, whatever it costs, to within a fifth; None where it never could."""
    work = tuple(
        WorkClass(kind.jobs, tuple(replace(each, cost_usd_micros=0.0) for each in choices))
        for kind, choices in wanted
    )

    def suffices(time_s: float) -> bool:
        there_is = tuple(_resources(snapshot, up, (time_s,)))
        return isinstance(solve(Program(work, there_is), most_seconds=SOLVE_S), Solution)

    least_s = sum(
        kind.jobs * min(dict(each.uses)[_slots_of(each)] for each in choices) for kind, choices in wanted
    )
    time_s = max(SHORTEST_S, least_s / max(1, sum(load.slots for load in up.values())))
    while not suffices(time_s):
        time_s *= 2
        if time_s > LONGEST_S:
            return None
    for step in (1.41, 1.19):
        time_s = time_s / step if suffices(time_s / step) else time_s
    return time_s


def _slots_of(choice: Choice) -> str:
    return slots(choice.model.partition("/")[0])


def slot_prices(
    found: Solution, classes: Sequence[WorkClass], providers: Iterable[str], bucket: int = 0
) -> dict[str, int]:
    """What a second of a slot is worth in that bucket, in micro-dollars; where requests or tokens are what is scarce,
    their price by what the work that is placed there takes of them a second."""
    uses: dict[str, dict[str, float]] = {name: defaultdict(float) for name in providers}
    for (number, choice, _), amount in found.placed.items():
        chosen = classes[number].choices[choice]
        for name, each in chosen.uses:
            uses[chosen.model.partition("/")[0]][name] += amount * each
    prices: dict[str, int] = {}
    for provider, taken in uses.items():
        seconds = taken[slots(provider)]
        per_second = found.prices.get(slots(provider), _FREE)[
            bucket if slots(provider) in found.prices else 0
        ]
        for name in (requests(provider), tokens_at(provider)):
            if seconds and name in found.prices:
                per_second += found.prices[name][bucket] * taken[name] / seconds
        if price := round(per_second):
            prices[provider] = price
    return prices


_FREE = (0.0,)
