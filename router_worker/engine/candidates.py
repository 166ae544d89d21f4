"""The candidates: every model of every provider, laid out in the order of their names.

What a decision needs of a candidate comes in three parts, by what it depends on, so that each is worked out as
seldom as possible: a `Seat` on policy and catalog, a `Place` on the load of its provider, an `Ask` on the job.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.catalog import Catalog, CatalogModel, CatalogProvider, ProviderKind
from schemas.decision import Refusal
from schemas.features import JobFeatures
from schemas.policy import Objective, RoutingPolicy
from schemas.snapshot import Health, ProviderLoad, ProviderStatus

ONE = 1_000_000

FULL = "full"

LOCAL = "local"
"""The reserved region of the operator's own machine. What is processed there goes nowhere, so it satisfies every
residency rule; only a self-hosted provider may claim it."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One candidate, as policy and catalog see it."""

    name: str
    """`provider/model`."""
    provider: CatalogProvider
    model: CatalogModel
    boundary_rank: int
    regions: tuple[str, ...]
    """Where the provider processes, without its own machine."""
    standing: tuple[Refusal, ...]
    """Refusals that hold for every job under this policy."""


@dataclass(frozen=True, slots=True)
class Place:
    """One provider, as its load shows it."""

    refusals: tuple[Refusal, ...]
    """Lasting ones: no waiting mends them."""
    unavailable: Refusal | None
    waiting_jobs: int
    slots: int
    """1 or more."""
    job_ms: int | None
    """What one job took lately; None before there are observations."""
    shadow_usd_micros_per_s: int = 0
    """What a second of one of its slots is worth to other work; 0 where the policy decides each job by itself."""
    work_ms: int | None = None
    """Waiting, and half of what is in flight, at the catalog's own speed; None: nothing is known of its sizes."""
    pace: int = ONE
    """In millionths of what the catalog expects."""
    failing: bool = False
    urgent_room: bool = False
    """An urgent job may be bound to it, though it is full."""

    def not_now(self, job: JobFeatures) -> Refusal | None:
        if job.urgent and self.urgent_room and self.unavailable and self.unavailable.rule == FULL:
            return None
        return self.unavailable


@dataclass(frozen=True, slots=True)
class Ask:
    """One job, as the policy sees it."""

    job: JobFeatures
    sensitivity_rank: int
    self_hosted_only: bool
    quality_floor: float
    input_tokens: int
    """Prompt and document, in o200k tokens."""
    attempts: int
    """Calls that one step may make."""

    def tokens_into(self, model: CatalogModel) -> int:
        """Prompt and document, in the model's own tokens; exact where the document was counted by its tokenizer."""
        return model.own_tokens_of(self.job.tokens, self.job.prompt_tokens, self.job.tokens_by_family)


def ask(job: JobFeatures, policy: RoutingPolicy) -> Ask:
    rank = job.sensitivity.rank
    only_from = policy.self_hosted_from
    return Ask(
        job=job,
        sensitivity_rank=rank,
        self_hosted_only=only_from is not None and rank >= only_from.rank,
        quality_floor=policy.quality_floors.get(job.quality, 0.0),
        input_tokens=job.tokens + job.prompt_tokens,
        attempts=policy.plan.attempts_per_step,
    )


def lay_out(catalog: Catalog, policy: RoutingPolicy, *, tier: str = "") -> tuple[Seat, ...]:
    """Every provider × model, by provider and model name, whatever the order of the catalog."""
    seats = [
        _seat(provider, model, policy, tier) for provider in catalog.providers for model in provider.models
    ]
    return tuple(sorted(seats, key=lambda seat: (seat.provider.name, seat.model.name)))


def place(provider: str, load: ProviderLoad | None, objective: Objective = Objective.EACH) -> Place:
    """A provider of the catalog that the snapshot knows nothing of counts as one without a worker."""
    if load is None:
        return Place((), _no_worker(provider, ""), 0, 1, None)
    return Place(
        refusals=_lasting(load),
        unavailable=_of_the_moment(load),
        waiting_jobs=max(0, load.waiting_jobs),
        slots=max(1, load.slots),
        job_ms=load.job_ms_p50,
        shadow_usd_micros_per_s=max(0, load.shadow_usd_micros_per_s) if objective is Objective.JOINT else 0,
        work_ms=_work_ms(load),
        pace=load.pace_millionths or ONE,
        failing=load.health is Health.FAILING,
        urgent_room=load.urgent_room_jobs > 0,
    )


def _work_ms(load: ProviderLoad) -> int | None:
    """Calls in flight are half done, one with another. None for a load of before sizes were known."""
    if load.pace_millionths is None and not (load.waiting_work_ms or load.in_flight_work_ms):
        return None
    return max(0, load.waiting_work_ms) + max(0, load.in_flight_work_ms) // 2


def _seat(provider: CatalogProvider, model: CatalogModel, policy: RoutingPolicy, tier: str) -> Seat:
    own_machine = provider.kind is ProviderKind.SELF_HOSTED
    return Seat(
        name=f"{provider.name}/{model.name}",
        provider=provider,
        model=model,
        boundary_rank=provider.boundary.rank,
        regions=tuple(region for region in provider.regions if not (own_machine and region == LOCAL)),
        standing=tuple(_standing(provider, model, policy, tier)),
    )


def _standing(
    provider: CatalogProvider, model: CatalogModel, policy: RoutingPolicy, tier: str
) -> list[Refusal]:
    refusals = []
    if policy.providers and provider.name not in policy.providers:
        who = f"Tier {tier!r} of policy {policy.policy!r}" if tier else f"Policy {policy.policy!r}"
        sentence = f"{who} does not use {provider.name}."
        refusals.append(Refusal("providers", sentence))
    if provider.data_terms.trains_on_data and not policy.allow_training:
        sentence = f"{provider.name} trains on what it is sent, and the policy does not allow that."
        refusals.append(Refusal("training", sentence))
    if model.price is None:
        sentence = "The catalog has no price for it, and a model without a price is never taken for free."
        refusals.append(Refusal("unpriced", sentence))
    return refusals


def _lasting(load: ProviderLoad) -> tuple[Refusal, ...]:
    if load.status is not ProviderStatus.NO_KEY:
        return ()
    return (Refusal("no_key", load.reason or f"The workers of {load.provider} have no key."),)


def _of_the_moment(load: ProviderLoad) -> Refusal | None:
    if load.status is ProviderStatus.PAUSED:
        return Refusal("paused", load.reason or f"{load.provider} is paused.")
    if load.status is ProviderStatus.DRAINED:
        return Refusal("drained", load.reason or f"{load.provider} is being drained.")
    if load.status is ProviderStatus.DOWN:
        return Refusal("down", load.reason or f"{load.provider} is down.")
    if load.status is ProviderStatus.NO_WORKER:
        return _no_worker(load.provider, load.reason)
    if load.headroom_jobs <= 0:
        return Refusal(FULL, f"{load.provider} has as much work bound to it as it may have now.")
    return None


def _no_worker(provider: str, reason: str) -> Refusal:
    return Refusal("no_worker", reason or f"No worker of {provider} has been heard of lately.")
