"""What an answer on a ladder is worth beside the earlier ones of its job: the evidence on it, which of them becomes the
result, and what the last rung says of those before it. Pure.

The rule that turns evidence into a number is `schemas.evidence.score`, called in one place here (`weigh`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.decision import NOT_KEPT, StepRole
from schemas.evidence import Evidence, Reviewed, agreement, overlap, score
from schemas.job import Job
from schemas.result import CheckReport, Standing
from schemas.rung import RungAnswer, RungLabel

FINDINGS_IN_COMMON = 0.75
"""Two answers agree where the verdict is the same, and of all finding ids so large a share stands in both."""

MILLION = 1_000_000


def evidence_on(
    report: CheckReport,
    output: Mapping[str, Any],
    mean_logprob: float | None,
    earlier: Sequence[RungAnswer],
) -> Evidence:
    """Agreement is the mean over the earlier answers of the job, of other models and of other samples."""
    said = reviewed(output)
    others = [agreement(said, reviewed(each.output)) for each in earlier if each.output is not None]
    return Evidence(
        schema_valid=report.schema_valid,
        quotes=len(report.quotes),
        quotes_verified=sum(quote.verified for quote in report.quotes),
        agreement=sum(others) / len(others) if others else None,
        mean_logprob=mean_logprob,
    )


def weigh(evidence: Evidence) -> int:
    """In millionths."""
    return round(score(evidence) * MILLION)


def told(evidence: Evidence) -> str:
    """What there is, in words; nothing of the document or the answer."""
    parts = []
    if evidence.quotes:
        parts.append(f"{evidence.quotes_verified} of {evidence.quotes} quotes stand")
    if evidence.agreement is not None:
        parts.append(f"agreement with earlier answers {evidence.agreement:.2f}")
    if evidence.mean_logprob is not None:
        parts.append(f"mean log probability {evidence.mean_logprob:.2f}")
    return ", ".join(parts) or "it keeps its schema, and nothing else is known of it"


def reviewed(output: Mapping[str, Any]) -> Reviewed:
    ids = frozenset(str(finding.get("id")) for finding in output.get("findings", ()))
    return Reviewed(str(output.get("verdict")), ids)


def agrees(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two answers come to the same, for labels and for whose text is kept."""
    left, right = reviewed(one), reviewed(other)
    return left.verdict == right.verdict and overlap(left.findings, right.findings) >= FINDINGS_IN_COMMON


# -- which answer becomes the result


def standing_one(job: Job, answer: RungAnswer, earlier: Sequence[RungAnswer]) -> RungAnswer:
    """Of an answer that stands and the earlier ones that agree with it, the best by its own quotes and probabilities.

    On the last rung only samples of the same model count: a stronger model was asked to be heard. Equal ones: the
    newest."""
    assert answer.output is not None
    step = job.current_step
    may_be_another = step is not None and step.role is StepRole.RUNG and step.keep_from is not None
    alike = [
        each
        for each in earlier
        if each.output is not None
        and (may_be_another or each.name == answer.name)
        and agrees(each.output, answer.output)
    ]
    return max((*alike, answer), key=lambda each: (_own(each), each.attempt))


def _own(answer: RungAnswer) -> int:
    """Without agreement: what speaks for this one rather than for those that say the same."""
    assert answer.output is not None
    return weigh(evidence_on(answer.report, answer.output, answer.mean_logprob, ()))


# -- labels


def labels_of(job: Job, answer: RungAnswer, earlier: Sequence[RungAnswer]) -> tuple[RungLabel, ...]:
    """What a sound answer of the last rung says of the answers of the rungs before it.

    They are unbiased where no rung of the plan could keep an answer, so that the walk did not depend on what was
    answered."""
    rungs = [step for step in job.plan if step.role is StepRole.RUNG]
    if not rungs or job.current_step is not rungs[-1] or answer.report.standing is not Standing.SOUND:
        return ()
    assert answer.output is not None
    before = [step for step in rungs if (step.provider, step.model) != (answer.provider, answer.model)]
    unbiased = all(step.keep_from == NOT_KEPT for step in before)
    names = {f"{step.provider}/{step.model}" for step in before}
    newest = {each.name: each for each in earlier if each.name in names and each.output is not None}
    return tuple(
        RungLabel(
            tenant_id=job.tenant_id,
            job_id=job.id,
            model=name,
            judged_by=answer.name,
            score=each.score,
            agrees=agrees(each.output or {}, answer.output),
            unbiased=unbiased,
        )
        for name, each in newest.items()
    )
