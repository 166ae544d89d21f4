"""What the yard's own API answers, as values, field by field with an example each: its documentation as well."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.lifecycle import JobState

ID = "0198c0de-0000-7000-8000-0000000000b0"
JOB_ID = "0198c0de-0000-7000-8000-000000000001"
DIGEST = "sha256:" + "0" * 64
AT = "2026-11-28T09:30:00Z"

Status = Literal["open", "done", "cancelled"]


def example(**found: Any) -> ConfigDict:
    return ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [found]},
    )


_LISTED: dict[str, Any] = {
    "id": ID, "review": "contract-clauses", "source": "the API, key 4f1c0a2b9d3e5f60", "status": "open",
    "accepted": 3, "rejected": 0, "created_at": AT, "finished_at": None, "cost_usd_micros": None, "retry_of": None,
}  # fmt: skip


class BatchListed(BaseModel):
    model_config = example(**_LISTED)

    id: str
    review: str
    source: str
    """What was handed in, for people."""
    status: Status
    accepted: int
    rejected: int
    created_at: datetime
    finished_at: datetime | None
    cost_usd_micros: int | None
    """Of all calls for documents with an answer; null until the finished batch was reckoned up."""
    retry_of: str | None
    """The batch of which this one takes up what did not succeed."""


class BatchPage(BaseModel):
    model_config = example(object="list", data=[_LISTED], has_more=False, next=None)

    object: Literal["list"] = "list"
    data: list[BatchListed]
    has_more: bool
    next: str | None
    """To be sent as `after` for the next page."""


class Batch(BaseModel):
    model_config = example(
        id=ID, review="contract-clauses", status="open", accepted=3, rejected=0, states={"succeeded": 2, "routed": 1},
        requirements={"sensitivity": "internal"}, created_at=AT, finished_at=None, retry_of=None,
    )  # fmt: skip

    id: str
    review: str
    status: Status
    accepted: int
    rejected: int
    states: dict[JobState, int]
    """Jobs by state; states without a job are left out."""
    requirements: dict[str, Any]
    created_at: datetime
    finished_at: datetime | None
    retry_of: str | None


class Progress(BaseModel):
    model_config = example(
        id=ID, status="open", accepted=3, finished=2, open=1, states={"succeeded": 2, "routed": 1},
        cost_usd_micros=1_234, moves=11,
    )  # fmt: skip

    id: str
    status: Status
    accepted: int
    finished: int
    open: int
    states: dict[JobState, int]
    cost_usd_micros: int
    """Of all calls so far."""
    moves: int
    """Moves of all its jobs so far: it only grows, and is the id of the event."""

    @property
    def is_over(self) -> bool:
        return self.open == 0


class Cancelled(BaseModel):
    model_config = example(id=ID, cancelled=3, in_flight=1)

    id: str
    cancelled: int
    in_flight: int
    """Of them, those that a slot held: a call may have been made for nothing."""


class Expired(BaseModel):
    model_config = example(id=ID, expired=2, kept=1, in_flight=1)

    id: str
    expired: int
    kept: int
    """Open jobs with an earlier, usable answer: that is their result now."""
    in_flight: int


class Retried(BaseModel):
    model_config = example(id=ID, accepted=2, retry_of="0198c0de-0000-7000-8000-0000000000b1")

    id: str
    """Of the new batch."""
    accepted: int
    retry_of: str


class ProviderCost(BaseModel):
    model_config = example(
        provider="alpha", simulated=False, done=2, calls=3, faults=1, cost_usd_micros=1_234, input_tokens=4_000,
        output_tokens=700, latency_ms_p50=900,
    )  # fmt: skip

    provider: str
    simulated: bool
    done: int
    calls: int
    faults: int
    """Calls that brought no usable answer."""
    cost_usd_micros: int
    input_tokens: int
    output_tokens: int
    latency_ms_p50: int | None


class Reason(BaseModel):
    model_config = example(state="refused", reason_code="boundary", jobs=1)

    state: JobState
    reason_code: str
    jobs: int


class Cost(BaseModel):
    model_config = example(
        id=ID, spent_usd_micros=1_234, cost_usd_micros=1_200, lp_lower_bound_usd_micros=1_100, gap=0.0909,
        bound_note="2 of 3 documents.", bounded_at=AT, escalated=0, providers=[], reasons=[],
    )  # fmt: skip

    id: str
    spent_usd_micros: int
    """All calls so far."""
    cost_usd_micros: int | None
    """Of documents with an answer; null until the finished batch was reckoned up."""
    lp_lower_bound_usd_micros: int | None
    """What these answers would have cost at the least."""
    gap: float | None
    """How far the cost is above the bound: 0.05 is 5 %."""
    bound_note: str
    bounded_at: datetime | None
    escalated: int
    """Documents answered by a later step of their plan than the first."""
    providers: list[ProviderCost]
    reasons: list[Reason]


_RESULT: dict[str, Any] = {
    "job_id": JOB_ID, "custom_id": "contract-1", "name": "contract-1.txt", "state": "succeeded", "reason_code": "",
    "reason": "", "provider": "alpha", "model": "one", "model_version": "one-v1", "simulated": False,
    "output": {"summary": "", "findings": [], "verdict": "acceptable", "confidence": 0.9}, "standing": "sound",
    "checks": {"standing": "sound"}, "sensitivity": "internal", "input_tokens": 1_200, "output_tokens": 230,
    "cost_usd_micros": 412, "attempts": 1, "policy_digest": DIGEST, "catalog_digest": DIGEST,
    "snapshot_digest": DIGEST, "decision_digest": DIGEST,
}  # fmt: skip


class Result(BaseModel):
    """A job with what became of it; what a job without a result cannot have is null."""

    model_config = example(**_RESULT)

    job_id: str
    custom_id: str
    name: str
    state: JobState
    reason_code: str
    reason: str
    provider: str | None
    model: str | None
    model_version: str | None
    simulated: bool | None
    output: dict[str, Any] | None
    """The answer, as the review asks for it."""
    standing: str | None
    checks: dict[str, Any] | None
    sensitivity: str
    input_tokens: int | None
    output_tokens: int | None
    cost_usd_micros: int
    attempts: int
    policy_digest: str | None
    catalog_digest: str | None
    snapshot_digest: str | None
    decision_digest: str | None


class ResultPage(BaseModel):
    model_config = example(object="list", data=[_RESULT], has_more=False, next=None)

    object: Literal["list"] = "list"
    data: list[Result]
    has_more: bool
    next: str | None
    """To be sent as `after` for the next page."""


class Call(BaseModel):
    model_config = example(
        number=1, provider="alpha", model="one", model_version="one-v1", simulated=False, outcome="answered",
        detail="", http_status=200, started_at=AT, latency_ms=900, input_tokens=1_200, output_tokens=230,
        cost_usd_micros=412, used=True,
    )  # fmt: skip

    number: int
    provider: str
    model: str
    model_version: str
    simulated: bool
    outcome: str
    detail: str
    http_status: int | None
    started_at: datetime
    latency_ms: int
    input_tokens: int
    output_tokens: int
    cost_usd_micros: int
    used: bool
    """False where the job had moved on when the answer came: it was paid for and counts for nothing else."""


class Job(Result):
    """One job, with the calls that were made for it."""

    model_config = example(
        **_RESULT,
        batch_id=ID,
        review="contract-clauses",
        accepted_at=AT,
        finished_at=AT,
        deadline_at=None,
        calls=[],
    )

    batch_id: str
    review: str
    accepted_at: datetime
    finished_at: datetime | None
    deadline_at: datetime | None
    calls: list[Call]


class Decided(BaseModel):
    model_config = example(
        number=2, outcome="routed", decided_at=AT, policy="default", policy_digest=DIGEST, catalog_digest=DIGEST,
        snapshot_digest=DIGEST, digest=DIGEST, flaw=None, explanation=["Routed. It is the cheapest."],
        decision={"outcome": "routed"},
    )  # fmt: skip

    number: int
    """The job's version after the move that it caused."""
    outcome: str
    decided_at: datetime
    policy: str | None
    policy_digest: str
    catalog_digest: str
    snapshot_digest: str
    digest: str
    """Over the canonical bytes of `decision`."""
    flaw: str | None
    """Why it is not to be believed; null where it stands as it was written."""
    explanation: list[str]
    """In plain sentences, a line each, indented by spaces."""
    decision: dict[str, Any]
    """Every candidate with its rank and score, or why it is out; and the plan."""


class Decisions(BaseModel):
    model_config = example(job_id=JOB_ID, custom_id="contract-1", data=[])

    job_id: str
    custom_id: str
    data: list[Decided]
    """In their order; the last one is in force."""


class AuditedMove(BaseModel):
    model_config = example(version=1, body="{}", prev_hash="00" * 32, hash="11" * 32)

    version: int
    body: str
    """Canonical bytes, as text: `hash` is SHA-256 over `prev_hash` and these."""
    prev_hash: str
    hash: str


class AuditTrail(BaseModel):
    model_config = example(job_id=JOB_ID, custom_id="contract-1", intact=True, flaw=None, data=[])

    job_id: str
    custom_id: str
    intact: bool
    flaw: str | None
    """The first thing wrong with the chain."""
    data: list[AuditedMove]


MOST_REASONS = 20

ReasonCode = Field(max_length=60)
