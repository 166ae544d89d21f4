"""Canonical bytes: one value, one form; and the digest over them."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.canonical import canonical, digest, piece
from schemas.decision import Step, step_of
from schemas.policy import RoutingPolicy
from schemas.sensitivity import Sensitivity

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

_scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
_floats = st.floats(allow_nan=False, allow_infinity=False)
_values = st.recursive(
    _scalars | _floats,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.dictionaries(st.text(), _values, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_the_order_of_keys_does_not_matter(value: dict[str, Any], random: Any) -> None:
    names = list(value)
    random.shuffle(names)

    assert canonical({name: value[name] for name in names}) == canonical(value)


@given(_values)
@settings(max_examples=100)
def test_the_bytes_are_json_of_the_same_value_and_stay_so_when_written_again(value: Any) -> None:
    written = canonical(value)

    assert json.loads(written) == value
    assert canonical(json.loads(written)) == written


@given(_values)
@settings(max_examples=50)
def test_there_is_no_white_space_between_the_parts(value: Any) -> None:
    compact = json.dumps(json.loads(canonical(value)), separators=(",", ":"), ensure_ascii=False)

    assert len(canonical(value).split()) <= len(compact.encode().split()) or isinstance(value, str)


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2199, 1, 1)), _zones)
@settings(max_examples=100)
def test_an_instant_has_one_form_in_whatever_zone_it_is_told(local: datetime, zone: timezone) -> None:
    instant = local.replace(tzinfo=UTC)

    told = canonical({"at": instant.astimezone(zone)})

    assert told == canonical({"at": instant})
    assert told.endswith(b'Z"}')


def test_a_time_is_written_as_rfc_3339_in_utc() -> None:
    at = [NOON, NOON.replace(microsecond=250), NOON.astimezone(timezone(timedelta(hours=2)))]

    assert canonical(at) == (b'["2026-11-23T12:00:00Z","2026-11-23T12:00:00.000250Z","2026-11-23T12:00:00Z"]')


def test_a_time_without_a_zone_is_no_instant_and_has_no_form() -> None:
    with pytest.raises(TypeError):
        canonical({"at": datetime(2026, 11, 23, 12)})


def test_a_day_is_written_as_a_day() -> None:
    assert canonical(date(2026, 11, 23)) == b'"2026-11-23"'


@dataclass(frozen=True, slots=True)
class _Value:
    zeta: int
    alpha: Sensitivity


class _Word(StrEnum):
    YES = "yes"


def test_enums_dataclasses_tuples_sets_and_bytes_have_plain_forms() -> None:
    value = {
        "enum": _Word.YES,
        "dataclass": _Value(1, Sensitivity.PUBLIC),
        "tuple": (1, 2),
        "set": frozenset({"b", "a"}),
        "bytes": b"\x00\xff",
    }

    assert canonical(value) == (
        b'{"bytes":"00ff","dataclass":{"alpha":"public","zeta":1},"enum":"yes","set":["a","b"],"tuple":[1,2]}'
    )


@given(_values)
@settings(max_examples=100)
def test_a_piece_has_the_bytes_of_its_value_wherever_it_stands(value: Any) -> None:
    assert canonical(piece(value)) == canonical(value)
    assert canonical({"b": [piece(value)], "a": 1}) == canonical({"b": [value], "a": 1})


def test_a_model_has_the_bytes_of_its_plain_values() -> None:
    policy = RoutingPolicy(policy="p", version=1)

    assert canonical(policy) == canonical(policy.model_dump(mode="json"))
    assert canonical({"inside": policy}) == canonical({"inside": policy.model_dump(mode="json")})


@pytest.mark.parametrize(
    "value", [object(), 1j, {1: "a"}, 2**64], ids=["object", "complex", "number key", "long"]
)
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical(value)


def test_letters_are_utf_8_and_not_escaped() -> None:
    assert canonical("Müller ✓") == '"Müller ✓"'.encode()


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_becomes_null(odd: float) -> None:
    assert canonical([odd]) == b"[null]"


def test_a_digest_is_sha256_over_the_canonical_bytes() -> None:
    assert digest({"b": 1, "a": 2}) == "sha256:" + hashlib.sha256(b'{"a":2,"b":1}').hexdigest()


def test_a_digest_of_bytes_is_over_the_bytes_as_they_are() -> None:
    assert digest(b"{}") == digest({}) != digest("{}")


def test_a_field_that_came_later_changes_no_bytes_until_it_is_used() -> None:
    before = canonical({"provider": "a", "model": "b", "worst_cost_usd_micros": 1})

    assert canonical(Step("a", "b", 1)) == before
    assert canonical(Step("a", "b", 1, keep_from=0)) != before
    assert step_of({"provider": "a", "model": "b", "worst_cost_usd_micros": 1}) == Step("a", "b", 1)
