"""From a document and its job to the features that the decision knows. Called once a job, by the router's stage.

Sensitivity and residency come from the job, which has them from the submitter, and from the tenant; what is found in
the document can raise the class (`schemas.raising` says what does), and nothing here lowers it. An extractor that fails
closes: the job takes the most careful class, the failure's name and reason stand in `closed_by`, and its figure is the
most careful one that is sure.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from governance.guardrails.leaked_keys import leaked_keys
from governance.guardrails.markings import is_filing, markings
from governance.guardrails.pieces import Counts
from governance.guardrails.pii import personal_data
from router_worker.features.closing import Closing
from router_worker.features.difficulty import UNTOLD, Signals, difficulty, is_mixed, law_words
from router_worker.features.kind import kind_of
from router_worker.features.language import UNKNOWN, LanguageIdentifier
from router_worker.features.structure import Structure, structure
from router_worker.features.tokens import TokenCounter, upper_bound
from schemas.canonical import canonical
from schemas.catalog import Catalog
from schemas.features import JobFeatures
from schemas.job import Job
from schemas.policy import RoutingPolicy
from schemas.raising import USUAL, Raised, Raising
from schemas.residency import NOWHERE, narrowed
from schemas.review import Review
from schemas.sensitivity import Lane, Sensitivity
from schemas.tenant import NO_DEFAULTS, TenantDefaults

FRAME_TOKENS = 400
"""The fixed words around instructions and document: about 200 tokens, with room for the wire's own. A test holds it
against the prompt as it is built."""

LIMIT_S = 5.0
"""Of the processor's time, for one extractor on one document; one of 52,000 characters takes some 5 ms for all."""

DRAWS = 1_000_000


class CountsTokens(Protocol):
    def count(self, text: str) -> int: ...

    def __hash__(self) -> int: ...


class IdentifiesLanguages(Protocol):
    def identify(self, text: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Extractor:
    """What extraction needs; one for each process, shared by its threads. Nothing is loaded before the first text."""

    tokens: CountsTokens = field(default_factory=TokenCounter)
    languages: IdentifiesLanguages = field(default_factory=LanguageIdentifier)
    families: Mapping[str, CountsTokens] = field(default_factory=dict)
    """Other tokenizers in which documents are counted, by family."""
    raising: Raising = USUAL
    tenant: TenantDefaults = NO_DEFAULTS
    limit_s: float = LIMIT_S
    ticks: Callable[[], float] = time.thread_time

    @classmethod
    def of(cls, catalog: Catalog, policy: RoutingPolicy, tenant: TenantDefaults = NO_DEFAULTS) -> Extractor:
        """Counts what the catalog's models need, and raises by the policy's rules."""
        families = {family: TokenCounter(family) for family in catalog.counted_in}
        return cls(families=families, raising=policy.raising, tenant=tenant)

    def extract(self, text: str, review: Review, job: Job, now: datetime) -> JobFeatures:
        return extract(text, review, job, now, self)


@dataclass(frozen=True, slots=True)
class Findings:
    """What the document holds that can raise its class."""

    markings: tuple[str, ...]
    is_filing: bool
    personal_data: Counts
    secrets: Counts

    def raised(self, by: Raising) -> tuple[Raised, ...]:
        return by.raised(
            markings=self.markings,
            is_filing=self.is_filing,
            personal_data=self.personal_data,
            secrets=sum(count for _, count in self.secrets),
        )


def extract(text: str, review: Review, job: Job, now: datetime, tools: Extractor) -> JobFeatures:
    """`now` is the database's time. Raises nothing for any text."""
    closing = Closing(tools.ticks, tools.limit_s)
    overhead = _overhead(review)
    tokens = closing.told("tokens", lambda _: tools.tokens.count(text), upper_bound(text))
    prompt = closing.told(
        "prompt_tokens", lambda _: _prompt_tokens(tools.tokens, overhead), upper_bound(overhead)
    )
    language = closing.told("language", lambda _: tools.languages.identify(text), UNKNOWN)
    built = closing.told("structure", lambda _: structure(text), Structure())
    kind = closing.told("kind", lambda _: kind_of(text, built), "other")
    found = _findings(text, closing)
    hard = closing.told(
        "difficulty", lambda _: difficulty(_signals(text, tokens, language, built, review)), UNTOLD
    )
    by_family = tuple(_counted(text, closing, tools.families))
    residency = narrowed(job.residency, tools.tenant.residency)
    if residency is None:
        closing.close("residency", "empty")
    sensitivity, raised_by = _class_of(job, found.raised(tools.raising), tools.tenant, closing.closed_by)
    return JobFeatures(
        tokens=tokens,
        prompt_tokens=prompt + FRAME_TOKENS,
        expected_output_tokens=review.expected_output_tokens,
        max_output_tokens=review.max_output_tokens,
        characters=len(text),
        language=language,
        modalities=("text",),
        needs_json_schema=True,
        sensitivity=sensitivity,
        residency=NOWHERE if residency is None else residency,
        quality=job.quality,
        time_left_ms=time_left_ms(job, now),
        max_cost_usd_micros=money_left(job),
        closed_by=closing.closed_by,
        draw=draw_of(job.id),
        urgent=job.lane is Lane.URGENT,
        tokens_by_family=by_family,
        kind=kind,
        sections=built.sections,
        tables=built.tables,
        list_items=built.list_items,
        pages=built.pages,
        digit_permille=built.digit_permille,
        sentence_words=built.sentence_words,
        difficulty=hard,
        markings=found.markings,
        personal_data=found.personal_data,
        secrets=found.secrets,
        raised_by=raised_by,
        asked_model=job.asked_model,
        asked_tier=job.asked_tier,
    )


def time_left_ms(job: Job, now: datetime) -> int | None:
    """Until the deadline, 0 or less when it has passed; None without one."""
    if job.deadline_at is None:
        return None
    return int((job.deadline_at - now).total_seconds() * 1000)


def money_left(job: Job, ceiling_usd_micros: int | None = None) -> int | None:
    """What is left of the job's own ceiling, or of this one where it is lower; never below 0, None without any."""
    ceilings = [each for each in (job.max_cost_usd_micros, ceiling_usd_micros) if each is not None]
    return max(0, min(ceilings) - job.cost_usd_micros) if ceilings else None


def draw_of(job_id: str) -> int:
    """0..999,999, evenly, and the same whenever and wherever it is asked."""
    return int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:8], "big") % DRAWS


