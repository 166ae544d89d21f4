"""Answers of a job with the evidence on them, kept until it ends; and outcomes that a stronger model labelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.result import CheckReport, QuoteCheck, QuoteMatch, Standing

ESCALATED = "escalated"
"""The reason of a move to the next rung: the answer was usable, and the evidence on it too weak."""


@dataclass(frozen=True, slots=True)
class RungAnswer:
    """One usable answer, kept until the job ends, so that what was paid for is not lost."""

    tenant_id: str
    job_id: str
    attempt: int
    lease_token: int
    provider: str
    model: str
    model_version: str
    model_reported: str
    simulated: bool
    sample: int
    keep_from: int | None
    """The evidence that was asked of it, in millionths; None: sound is enough."""
    score: int
    """The evidence on it, in millionths."""
    output: dict[str, Any] | None
    """None where it is the result: it stands there."""
    report: CheckReport
    mean_logprob: float | None

    @property
    def name(self) -> str:
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class RungLabel:
    """Whether the answer of a rung agreed with that of the ladder's last one."""

    tenant_id: str
    job_id: str
    model: str
    """`provider/model` of the rung."""
    judged_by: str
    score: int
    agrees: bool
    unbiased: bool
    """Whether the whole ladder was walked whatever the evidence; only then it may feed a promise."""


def report_of(found: Mapping[str, Any]) -> CheckReport:
    """From what is stored."""
    quotes = tuple(
        QuoteCheck(**{**one, "match": QuoteMatch(one["match"])}) for one in found.get("quotes", ())
    )
    return CheckReport(**{**found, "standing": Standing(found["standing"]), "quotes": quotes})
