"""The routing policy: what is weighed against what, on which scales, and how far a job may be carried.

Scales are fixed here and never taken from the candidates that happen to be present: with min-max scales, dropping
the worst candidate can change the winner.

Conditions are expressions (`schemas.expressions`); a policy that exists is one whose conditions compile.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from schemas.budget import Budgets
from schemas.catalog import Name
from schemas.ladder import FallbackClass, Ladder
from schemas.part import Condition, JobCondition, Part, Sentence
from schemas.raising import Raising
from schemas.sensitivity import Quality, Sensitivity


class Weights(Part):
    """Relative importance; only their proportions count."""

    cost: float = Field(default=0.35, ge=0, le=1_000)
    latency: float = Field(default=0.15, ge=0, le=1_000)
    quality: float = Field(default=0.30, ge=0, le=1_000)
    load: float = Field(default=0.20, ge=0, le=1_000)

    @model_validator(mode="after")
    def _some(self) -> Weights:
        if self.cost + self.latency + self.quality + self.load <= 0:
            raise ValueError("at least one weight must be above zero")
        return self


class Scale(Part):
    """A raw figure becomes 1.0 at `best` or better, 0.0 at `worst` or worse, and falls linearly between."""

    best: float
    worst: float

    @model_validator(mode="after")
    def _apart(self) -> Scale:
        if self.best == self.worst:
            raise ValueError("'best' and 'worst' must differ")
        return self

    def place(self, raw: float) -> float:
        share = (self.worst - raw) / (self.worst - self.best)
        return min(1.0, max(0.0, share))


class Scales(Part):
    cost_usd_micros: Scale = Scale(best=0, worst=50_000)
    latency_ms: Scale = Scale(best=500, worst=60_000)
    quality: Scale = Scale(best=1.0, worst=0.0)
    delay_ms: Scale = Scale(best=0, worst=60_000)

    @model_validator(mode="after")
    def _the_right_way_round(self) -> Scales:
        for name in ("cost_usd_micros", "latency_ms", "delay_ms"):
            if getattr(self, name).best > getattr(self, name).worst:
                raise ValueError(
                    f"{name}: 'best' must be less than 'worst'; else the dearer or slower one would win"
                )
        if self.quality.best < self.quality.worst:
            raise ValueError("quality: 'best' must be more than 'worst'")
        return self


class PlanLimits(Part):
    max_steps: int = Field(default=3, ge=1, le=8)
    """First choice and fallbacks together."""
    attempts_per_step: int = Field(default=2, ge=1, le=10)
    max_plans: int = Field(default=3, ge=1, le=10)
    """How often a job is decided when every step of its plan asks it to slow down, before it fails."""
    max_attempts: int = Field(default=12, ge=1, le=100)
    """Calls in all, over every plan. Only calls that ended by the provider's own state may go beyond: told to slow
    down, its key or money refused, or an outage while its breaker is not closed."""


class BindLate(Part):
    """How much work a provider's queue may hold. The rest waits unbound, so that later decisions use later loads."""

    seconds: int = Field(default=30, ge=1, le=3600)
    max_jobs: int = Field(default=5_000, ge=1)


RESERVED = frozenset(
    {"boundary", "self_hosted", "residency", "training", "providers", "unpriced", "no_key", "context"}
    | {"output_length", "json_schema", "language", "modality", "quality", "cost_ceiling", "deadline", "tier"}
    | {"model_named", "tier_named"}
    | {
        "budget",
        "paused",
        "drained",
        "down",
        "no_worker",
        "full",
        "slow",
        "failing",
        "unavailable",
        "no_candidate",
        "best",
        "only",
        "ladder",
    }
)
"""What decisions call the engine's own constraints and reasons: no rule of a policy may be named so."""


def _own_name(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"{name!r} is a name of the engine's own; choose another")
    return name


class Rule(Part):
    """What is never done: a candidate of which `forbid` is true is refused, whatever its score.

    Where it cannot be evaluated (a division by zero, a spent budget), it refuses too.
    """

    rule: Annotated[Name, AfterValidator(_own_name)]
    """The word by which decisions, reports and `classyard explain` name it."""
    forbid: Condition
    """A condition over `job.*`, `provider.*` and `model.*`."""
    because: Sentence = Field(min_length=2, max_length=300)
    """The sentence that a refused document is listed with, as it stands here."""