def _findings(text: str, closing: Closing) -> Findings:
    unmarked: tuple[str, ...] = ()
    nothing: Counts = ()
    marked = closing.told("markings", lambda _: markings(text), unmarked)
    return Findings(
        markings=marked,
        is_filing=bool(marked) and closing.told("filing", lambda _: is_filing(text), False),
        personal_data=closing.told("personal_data", lambda pause: personal_data(text, pause), nothing),
        secrets=closing.told("secrets", lambda pause: leaked_keys(text, pause), nothing),
    )


def _class_of(
    job: Job, found: tuple[Raised, ...], tenant: TenantDefaults, closed_by: tuple[str, ...]
) -> tuple[Sensitivity, tuple[str, ...]]:
    """The most careful class that anything asks for, and what lifted it above the one that the job came with."""
    asked = job.sensitivity
    reasons = [Raised(to=tenant.sensitivity, by="tenant"), *found]
    if closed_by:
        reasons.append(Raised(to=Sensitivity.RESTRICTED, by="closed"))
    lifted = [each for each in reasons if each.to.rank > asked.rank]
    return max((asked, *(each.to for each in lifted)), key=lambda one: one.rank), tuple(
        each.by for each in lifted
    )


def _signals(text: str, tokens: int, language: str, built: Structure, review: Review) -> Signals:
    return Signals(
        tokens=tokens,
        finding_kinds=len(review.findings),
        words=built.words,
        references=built.references,
        law_words=law_words(text),
        sentence_words=built.sentence_words,
        parts=built.sections + built.tables,
        is_mixed=is_mixed(text, language),
    )


def _counted(text: str, closing: Closing, families: Mapping[str, CountsTokens]) -> Iterator[tuple[str, int]]:
    for family, counter in sorted(families.items()):
        careful = upper_bound(text)
        yield family, closing.told(f"tokens_{family}", lambda _, by=counter: by.count(text), careful)  # type: ignore[misc]


@lru_cache(maxsize=64)
def _prompt_tokens(tokens: CountsTokens, overhead: str) -> int:
    return tokens.count(overhead)


@lru_cache(maxsize=64)
def _overhead(review: Review) -> str:
    """What a call holds beside document and fixed words."""
    findings = (f"- {kind.id}: {kind.look_for}" for kind in review.findings)
    schema = canonical(review.schema_of_answer).decode()
    return "\n".join((review.title, review.instructions, *findings, schema))
