"""Answers of a job with the evidence on them, kept until it ends; and outcomes that a stronger model labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from schemas.job import Job
from schemas.result import CheckReport, QuoteCheck, QuoteMatch, Result, Standing

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


def best(answers: Sequence[RungAnswer]) -> RungAnswer | None:
    """For a job that ends without an answer that stands: the one with the most evidence; equal ones: the newest, which
    is of the strongest model."""
    whole = [each for each in answers if each.output is not None]
    return max(whole, key=lambda each: (each.score, each.attempt), default=None)


def result_of(answer: RungAnswer, job: Job, *, doubt: str = "") -> Result:
    """The job's result, written under its own lease. With a `doubt` it is marked so, whatever its checks said."""
    assert answer.output is not None
    report = replace(answer.report, evidence=answer.score)
    if doubt:
        report = replace(report, standing=Standing.DOUBTFUL, sentence=doubt)
    return Result(
        tenant_id=answer.tenant_id,
        job_id=answer.job_id,
        lease_token=job.lease_token,
        attempt=answer.attempt,
        provider=answer.provider,
        model=answer.model,
        model_version=answer.model_version,
        model_reported=answer.model_reported,
        simulated=answer.simulated,
        output=answer.output,
        report=report,
        mean_logprob=answer.mean_logprob,
    )
