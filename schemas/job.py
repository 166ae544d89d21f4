"""A job: one document to be reviewed once. The value holds the row; moves return a new value.

What the submitter fixed never changes. What moves, moves only along `schemas.lifecycle`, one version at a time,
and each move carries the audit event that says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.changing import changed
from schemas.decision import Step
from schemas.features import JobFeatures
from schemas.lifecycle import JobState, require_edge
from schemas.sensitivity import Lane, Quality, Sensitivity

MAX_INTERRUPTIONS = 3
"""A job whose worker was lost this often while serving it fails: it may be what brings workers down."""

GENESIS = b"\x00" * 32
"""The hash before a job's first audit event."""


@dataclass(frozen=True)
class Job:
    id: str
    """UUIDv7."""
    tenant_id: str
    batch_id: str
    custom_id: str
    """The caller's name for it; unique in its batch."""
    name: str
    """Where the document came from, for people."""
    document_digest: str
    review_digest: str
    sensitivity: Sensitivity
    residency: tuple[str, ...]
    quality: Quality
    lane: Lane
    deadline_at: datetime | None
    max_cost_usd_micros: int | None
    """Ceiling over all attempts of this job; None: no ceiling."""
    asked_model: str = ""
    """The one model that may answer it; empty: none was named."""
    asked_tier: str = ""
    """The tier of the policy that was named; empty: none was."""

    state: JobState = JobState.ACCEPTED
    version: int = 1
    """Raised by one with every move; equal to the number of audit events."""
    lease_token: int = 0
    """Raised by every claim. A write that carries an older token touches nothing."""
    slot_id: str | None = None
    """The slot that serves it; its lease is the slot's lease."""
    features: JobFeatures | None = None
    """What the router extracted, once."""
    route_class: str = ""
    """Which providers may serve it, as a short digest; empty until the router has looked at it once."""
    provider: str | None = None
    model: str | None = None
    plan: tuple[Step, ...] = ()
    step: int = 0
    """Index into the plan."""
    attempts: int = 0
    """Calls made, over all steps and plans."""
    excused: int = 0
    """Of these, calls that ended by the provider's own state: told to slow down, its breaker not closed, its key or
    money refused. They do not use up the calls that a job has."""
    step_attempts: int = 0
    """Calls made on the current step."""
    interruptions: int = 0
    """How often it was taken back from a worker that was lost. Such a job is served alone, so that one that
    brings workers down takes no neighbour with it; after a few it fails."""
    plans: int = 0
    """How often it was decided; capped, so that no job circles for ever."""
    not_before: datetime | None = None
    """No provider may claim it earlier; set by a retry that waits."""
    reason_code: str = ""
    reason: str = ""
    """Why it is where it is, as a sentence; final states that are not a success always have one."""
    cost_usd_micros: int = 0
    start_by: datetime | None = None
    """The deadline, less what its call takes where it is expected to be fastest: jobs with little slack go first. None:
    no deadline. Until a router has looked at the job, the deadline itself."""
    work_ms: int = 0
    """What its next call is expected to take where it is bound, at the catalog's own speed; 0 where it is not bound."""
    reserved_usd_micros: int = 0
    """Taken from its budgets for the call that is under way, and settled with what that cost."""
    audit_head: bytes = field(default=GENESIS, repr=False)

    def moved(self, to: JobState, **changes: Any) -> Job:
        """The job one version later, in state `to`. Raises `IllegalTransition` for an edge that does not exist.

        Every move ends what was reserved for a call, but for the one that claims it and says how much is."""
        require_edge(self.state, to)
        changes.setdefault("reserved_usd_micros", 0)
        return changed(self, state=to, version=self.version + 1, **changes)

    def interrupted(self, code: str, reason: str) -> Job:
        """Taken from a worker that did not bring it to an end: back to its provider, or FAILED after too often."""
        count = self.interruptions + 1
        if count >= MAX_INTERRUPTIONS:
            return self.moved(
                JobState.FAILED, slot_id=None, interruptions=count, reason_code=code, reason=reason
            )
        return self.moved(JobState.ROUTED, slot_id=None, interruptions=count, reason_code=code, reason=reason)

    def unbound(self, code: str, reason: str) -> Job:
        """Taken from its provider, to be decided anew; what it has cost and how often it was called stay."""
        return self.moved(
            JobState.ACCEPTED,
            slot_id=None,
            provider=None,
            model=None,
            plan=(),
            step=0,
            step_attempts=0,
            not_before=None,
            work_ms=0,
            reason_code=code,
            reason=reason,
        )

    @property
    def asked(self) -> dict[str, str]:
        """The model and the tier that were named, where they were; for its audit event."""
        named = {"asked_model": self.asked_model, "asked_tier": self.asked_tier}
        return {name: value for name, value in named.items() if value}

    @property
    def current_step(self) -> Step | None:
        return self.plan[self.step] if self.step < len(self.plan) else None
