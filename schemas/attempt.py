"""An attempt: one call to one provider, and what came of it. Every attempt is recorded, whatever its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FaultKind(StrEnum):
    """Typed, since each kind is answered differently."""

    AUTH = "auth"
    """The key is missing, wrong or not allowed: the provider cannot serve until an operator acts."""
    QUOTA = "quota"
    """Money or a plan is used up: as above."""
    RATE = "rate"
    """Too many at once: wait as told, then again."""
    OVERLOAD = "overload"
    """5xx, 529: wait, then again or elsewhere."""
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    """Refused, reset, or cut in the middle."""
    BAD_REQUEST = "bad_request"
    """The provider says that our request is wrong: another try there gives the same."""
    CONTENT_REFUSED = "content_refused"
    """The provider or the model declines this document."""
    MALFORMED = "malformed"
    """The reply is not what the wire promises."""
    CUT_SHORT = "cut_short"
    """The answer ended at its length limit."""
    UNUSABLE = "unusable"
    """An answer came, and it fails the checks."""
    TAKEN_BACK = "taken_back"
    """Our own doing: its slot was taken back while the call was under way, and the call was given up."""


WORTH_REPEATING = frozenset(
    {
        FaultKind.RATE,
        FaultKind.OVERLOAD,
        FaultKind.TIMEOUT,
        FaultKind.CONNECTION,
        FaultKind.MALFORMED,
        FaultKind.UNUSABLE,
    }
)
"""Kinds after which the same call to the same model may end differently."""

PROVIDER_IS_OUT = frozenset({FaultKind.AUTH, FaultKind.QUOTA})
"""Kinds that concern every job there, not this one."""


@dataclass(frozen=True, slots=True)
class Fault:
    kind: FaultKind
    sentence: str
    """For people; never holds document text, model output or a key."""
    status: int | None = None
    retry_after_s: float | None = None
    """As the provider asked."""


@dataclass(frozen=True, slots=True)
class Attempt:
    job_id: str
    number: int
    """1, 2, … over the whole life of the job."""
    lease_token: int
    provider: str
    model: str
    model_version: str
    """As asked for."""
    model_reported: str
    """As the provider says; empty where it said nothing."""
    simulated: bool
    started_at: datetime
    latency_ms: int
    outcome: str
    """`answered`, or a `FaultKind`."""
    detail: str
    http_status: int | None
    request_digest: str
    input_tokens: int
    output_tokens: int
    cost_usd_micros: int
