"""From a document and its job to features; closing where something cannot be told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from governance.reviews import find_review, known_reviews
from provider_workers.prompt import overhead_text
from router_worker.features.extract import Extractor, extract
from router_worker.features.tokens import TokenCounter
from runtime.config_files import packaged
from schemas.catalog import Catalog
from schemas.job import Job
from schemas.raising import Marking, PersonalData, Raising
from schemas.review import Review
from schemas.sensitivity import Lane, Quality, Sensitivity
from schemas.tenant import TenantDefaults
from tests.engine_values import a_model, a_policy, a_provider

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REVIEW = Review(
    review="brief",
    version=1,
    title="A brief look",
    instructions="Say what it is.",
    expected_output_tokens=200,
    max_output_tokens=400,
)


class Words:
    """Counts words; speaks English."""

    def count(self, text: str) -> int:
        return len(text.split())

    def identify(self, text: str) -> str:
        return "en"


class Broken:
    def count(self, text: str) -> int:
        raise RuntimeError("no vocabulary")

    def identify(self, text: str) -> str:
        raise MemoryError


def a_job(**changes: Any) -> Job:
    fields: dict[str, Any] = {
        "id": "j1",
        "tenant_id": "t",
        "batch_id": "b",
        "custom_id": "c",
        "name": "c.txt",
        "document_digest": "sha256:0",
        "review_digest": "sha256:1",
        "sensitivity": Sensitivity.INTERNAL,
        "residency": ("eu",),
        "quality": Quality.HIGH,
        "lane": Lane.NORMAL,
        "deadline_at": None,
        "max_cost_usd_micros": None,
    }
    return Job(**fields | changes)


def test_the_document_gives_figures_and_the_job_gives_the_rules() -> None:
    found = extract("one two three", REVIEW, a_job(), NOON, Extractor(Words(), Words()))

    assert (found.tokens, found.characters, found.language) == (3, 13, "en")
    assert (found.sensitivity, found.residency, found.quality) == (
        Sensitivity.INTERNAL,
        ("eu",),
        Quality.HIGH,
    )
    assert (found.expected_output_tokens, found.max_output_tokens) == (200, 400)
    assert (found.time_left_ms, found.max_cost_usd_micros, found.closed_by) == (None, None, ())


@pytest.mark.parametrize(
    ("extractor", "closed"),
    [
        (Extractor(Broken(), Words()), ("tokens:RuntimeError", "prompt_tokens:RuntimeError")),
        (Extractor(Words(), Broken()), ("language:MemoryError",)),
        (
            Extractor(Broken(), Broken()),
            ("tokens:RuntimeError", "prompt_tokens:RuntimeError", "language:MemoryError"),
        ),
    ],
)
def test_an_extractor_that_fails_raises_the_class_and_is_named(
    extractor: Extractor, closed: tuple[str, ...]
) -> None:
    found = extract("one two three", REVIEW, a_job(sensitivity=Sensitivity.PUBLIC), NOON, extractor)

    assert found.closed_by == closed
    assert found.sensitivity is Sensitivity.RESTRICTED
    assert found.tokens >= 3
    assert found.language == ("und" if "language:MemoryError" in closed else "en")
    assert found.raised_by == ("closed",)


def test_a_text_that_is_not_unicode_closes_and_its_bytes_are_the_count() -> None:
    found = Extractor(TokenCounter(), Words()).extract("ab\ud800", REVIEW, a_job(), NOON)

    assert (found.closed_by, found.tokens) == (("tokens:UnicodeEncodeError",), 5)


MARKED = "STRICTLY PRIVATE & CONFIDENTIAL\n\nOur account is DE44 5001 0517 5407 3249 31.\n" + "Text. " * 40


def test_what_the_document_says_and_holds_raises_its_class_and_is_named() -> None:
    job = a_job(sensitivity=Sensitivity.INTERNAL)

    found = extract(MARKED, REVIEW, job, NOON, Extractor(Words(), Words()))

    assert found.sensitivity is Sensitivity.CONFIDENTIAL
    assert found.raised_by == ("marking:strictly_confidential", "personal_data:iban")
    assert (found.markings, found.personal_data, found.secrets) == (
        ("strictly_confidential",),
        (("iban", 1),),
        (),
    )


def test_a_class_that_was_asked_for_is_never_lowered() -> None:
    job = a_job(sensitivity=Sensitivity.RESTRICTED)

    found = extract(MARKED, REVIEW, job, NOON, Extractor(Words(), Words()))

    assert (found.sensitivity, found.raised_by) == (Sensitivity.RESTRICTED, ())


def test_a_key_in_the_document_makes_it_restricted() -> None:
    text = "Connect with password = hunter2!X9 and go on."

    found = extract(text, REVIEW, a_job(), NOON, Extractor(Words(), Words()))

    assert (found.sensitivity, found.raised_by) == (Sensitivity.RESTRICTED, ("secrets",))
    assert found.secrets == (("assigned", 1),)


def test_a_policy_that_raises_nothing_is_obeyed_and_the_findings_are_there_all_the_same() -> None:
    off = Raising(markings=dict.fromkeys(Marking), personal_data=dict.fromkeys(PersonalData), secrets=None)

    found = extract(MARKED, REVIEW, a_job(), NOON, Extractor(Words(), Words(), raising=off))

    assert (found.sensitivity, found.raised_by) == (Sensitivity.INTERNAL, ())
    assert found.personal_data == (("iban", 1),)


def test_the_tenants_class_and_regions_hold_whatever_the_job_says() -> None:
    tenant = TenantDefaults(Sensitivity.CONFIDENTIAL, ("eu-central-1", "apac"))

    found = extract("x", REVIEW, a_job(), NOON, Extractor(Words(), Words(), tenant=tenant))

    assert (found.sensitivity, found.raised_by, found.residency) == (
        Sensitivity.CONFIDENTIAL,
        ("tenant",),
        ("eu-central-1",),
    )


def test_where_two_rules_leave_no_region_it_closes() -> None:
    tenant = TenantDefaults(residency=("us",))

    found = extract("x", REVIEW, a_job(residency=("eu",)), NOON, Extractor(Words(), Words(), tenant=tenant))

    assert (found.residency, found.closed_by) == (("nowhere",), ("residency:empty",))
    assert found.sensitivity is Sensitivity.RESTRICTED


def test_an_extractor_that_takes_too_long_closes() -> None:
    clock = iter(range(1_000))
    slow = Extractor(Words(), Words(), ticks=lambda: float(next(clock)), limit_s=0.5)

    found = extract("a@b.org", REVIEW, a_job(), NOON, slow)

    assert "tokens:overtime" in found.closed_by
    assert "personal_data:overtime" in found.closed_by
    assert (found.sensitivity, found.personal_data) == (Sensitivity.RESTRICTED, ())
    assert (found.tokens, found.difficulty) == (len("a@b.org"), 1.0)


def test_other_tokenizers_are_asked_only_where_the_catalog_names_one() -> None:
    named = Catalog(
        providers=(
            a_provider("alpha", a_model("old", tokenizer="cl100k"), a_model("new", tokenizer="llama3")),
        )
    )

    assert tuple(Extractor.of(named, a_policy()).families) == ("cl100k",)
    assert not Extractor.of(Catalog(providers=(a_provider("alpha"),)), a_policy()).families
    found = Extractor(Words(), Words(), families={"cl100k": Words()}).extract(
        "one two", REVIEW, a_job(), NOON
    )
    assert found.tokens_by_family == (("cl100k", 2),)


@pytest.mark.parametrize(("seconds", "left"), [(90, 90_000), (0, 0), (-1, -1_000)])
def test_time_left_is_until_the_deadline(seconds: int, left: int) -> None:
    job = a_job(deadline_at=NOON + timedelta(seconds=seconds))

    assert extract("x", REVIEW, job, NOON, Extractor(Words(), Words())).time_left_ms == left


@pytest.mark.parametrize(("ceiling", "spent", "left"), [(100, 30, 70), (100, 130, 0), (0, 0, 0)])
def test_money_left_is_the_ceiling_without_what_was_spent(ceiling: int, spent: int, left: int) -> None:
    job = a_job(max_cost_usd_micros=ceiling, cost_usd_micros=spent)

    assert extract("x", REVIEW, job, NOON, Extractor(Words(), Words())).max_cost_usd_micros == left


@pytest.mark.parametrize("name", known_reviews([packaged("reviews")]))
def test_the_prompt_as_it_is_built_is_never_longer_than_features_say(name: str) -> None:
    review = find_review(name, [packaged("reviews")])
    counter = TokenCounter()

    said = extract("", review, a_job(), NOON, Extractor(counter, Words())).prompt_tokens

    assert counter.count(overhead_text(review)) + 100 <= said
