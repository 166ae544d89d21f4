"""From a document and its job to the features that the decision knows. Called once a job, by the router's stage.

Sensitivity and residency come from the job, which has them from the submitter and the tenant; nothing here lowers
them. An extractor that fails closes: the job takes the most careful class, the failure's name stands in `closed_by`,
and its figure is the most careful one that is sure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from router_worker.features.language import UNKNOWN, LanguageIdentifier
from router_worker.features.tokens import TokenCounter, upper_bound
from schemas.canonical import canonical
from schemas.features import JobFeatures
from schemas.job import Job
from schemas.review import Review
from schemas.sensitivity import Sensitivity

FRAME_TOKENS = 400
"""The fixed words around instructions and document: about 200 tokens, with room for the wire's own. A test holds it
against the prompt as it is built."""

T = TypeVar("T")


class CountsTokens(Protocol):
    def count(self, text: str) -> int: ...


class IdentifiesLanguages(Protocol):
    def identify(self, text: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Extractor:
    """What extraction needs; one for each process, shared by its threads. Nothing is loaded before the first text."""

    tokens: CountsTokens = field(default_factory=TokenCounter)
    languages: IdentifiesLanguages = field(default_factory=LanguageIdentifier)

    def extract(self, text: str, review: Review, job: Job, now: datetime) -> JobFeatures:
        return extract(text, review, job, now, self)


def extract(text: str, review: Review, job: Job, now: datetime, tools: Extractor) -> JobFeatures:
    """`now` is the database's time. Raises nothing for any text."""
    closed: list[str] = []
    overhead = _overhead(review)
    tokens = _or_close(closed, "tokens", lambda: tools.tokens.count(text), upper_bound(text))
    prompt = _or_close(closed, "prompt_tokens", lambda: tools.tokens.count(overhead), upper_bound(overhead))
    language = _or_close(closed, "language", lambda: tools.languages.identify(text), UNKNOWN)
    return JobFeatures(
        tokens=tokens,
        prompt_tokens=prompt + FRAME_TOKENS,
        expected_output_tokens=review.expected_output_tokens,
        max_output_tokens=review.max_output_tokens,
        characters=len(text),
        language=language,
        modalities=("text",),
        needs_json_schema=True,
        sensitivity=job.sensitivity.at_least(Sensitivity.RESTRICTED) if closed else job.sensitivity,
        residency=job.residency,
        quality=job.quality,
        time_left_ms=time_left_ms(job, now),
        max_cost_usd_micros=money_left(job),
        closed_by=tuple(closed),
    )


def time_left_ms(job: Job, now: datetime) -> int | None:
    """Until the deadline, 0 or less when it has passed; None without one."""
    if job.deadline_at is None:
        return None
    return int((job.deadline_at - now).total_seconds() * 1000)


def money_left(job: Job) -> int | None:
    """What is left of the job's ceiling, never below 0; None without one."""
    if job.max_cost_usd_micros is None:
        return None
    return max(0, job.max_cost_usd_micros - job.cost_usd_micros)


def _overhead(review: Review) -> str:
    """What a call holds beside document and fixed words."""
    findings = (f"- {kind.id}: {kind.look_for}" for kind in review.findings)
    schema = canonical(review.schema_of_answer).decode()
    return "\n".join((review.title, review.instructions, *findings, schema))


def _or_close(closed: list[str], name: str, extractor: Callable[[], T], careful: T) -> T:
    try:
        return extractor()
    except Exception:  # any failure closes: it is named in `closed_by`, and counted from there
        closed.append(name)
        return careful
