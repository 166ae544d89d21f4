"""What another policy would have decided: the recorded features and snapshots of a batch, and other rules.

Each job counts once, by its last recorded decision. Both sides are estimates of the engine on the same inputs: what
the other model would have answered, and how the load would have been under the other policy, nobody knows; `UNKNOWN`
says so. Called by `classyard replay --policy`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from router_worker.engine.constraints import is_late
from router_worker.replay import decided_again, shelved
from router_worker.shelf import Recorded, Shelf, Unreadable, features_of, readable
from runtime.db.session import Database
from runtime.db.stores import recorded
from schemas.decision import Decision, Estimate, Outcome
from schemas.policy import RoutingPolicy

UNKNOWN = (
    "What another model would have answered: no call was made, so cost and time are estimates on both sides.",
    "How the load would have been: every job is decided on the load that it met, and under the other policy "
    "queues would have been others from the second job on.",
    "What would have come after the first choice: retries, fallbacks and decisions made anew are not played through.",
)
"""What a comparison cannot say; shown with every one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What counts of one decision here."""

    outcome: Outcome
    reason_code: str
    chosen: str = ""
    """`provider/model`; empty where it was not routed."""
    cost_usd_micros: int = 0
    """Expected, of the chosen one; 0 where there is none."""
    quality: float = 0.0
    is_late: bool = False
    """Whether the chosen one was expected to miss the deadline."""


@dataclass(slots=True)
class Side:
    """All jobs under one of the two policies."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    cost_usd_micros: int = 0
    """Expected, of all that is routed."""
    late: int = 0
    quality: float = 0.0
    """Sum of the chosen models' quality priors."""

    def add(self, one: Verdict) -> None:
        self.outcomes[one.outcome] += 1
        self.cost_usd_micros += one.cost_usd_micros
        self.late += one.is_late
        self.quality += one.quality

    @property
    def mean_quality(self) -> float | None:
        routed = self.outcomes[Outcome.ROUTED]
        return self.quality / routed if routed else None


@dataclass(slots=True)
class Comparison:
    jobs: int = 0
    decisions: int = 0
    """Recorded ones; more than jobs where some were held or decided anew."""
    unreadable: Counter[str] = field(default_factory=Counter)
    """Jobs whose decision could not be made again, by reason; in no other figure."""
    before: Side = field(default_factory=Side)
    after: Side = field(default_factory=Side)
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    """From and to: a `provider/model`, or what became of the job where it was not routed."""
    refused_now: Counter[str] = field(default_factory=Counter)
    """Refused by the other policy only, by rule."""
    refused_no_more: Counter[str] = field(default_factory=Counter)
    """Refused by the recorded policy only, by rule."""
    shared_before_usd_micros: int = 0
    """Of the jobs that both route: the part of the costs that can be set side by side."""
    shared_after_usd_micros: int = 0

    @property
    def moved(self) -> int:
        return self.moves.total()

    def add(self, was: Verdict, now: Verdict) -> None:
        self.jobs += 1
        self.before.add(was)
        self.after.add(now)
        if (one := _place(was)) != (other := _place(now)):
            self.moves[one, other] += 1
        if was.outcome is Outcome.ROUTED is now.outcome:
            self.shared_before_usd_micros += was.cost_usd_micros
            self.shared_after_usd_micros += now.cost_usd_micros
        refused_before, refused_after = (each.outcome is Outcome.REFUSED for each in (was, now))
        if refused_after and not refused_before:
            self.refused_now[now.reason_code] += 1
        if refused_before and not refused_after:
            self.refused_no_more[was.reason_code] += 1


async def compare(database: Database, tenant_id: str, batch_id: str, policy: RoutingPolicy) -> Comparison:
    """Decides each job of the batch again under `policy`. Needs two connections at a time."""
    found = Comparison()
    async for page, shelf in shelved(database, tenant_id, batch_id, last_only=True):
        for one in page:
            try:
                found.add(*verdicts(one, shelf, policy))
            except Unreadable as lost:
                found.unreadable[str(lost)] += 1
    async with database.transaction() as connection:
        found.decisions = await recorded.count(connection, tenant_id, batch_id)
    return found


def verdicts(one: Recorded, shelf: Shelf, policy: RoutingPolicy) -> tuple[Verdict, Verdict]:
    """As it was recorded, and as the policy would have it. Raises `Unreadable`."""
    time_left_ms = readable("its features cannot be read", lambda: features_of(one.features).time_left_ms)
    was = readable("its bytes are not a decision", lambda: _recorded_verdict(one.body, time_left_ms))
    return was, _verdict(decided_again(one, shelf, policy), time_left_ms)


def _recorded_verdict(body: bytes, time_left_ms: int | None) -> Verdict:
    found = orjson.loads(body)
    first = _chosen(found)
    return _of(
        Outcome(found["outcome"]),
        found["reason_code"],
        f"{first['provider']}/{first['model']}" if first else "",
        _estimate(first),
        time_left_ms,
    )


def _chosen(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The candidate of the plan's first step; with a ladder that need not be the best-ranked one."""
    if not found["plan"]:
        return None
    place = {name: found["plan"][0][name] for name in ("provider", "model")}
    chosen: Mapping[str, Any] = next(each for each in found["candidates"] if place.items() <= each.items())
    return chosen


def _verdict(decision: Decision, time_left_ms: int | None) -> Verdict:
    first = decision.chosen_candidate
    name = f"{first.provider}/{first.model}" if first else ""
    return _of(decision.outcome, decision.reason_code, name, first.estimate if first else None, time_left_ms)


def _estimate(candidate: Mapping[str, Any] | None) -> Estimate | None:
    return Estimate(**candidate["estimate"]) if candidate else None


def _of(
    outcome: Outcome, code: str, chosen: str, expected: Estimate | None, time_left_ms: int | None
) -> Verdict:
    if expected is None:
        return Verdict(outcome, code)
    late = is_late(expected, time_left_ms)
    return Verdict(outcome, code, chosen, expected.cost_usd_micros, expected.quality, late)


def _place(one: Verdict) -> str:
    return one.chosen or one.outcome.value