class Tier(Part):
    """How documents of one kind are weighed instead; what it leaves out is as in the rest of the policy."""

    tier: Name
    when: JobCondition
    """A condition over `job.*`. The first tier whose condition is true applies, and only that one."""
    weights: Weights | None = None
    quality_floor: float | None = Field(default=None, ge=0, le=1)
    """The least quality prior, whatever level was asked for; a higher floor of the level still counts."""
    providers: tuple[Name, ...] = ()
    """Where given, no other provider is used; among those of the policy, where that names some."""
    max_steps: int | None = Field(default=None, ge=1, le=8)
    """First choice and fallbacks together. How often one model is called is the same in every tier."""


class Objective(StrEnum):
    EACH = "each"
    """Every document gets what is best for it at the moment."""
    JOINT = "joint"
    """The time of scarce slots has a price, from a linear program over all that waits, and is weighed as cost."""


class RoutingPolicy(Part):
    policy: Name
    version: int = Field(ge=1)
    description: str = ""
    weights: Weights = Weights()
    scales: Scales = Scales()
    quality_floors: dict[Quality, float] = Field(
        default={Quality.DRAFT: 0.0, Quality.STANDARD: 0.0, Quality.HIGH: 0.75}
    )
    """The least quality prior that serves each level."""
    providers: tuple[Name, ...] = ()
    """Where given, no other provider is used."""
    self_hosted_from: Sensitivity | None = None
    """From this class up, only self-hosted models are used, whatever a provider's boundary says."""
    allow_training: bool = False
    """Whether a provider that trains on what it is sent may be used."""
    plan: PlanLimits = PlanLimits()
    bind_late: BindLate = BindLate()
    rules: tuple[Rule, ...] = Field(default=(), max_length=200)
    """What is never done, whatever the scores; their order does not matter."""
    tiers: tuple[Tier, ...] = Field(default=(), max_length=20)
    """Kinds of documents that are weighed differently; the first that applies."""
    ladders: tuple[Ladder, ...] = Field(default=(), max_length=20)
    """Kinds of documents for which cheap models are asked before strong ones; the first that applies."""
    fallbacks: tuple[FallbackClass, ...] = Field(default=(), max_length=20)
    """Which models may take the place of which when they fail. A model in no class may be replaced by any."""
    exploration: float = Field(default=0.0, ge=0, le=1)
    """The share of documents that walk their whole ladder whatever the evidence, so that outcomes can be labelled."""
    budgets: Budgets = Budgets()
    objective: Objective = Objective.EACH
    raising: Raising = Raising()
    """What raises the class of a document that is read; what is left out is as usual."""

    @model_validator(mode="after")
    def _told_apart(self) -> RoutingPolicy:
        _once("rule", (rule.rule for rule in self.rules))
        _once("tier", (tier.tier for tier in self.tiers))
        _once("ladder", (ladder.ladder for ladder in self.ladders))
        _once("fallback", (each.fallback for each in self.fallbacks))
        known = {each.fallback for each in self.fallbacks}
        for each in self.fallbacks:
            unknown = [name for name in each.then if name not in known]
            if unknown:
                raise ValueError(f"the fallback {each.fallback!r} names {unknown[0]!r}, which is not there")
        for tier in self.tiers:
            others = [name for name in tier.providers if self.providers and name not in self.providers]
            if others:
                raise ValueError(f"the tier {tier.tier!r} names {others[0]!r}, which the policy does not use")
        return self

    @model_serializer(mode="wrap")
    def _without_unsaid(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what came later it is written, and so digested, as it was before there was any of it."""
        written: dict[str, Any] = serialize(self)
        unsaid = [name for name in _LATER if getattr(self, name) == type(self).model_fields[name].default]
        return {name: value for name, value in written.items() if name not in unsaid}


_LATER = ("rules", "tiers", "ladders", "fallbacks", "exploration", "budgets", "objective", "raising")
"""Fields that are not written while they are at their default."""


def _once(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"the {kind} {name!r} is there twice")
        seen.add(name)
