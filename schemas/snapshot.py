"""The state of every provider at one instant, as one value: the only thing a decision knows of the world.

It is digested and stored once for all decisions that used it. Within a chunk of jobs, what was just assigned is
added as a delta (`Assigned`), recorded with each decision, so that every decision can be derived again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from schemas.canonical import later
from schemas.catalog import Catalog
from schemas.changing import changed

JOBS_A_SLOT = 2
"""May be bound to a provider whatever they take: one that is served, and one that is there when that is done."""


class ProviderStatus(StrEnum):
    READY = "ready"
    PAUSED = "paused"
    """By an operator: takes no new work until resumed."""
    DRAINED = "drained"
    """By an operator: what is bound to it is served to its end, and nothing new is bound."""
    DOWN = "down"
    """Workers are there, and the provider does not serve: it rests until the given time."""
    NO_WORKER = "no_worker"
    """No worker has been heard of lately."""
    NO_KEY = "no_key"
    """Its workers cannot find its key."""


class Health(StrEnum):
    """What its calls say of a provider that is up, over all workers."""

    WELL = "well"
    SLOW = "slow"
    FAILING = "failing"


@dataclass(frozen=True)
class ProviderLoad:
    provider: str
    status: ProviderStatus
    reason: str
    """A sentence when it is not ready."""
    ceiling: int
    """Calls in flight that are never exceeded, over all workers."""
    slots: int
    """Calls in flight that the workers which are up can carry; at most the ceiling."""
    in_flight: int
    """Jobs that slots hold now."""
    waiting_jobs: int
    """Bound to it and not yet in a slot."""
    waiting_tokens: int
    headroom_jobs: int
    """How many more jobs may be bound to it now."""
    job_ms_p50: int | None
    """What one job took lately, from call to answer; None before there are observations."""
    in_flight_tokens: int = later(0)
    waiting_work_ms: int = later(0)
    """What the calls that wait there are expected to take, one after another, at the catalog's own speed."""
    in_flight_work_ms: int = later(0)
    """Likewise of those in slots, as if each had just begun."""
    pace_millionths: int | None = later(None)
    """What calls took there lately over what the catalog expects of calls of their size, in millionths: 3,000,000 is
    three times as slow. None before there are observations."""
    latency_ms_p95: int | None = later(None)
    tokens_per_s: int | None = later(None)
    """Tokens read and written in a second of one slot, lately."""
    health: Health = later(Health.WELL)
    room_work_ms: int | None = later(None)
    """How much more work may be bound to it now, at the catalog's own speed; None: `headroom_jobs` alone counts."""
    shadow_usd_micros_per_s: int = later(0)
    """What a second of one of its slots is worth to the work that waits, where the policy's objective is joint."""
    urgent_room_jobs: int = later(0)
    """How many more urgent jobs may be bound to it now: one a slot beyond the headroom, since they are served before
    all that waits there, while that is not twice what the policy lets be bound."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """What this chunk has already given to a provider since the snapshot was taken."""

    jobs: int = 0
    tokens: int = 0
    work_ms: int = later(0)
    """What their calls are expected to take at the catalog's own speed."""

    def plus(self, more: Assigned) -> Assigned:
        return Assigned(self.jobs + more.jobs, self.tokens + more.tokens, self.work_ms + more.work_ms)


@dataclass(frozen=True, slots=True)
class RungPromise:
    """What is known from labelled outcomes of one rung of a ladder."""

    ladder: str
    model: str
    """`provider/model`."""
    keep_from: int | None
    """Evidence in millionths from which an answer may stand; None: no promise, and its answers go on."""
    labels: int
    sentence: str
    """What is promised, or why nothing is."""


@dataclass(frozen=True)
class ProviderSnapshot:
    catalog: Catalog
    catalog_digest: str
    loads: tuple[ProviderLoad, ...]
    """One per provider of the catalog, by name."""
    taken_at: datetime
    promises: tuple[RungPromise, ...] = later(())
    """Of the rungs that the policy asks a promise of."""

    def load(self, provider: str) -> ProviderLoad | None:
        return next((load for load in self.loads if load.provider == provider), None)

    def plus(self, assigned: dict[str, Assigned]) -> ProviderSnapshot:
        """The same instant with the given work added; headroom shrinks and never goes below zero. Adding little by
        little gives what adding all at once gives."""
        return changed(self, loads=tuple(_with(load, assigned.get(load.provider)) for load in self.loads))

    def facts(self) -> dict[str, Any]:
        """What is stored and digested: the loads and the instant; the catalog by its digest."""
        facts = {"catalog": self.catalog_digest, "loads": self.loads, "taken_at": self.taken_at}
        return {**facts, "promises": self.promises} if self.promises else facts


def _with(load: ProviderLoad, extra: Assigned | None) -> ProviderLoad:
    if extra is None:
        return load
    waiting, headroom = load.waiting_jobs + extra.jobs, max(0, load.headroom_jobs - extra.jobs)
    room = None if load.room_work_ms is None else load.room_work_ms - extra.work_ms
    if room is not None and room <= 0:
        headroom = min(headroom, max(0, JOBS_A_SLOT * load.slots - waiting))
    return changed(
        load,
        waiting_jobs=waiting,
        waiting_tokens=load.waiting_tokens + extra.tokens,
        waiting_work_ms=load.waiting_work_ms + extra.work_ms,
        headroom_jobs=headroom,
        room_work_ms=room,
        urgent_room_jobs=max(0, load.urgent_room_jobs - extra.jobs),
    )
