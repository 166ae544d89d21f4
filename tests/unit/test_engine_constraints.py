"""Each hard rule, at its bound and one beyond it."""

from __future__ import annotations

from typing import Any

import pytest

from router_worker.engine.decide import decide
from schemas.residency import covered
from schemas.sensitivity import Quality, Sensitivity
from schemas.snapshot import ProviderStatus
from tests.engine_values import a_job, a_load, a_model, a_policy, a_price, a_provider, a_snapshot


def refusals(
    job: dict[str, Any] | None = None,
    *,
    model: dict[str, Any] | None = None,
    provider: dict[str, Any] | None = None,
    policy: dict[str, Any] | None = None,
    load: dict[str, Any] | None = None,
) -> dict[str, str]:
    """The refusals of the only candidate, by rule."""
    snapshot = a_snapshot(
        a_provider("p", a_model(**model or {}), **provider or {}), loads=(a_load("p", **load or {}),)
    )
    decision = decide(a_job(**job or {}), a_policy(**policy or {}), snapshot)
    return {refusal.rule: refusal.sentence for refusal in decision.candidates[0].refusals}


def test_nothing_refuses_an_easy_job() -> None:
    assert refusals() == {}


PASSES: list[dict[str, Any]] = [
    {"job": {"sensitivity": Sensitivity.INTERNAL}, "provider": {"boundary": Sensitivity.INTERNAL}},
    {
        "job": {"sensitivity": Sensitivity.INTERNAL},
        "policy": {"self_hosted_from": Sensitivity.INTERNAL},
        "provider": {"kind": "self_hosted"},
    },
    {"job": {"residency": ("eu",)}, "provider": {"regions": ("eu", "eu-central-1")}},
    {"job": {"residency": ("eu",)}, "provider": {"kind": "self_hosted", "regions": ("local",)}},
    {"job": {"tokens": 600, "prompt_tokens": 400}, "model": {"context_tokens": 1_901}},
    {"job": {"max_output_tokens": 900}, "model": {"max_output_tokens": 900}},
    {"job": {"needs_json_schema": False}, "model": {"json_schema": False}},
    {"job": {"language": "und"}, "model": {"languages": ("*",)}},
    {"job": {"language": "de"}, "model": {"languages": ("en", "de")}},
    {"job": {"quality": Quality.HIGH}, "model": {"quality": 0.75}},
    {"job": {"max_cost_usd_micros": 2 * (1_001 + 4 * 900)}},
    {"job": {"time_left_ms": 1}},
    {"provider": {"trains_on_data": True}, "policy": {"allow_training": True}},
    {"policy": {"providers": ("p", "q")}},
    {"load": {"status": ProviderStatus.DOWN}},
]


@pytest.mark.parametrize("case", PASSES, ids=str)
def test_it_passes_at_the_bound(case: dict[str, Any]) -> None:
    assert refusals(**case) == {}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (
        "boundary",
        {"job": {"sensitivity": Sensitivity.CONFIDENTIAL}},
        "The document is confidential; p may see internal at most.",
    ),
    (
        "self_hosted",
        {"policy": {"self_hosted_from": Sensitivity.PUBLIC}},
        "The policy sends public documents to self-hosted models only; this one is not.",
    ),
    (
        "residency",
        {"job": {"residency": ("eu",)}, "provider": {"regions": ("eu", "us")}},
        "It may process in us; the document must stay in eu.",
    ),
    (
        "residency",
        {"job": {"residency": ("eu",)}, "provider": {"regions": ("local",)}},
        "It may process in local; the document must stay in eu.",
    ),
    (
        "context",
        {"model": {"context_tokens": 1_900}},
        "Too long: 1,901 tokens with prompt and answer; its context is 1,900.",
    ),
    (
        "output_length",
        {"model": {"max_output_tokens": 899}},
        "The review allows answers of 900 tokens; it writes 899 at most.",
    ),
    ("json_schema", {"model": {"json_schema": False}}, "It cannot be held to a JSON schema."),
    (
        "language",
        {"job": {"language": "fr"}, "model": {"languages": ("en", "de")}},
        "The document's language is 'fr'; it reads en and de.",
    ),
    (
        "language",
        {"job": {"language": "und"}, "model": {"languages": ("en",)}},
        "The document's language could not be told, and it reads en only.",
    ),
    ("modality", {"job": {"modalities": ("text", "image")}}, "It cannot read image."),
    (
        "quality",
        {"job": {"quality": Quality.HIGH}, "model": {"quality": 0.749}},
        "Quality 'high' asks for 0.75 or more; its prior is 0.749.",
    ),
    (
        "cost_ceiling",
        {"job": {"max_cost_usd_micros": 2 * (1_001 + 4 * 900) - 1}},
        "It may cost up to $0.009202; what is left of the job's ceiling is $0.009201.",
    ),
    ("deadline", {"job": {"time_left_ms": 0}}, "The job's deadline has passed."),
    (
        "training",
        {"provider": {"trains_on_data": True}},
        "p trains on what it is sent, and the policy does not allow that.",
    ),
    ("providers", {"policy": {"providers": ("q",)}}, "Policy 'test' does not use p."),
    (
        "unpriced",
        {"model": {"price": None}},
        "The catalog has no price for it, and a model without a price is never taken for free.",
    ),
    ("no_key", {"load": {"status": ProviderStatus.NO_KEY}}, "The workers of p have no key."),
]


