"""A decision: what was chosen, what was not and why, and the plan. Every candidate appears exactly once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from schemas.canonical import later


class Outcome(StrEnum):
    ROUTED = "routed"
    WAITING = "waiting"
    """Some provider may serve it and all of those are full: it stays unbound, and is decided again."""
    HELD = "held"
    """Some provider may serve it and none of those is up: it waits, visibly, for one to come back."""
    REFUSED = "refused"
    """No provider may serve it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a candidate is out."""

    rule: str
    """A stable word: `boundary`, `residency`, `context`, …"""
    sentence: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """What serving the job there is expected to take."""

    cost_usd_micros: int
    worst_cost_usd_micros: int
    """All attempts of one step, each with the longest output."""
    latency_ms: int
    """The call itself."""
    delay_ms: int
    """Waiting before the call, given what is bound there now."""
    quality: float
    """0..1."""
    shadow_usd_micros: int = later(0)
    """What the time of its slot is worth to other work, where the policy's objective is joint; scored as cost, never
    charged."""


@dataclass(frozen=True, slots=True)
class Score:
    """In millionths, 0..1,000,000; integers, so that equal means equal everywhere."""

    total: int
    cost: int
    latency: int
    quality: int
    load: int


@dataclass(frozen=True, slots=True)
class Candidate:
    provider: str
    model: str
    rank: int | None
    """1 is the best; None where it is refused."""
    refusals: tuple[Refusal, ...] = ()
    """Lasting ones: no waiting mends them."""
    unavailable: Refusal | None = None
    """It may serve the job, but not at this moment."""
    estimate: Estimate | None = None
    score: Score | None = None


NOT_KEPT = 1_000_001
"""A `keep_from` that no evidence reaches: the next step is asked in any case."""


class StepRole(StrEnum):
    CHOICE = "choice"
    """The best candidate, and after it those that take its place when it fails."""
    RUNG = "rung"
    """Of a ladder: the next one is asked where the evidence on its answer is too weak."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call, or several tries of it, in the order of a plan."""

    provider: str
    model: str
    worst_cost_usd_micros: int
    role: StepRole = later(StepRole.CHOICE)
    keep_from: int | None = later(None)
    """Of a rung: the evidence on its answer, in millionths, from which that may stand. None: sound is enough."""
    sample: int = later(1)
    """Of a rung: 2, 3, … ask the same model again, not to be answered by the same words."""


def step_of(found: Mapping[str, Any]) -> Step:
    """From what is stored; a step of before there were roles is a choice."""
    return Step(**{**found, "role": StepRole(found.get("role", StepRole.CHOICE))})


@dataclass(frozen=True, slots=True)
class Decision:
    outcome: Outcome
    reason_code: str
    reason: str
    candidates: tuple[Candidate, ...]
    """Ranked ones first, by rank; then unavailable and refused ones by name."""
    plan: tuple[Step, ...]
    """Steps in order of trial; never empty where the outcome is `routed`."""
    allowed: tuple[str, ...]
    """`provider/model` of every candidate without a lasting refusal, by name. Every hop stays inside this set."""
    features_digest: str
    policy_digest: str
    snapshot_digest: str
    """Of the snapshot as it was decided on, with what the chunk had already assigned."""
    ladder: str = later("")
    """The ladder of the policy that the plan follows; empty: none."""
    explores: bool = later(False)
    """Whether the whole ladder is walked whatever the evidence, so that outcomes can be labelled."""

    @property
    def chosen(self) -> Step | None:
        return self.plan[0] if self.plan else None

    @property
    def chosen_candidate(self) -> Candidate | None:
        """The candidate of the first step; where a ladder begins with it, that need not be the best-ranked one."""
        first = self.chosen
        if first is None:
            return None
        named = (first.provider, first.model)
        return next(each for each in self.candidates if (each.provider, each.model) == named)
