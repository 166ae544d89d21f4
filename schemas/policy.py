"""The routing policy: what is weighed against what, on which scales, and how far a job may be carried.

Scales are fixed here and never taken from the candidates that happen to be present: with min-max scales, dropping
the worst candidate can change the winner.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.catalog import Name
from schemas.sensitivity import Quality, Sensitivity


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Weights(_Part):
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


class Scale(_Part):
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


class Scales(_Part):
    cost_usd_micros: Scale = Scale(best=0, worst=50_000)
    latency_ms: Scale = Scale(best=500, worst=60_000)
    quality: Scale = Scale(best=1.0, worst=0.0)
    delay_ms: Scale = Scale(best=0, worst=60_000)

    @model_validator(mode="after")
    def _the_right_way_round(self) -> Scales:
        for name in ("cost_usd_micros", "latency_ms", "delay_ms"):
            if getattr(self, name).best > getattr(self, name).worst:
                raise ValueError(f"{name}: 'best' must be less than 'worst'; else the dearer or slower one would win")
        if self.quality.best < self.quality.worst:
            raise ValueError("quality: 'best' must be more than 'worst'")
        return self


class PlanLimits(_Part):
    max_steps: int = Field(default=3, ge=1, le=8)
    """First choice and fallbacks together."""
    attempts_per_step: int = Field(default=2, ge=1, le=10)
    max_plans: int = Field(default=3, ge=1, le=10)
    """How often a job is decided when every step of its plan asks it to slow down, before it fails."""
    max_attempts: int = Field(default=12, ge=1, le=100)
    """Calls in all, over every plan; what an outage of every provider costs a job at most. Only calls that were told
    to slow down, which cost nothing, may go beyond."""


class BindLate(_Part):
    """How much work a provider's queue may hold. The rest waits unbound, so that later decisions use later loads."""

    seconds: int = Field(default=30, ge=1, le=3600)
    max_jobs: int = Field(default=5_000, ge=1)


class RoutingPolicy(_Part):
    policy: Name
    version: int = Field(ge=1)
    description: str = ""
    weights: Weights = Weights()
    scales: Scales = Scales()
    quality_floors: dict[Quality, float] = {Quality.DRAFT: 0.0, Quality.STANDARD: 0.0, Quality.HIGH: 0.75}
    """The least quality prior that serves each level."""
    providers: tuple[Name, ...] = ()
    """Where given, no other provider is used."""
    self_hosted_from: Sensitivity | None = None
    """From this class up, only self-hosted models are used, whatever a provider's boundary says."""
    allow_training: bool = False
    """Whether a provider that trains on what it is sent may be used."""
    plan: PlanLimits = PlanLimits()
    bind_late: BindLate = BindLate()