@pytest.mark.parametrize(
    ("rule", "case", "sentence"), REFUSED, ids=[f"{r}-{n}" for n, (r, _, _) in enumerate(REFUSED)]
)
def test_it_is_refused_one_beyond_with_a_sentence(rule: str, case: dict[str, Any], sentence: str) -> None:
    assert refusals(**case) == {rule: sentence}


def test_a_refused_candidate_lists_every_reason() -> None:
    found = refusals(
        {"sensitivity": Sensitivity.RESTRICTED, "residency": ("eu",)},
        model={"price": None, "json_schema": False},
    )

    assert list(found) == ["unpriced", "boundary", "residency", "json_schema"]


def test_a_free_model_is_free_when_its_price_says_so() -> None:
    assert refusals({"max_cost_usd_micros": 0}, model={"price": a_price(0, 0)}) == {}


@pytest.mark.parametrize(
    ("region", "allowed", "is_covered"),
    [
        ("eu", ("eu",), True),
        ("eu-west", ("us", "eu"), True),
        ("eu-west-1", ("eu-west",), True),
        ("eu", ("eu-west",), False),
        ("europe", ("eu",), False),
        ("us", (), False),
    ],
)
def test_a_region_covers_itself_and_what_lies_within_it(
    region: str, allowed: tuple[str, ...], is_covered: bool
) -> None:
    assert covered(region, allowed) is is_covered


def test_an_exact_count_of_the_document_goes_before_the_factor() -> None:
    counted = {"tokens_by_family": (("cl100k", 1_700),)}
    model = {"tokenizer": "cl100k", "context_tokens": 3_000}

    assert "3,005" in refusals(job=counted, model=model)["context"], (
        "1,700, and 405 around it, and 900 of answer"
    )
    assert refusals(model=model) == {}, "by the factor it would fit"
    assert refusals(job=counted, model=model | {"tokens_per_o200k": 1.2}) == {}, (
        "a factor of one's own is meant"
    )
    assert refusals(job=counted, model={"tokenizer": "llama3", "context_tokens": 3_000}) == {}


def test_two_models_of_one_factor_that_are_counted_otherwise_are_told_apart() -> None:
    old = a_provider("old", a_model(tokenizer="cl100k", context_tokens=3_000))
    new = a_provider("new", a_model(tokens_per_o200k=1.01, context_tokens=3_000))

    found = decide(a_job(tokens_by_family=(("cl100k", 9_000),)), a_policy(), a_snapshot(old, new))

    assert found.allowed == ("new/one",)


def test_the_models_own_tokens_count() -> None:
    """1,000 o200k tokens are 1,201 of the model's; with 900 of answer 2,101."""
    assert "2,101" in refusals(model={"tokens_per_o200k": 1.2, "context_tokens": 2_100})["context"]
    assert refusals(model={"tokens_per_o200k": 1.2, "context_tokens": 2_101}) == {}
