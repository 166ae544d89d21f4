"""What raises a class: the usual rules, and those that a policy says otherwise."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from schemas.canonical import digest
from schemas.policy import RoutingPolicy
from schemas.raising import MARKINGS, PERSONAL_DATA, USUAL, Marking, PersonalData, Raise, Raising
from schemas.sensitivity import Sensitivity


def by(raising: Raising, **found: object) -> list[tuple[str, str]]:
    return [(each.by, each.to.value) for each in raising.raised(**found)]  # type: ignore[arg-type]


def test_every_marking_and_kind_has_a_usual_rule() -> None:
    assert MARKINGS.keys() == set(Marking)
    assert PERSONAL_DATA.keys() == set(PersonalData)


def test_the_usual_rules() -> None:
    assert by(USUAL, markings=("confidential", "restricted")) == [
        ("marking:confidential", "confidential"),
        ("marking:restricted", "restricted"),
    ]
    assert by(USUAL, personal_data=(("email", 49), ("iban", 1))) == [("personal_data:iban", "confidential")]
    assert by(USUAL, personal_data=(("email", 50),)) == [("personal_data:email", "confidential")]
    assert by(USUAL, secrets=1) == [("secrets", "restricted")]
    assert by(USUAL) == []


def test_stamps_of_what_was_published_raise_only_where_a_policy_says_so() -> None:
    assert by(USUAL, markings=("confidential",), is_filing=True) == []
    assert by(USUAL, markings=("confidential",), is_filing=True, secrets=2) == [("secrets", "restricted")]
    assert by(Raising(filings=True), markings=("confidential",), is_filing=True) == [
        ("marking:confidential", "confidential")
    ]


def test_a_policy_switches_one_rule_and_leaves_the_others() -> None:
    policy = RoutingPolicy.model_validate(
        {
            "policy": "ours",
            "version": 1,
            "raising": {
                "markings": {"internal": None, "confidential": "restricted"},
                "personal_data": {"iban": None, "email": {"to": "restricted", "at_least": 3}},
            },
        }
    )
    ours = policy.raising

    assert by(ours, markings=("internal", "confidential")) == [("marking:confidential", "restricted")]
    assert by(ours, personal_data=(("card", 1), ("email", 3), ("iban", 9))) == [
        ("personal_data:card", "confidential"),
        ("personal_data:email", "restricted"),
    ]
    assert ours.of_personal_data(PersonalData.PHONE) == Raise(to=Sensitivity.CONFIDENTIAL, at_least=50)


@pytest.mark.parametrize(
    "wrong",
    [{"markings": {"hush": "secret"}}, {"personal_data": {"shoe": None}}, {"secrets": "very"}, {"x": 1}],
)
def test_a_word_that_is_not_known_is_an_error(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Raising.model_validate(wrong)


def test_a_policy_that_says_nothing_of_it_is_written_as_before() -> None:
    plain = RoutingPolicy(policy="ours", version=1)

    assert "raising" not in plain.model_dump(mode="json")
    assert digest(plain) == digest(RoutingPolicy(policy="ours", version=1, raising=Raising()))
    ours = RoutingPolicy(policy="ours", version=1, raising=Raising(personal_data={PersonalData.IBAN: None}))
    assert RoutingPolicy.model_validate(ours.model_dump(mode="json")) == ours
    assert digest(RoutingPolicy.model_validate(ours.model_dump(mode="json"))) == digest(ours)
