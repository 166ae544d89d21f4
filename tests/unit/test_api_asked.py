"""What a batch asks for, from its metadata, model and instructions."""

from __future__ import annotations

import pytest

from producer.api.asked import requirements_of, review_of, wanted_of
from producer.api.keys import ApiKey, hmac_of, matches, new_key, read_key
from producer.api.lines import Ask
from producer.intake.names import Names
from schemas.errors import BadInput, UnknownName
from schemas.review import Review
from schemas.sensitivity import Lane, Quality, Sensitivity
from schemas.submission import Requirements
from tests.yard import REVIEW

DAY_S = 86_400
NAMES = Names(("local/clauses", "local/small", "openai/small"), "ours", ("long", "wide"))


def find(name: str) -> Review:
    if name != REVIEW.review:
        raise UnknownName(f"There is no review {name!r}.")
    return REVIEW


def ask(model: str = "auto", instructions: str = "", most: int | None = None) -> Ask:
    return Ask(model, instructions, most)


def test_metadata_are_requirements_and_the_window_is_a_deadline() -> None:
    found = requirements_of(
        {
            "desk": "legal",
            "classyard_sensitivity": "confidential",
            "classyard_residency": "eu, de-fra",
            "classyard_deadline": "2h",
            "classyard_max_cost": "1.50",
            "classyard_quality": "high",
            "classyard_priority": "urgent",
        },
        DAY_S,
    )

    assert found == Requirements(
        sensitivity=Sensitivity.CONFIDENTIAL,
        residency=("eu", "de-fra"),
        deadline_s=7_200,
        max_cost_usd_micros=1_500_000,
        quality=Quality.HIGH,
        lane=Lane.URGENT,
    )
    assert requirements_of({}, DAY_S).deadline_s == DAY_S
    assert requirements_of({"classyard_deadline": "2d"}, DAY_S).deadline_s == DAY_S


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sensitivity", "hush"),
        ("sensitivty", "public"),
        ("residency", "Europe!"),
        ("deadline", "soon"),
        ("max_cost", "lots"),
        ("quality", "best"),
        ("priority", "now"),
    ],
)
def test_a_wrong_one_is_named(name: str, value: str) -> None:
    with pytest.raises(BadInput) as caught:
        requirements_of({f"classyard_{name}": value}, DAY_S)

    assert caught.value.where == f"metadata.classyard_{name}"


@pytest.mark.parametrize(
    ("asked", "metadata"),
    [
        (ask("review:clauses"), {}),
        (ask("clauses"), {}),
        (ask("auto"), {"classyard_review": "clauses"}),
    ],
)
def test_a_review_is_named_in_three_ways(asked: Ask, metadata: dict[str, str]) -> None:
    assert review_of(asked, metadata, find) == REVIEW


def test_without_a_name_the_instructions_are_the_review() -> None:
    found = review_of(ask(instructions="Find the law."), {}, find)
    again = review_of(ask(instructions="Find the law."), {}, find)
    other = review_of(ask(instructions="Find the term."), {}, find)

    assert found == again and found.review != other.review
    assert found.instructions == "Find the law." and not found.findings


def test_a_limit_of_tokens_only_ever_shortens() -> None:
    assert review_of(ask("clauses", most=50_000), {}, find) == REVIEW
    assert review_of(ask("clauses", most=64), {}, find).max_output_tokens == 64
    assert review_of(ask("clauses", most=64), {}, find).expected_output_tokens == 64


@pytest.mark.parametrize(
    ("asked", "metadata", "code"),
    [
        (ask("gpt-5"), {}, "model_not_found"),
        (ask("openai/clauses", "Find it."), {}, "model_not_found"),
        (ask("tier:steep", "Find it."), {}, "model_not_found"),
        (ask("auto", "Find it."), {"classyard_model": "gpt-5"}, "model_not_found"),
        (ask("auto", "Find it."), {"classyard_tier": "steep"}, "model_not_found"),
        (ask("small", "Find it."), {"classyard_model": "local/small"}, "invalid_request"),
        (ask("tier:long", "Find it."), {"classyard_tier": "wide"}, "invalid_request"),
        (ask("small"), {}, "invalid_request"),
        (ask("tier:long"), {}, "invalid_request"),
        (ask("small", "Look for more."), {"classyard_review": "clauses"}, "invalid_request"),
        (ask("review:nothing"), {}, "model_not_found"),
        (ask(), {"classyard_review": "nothing"}, "model_not_found"),
        (ask(), {}, "invalid_request"),
        (ask("review:clauses", "Look for more."), {}, "invalid_request"),
    ],
)
def test_what_cannot_be_kept_is_an_error(asked: Ask, metadata: dict[str, str], code: str) -> None:
    with pytest.raises(BadInput) as caught:
        wanted_of(asked, metadata, DAY_S, find=find, names=NAMES)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("asked", "metadata", "model", "tier", "is_own"),
    [
        (ask("auto", "Find it."), {}, "", "", True),
        (ask("review:clauses"), {}, "", "", False),
        (ask("small", "Find it."), {}, "small", "", True),
        (ask("local/small"), {"classyard_review": "clauses"}, "local/small", "", False),
        (ask("tier:long", "Find it."), {}, "", "long", True),
        (
            ask("tier:long"),
            {"classyard_review": "clauses", "classyard_model": "small"},
            "small",
            "long",
            False,
        ),
        (ask("small"), {"classyard_review": "clauses", "classyard_tier": "long"}, "small", "long", False),
        (ask("review:clauses"), {"classyard_model": "small"}, "small", "", False),
        (ask("small", "Find it."), {"classyard_model": "small"}, "small", "", True),
        # A review comes before a model of the same name, which is then written with its provider.
        (ask("clauses"), {}, "", "", False),
        (ask("local/clauses", "Find it."), {}, "local/clauses", "", True),
    ],
)
def test_a_line_names_a_review_a_model_or_a_tier(
    asked: Ask, metadata: dict[str, str], model: str, tier: str, is_own: bool
) -> None:
    found = wanted_of(asked, metadata, DAY_S, find=find, names=NAMES)

    assert (found.requirements.model, found.requirements.tier) == (model, tier)
    assert (found.review.review == "clauses") != is_own


# -- keys


def test_a_key_is_read_as_it_was_written_and_its_secret_is_not_shown() -> None:
    key = new_key()

    assert read_key(key.text) == key
    assert key.secret not in repr(key)
    assert new_key() != key


@pytest.mark.parametrize(
    "text", ["", "cy_", "sk-1", "cy_1_2", f"cy_{'a' * 16}_{'A' * 64}", f"xcy_{'a' * 16}_{'b' * 64}"]
)
def test_what_has_not_the_form_of_a_key_is_none(text: str) -> None:
    assert read_key(text) is None


def test_a_secret_matches_with_its_own_pepper_only() -> None:
    key = ApiKey("a" * 16, "b" * 64)
    kept = hmac_of("pepper", key.secret)

    assert matches("pepper", key.secret, kept)
    assert not matches("salt", key.secret, kept)
    assert not matches("pepper", "c" * 64, kept)
    assert not matches("pepper", key.secret, b"")
