"""Laws of reading a document: classes only rise, nothing of the text gets out, and no text takes unbounded time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.guardrails.leaked_keys import leaked_keys
from governance.guardrails.markings import is_filing, markings
from governance.guardrails.pii import personal_data, spans
from router_worker.features.difficulty import Signals, difficulty, is_mixed, law_words
from router_worker.features.extract import DRAWS, Extractor, draw_of
from router_worker.features.kind import kind_of
from router_worker.features.structure import Structure, structure
from schemas.canonical import canonical
from schemas.features import KINDS, features_of
from schemas.job import Job
from schemas.raising import Marking, PersonalData, Raising
from schemas.residency import covered, narrowed
from schemas.review import Review
from schemas.sensitivity import Lane, Quality, Sensitivity
from schemas.submission import Requirements
from schemas.tenant import TenantDefaults

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REVIEW = Review(review="brief", version=1, title="A brief look", instructions="Say what it is.")

law = settings(deadline=None, max_examples=60)

SCRAPS = (
    *(
        "CONFIDENTIAL",
        "Streng vertraulich",
        "RESTRICTED",
        "Confidential Information",
        "Exhibit 10.1",
        "\n",
        "\n\n",
        " ",
    ),
    *(
        "4111 1111 1111 1111",
        "DE44 5001 0517 5407 3249 31",
        "123-45-6789",
        "a@b.org",
        "+44 20 7946 0958",
        "10.1.2.3",
    ),
    *(
        "password = hunter2!X9",
        "-----BEGIN PRIVATE KEY-----",
        "born on 3 March 1980",
        "Section 4",
        "shall",
        "| a | b |",
    ),
    *("1. Terms", "Ü", "İ", "漢字", "\u2028", "\x00", "\f", "x" * 70, "0" * 25),
)
texts = st.lists(st.sampled_from(SCRAPS) | st.text(max_size=12), max_size=25).map(" ".join) | st.text(
    max_size=200
)
classes = st.sampled_from(Sensitivity)
regions = st.lists(
    st.sampled_from(["eu", "us", "eu-central", "eu-central-1", "apac"]), max_size=3, unique=True
).map(tuple)


class Words:
    def count(self, text: str) -> int:
        return len(text.split())

    def identify(self, text: str) -> str:
        return "en"


def a_job(sensitivity: Sensitivity, residency: tuple[str, ...] = ()) -> Job:
    return Job(
        "j1",
        "t",
        "b",
        "c",
        "c.txt",
        "d",
        "r",
        sensitivity,
        residency,
        Quality.STANDARD,
        Lane.NORMAL,
        None,
        None,
    )


def a_reader(**changes: object) -> Extractor:
    return replace(Extractor(tokens=Words(), languages=Words()), **changes)


@law
@given(texts, classes, classes)
def test_the_class_is_never_below_what_submitter_and_tenant_ask_for(
    text: str, asked: Sensitivity, tenant: Sensitivity
) -> None:
    found = a_reader(tenant=TenantDefaults(tenant)).extract(text, REVIEW, a_job(asked), NOON)

    assert found.sensitivity.rank >= max(asked.rank, tenant.rank)
    assert (found.sensitivity is asked) == (not found.raised_by), (
        "what lifts it is named, and nothing else is"
    )


@law
@given(texts, classes, classes)
def test_a_document_that_was_asked_for_more_carefully_is_never_less_careful(
    text: str, one: Sensitivity, other: Sensitivity
) -> None:
    lower, higher = sorted((one, other), key=lambda each: each.rank)
    reader = a_reader()

    low = reader.extract(text, REVIEW, a_job(lower), NOON).sensitivity
    assert reader.extract(text, REVIEW, a_job(higher), NOON).sensitivity is low.at_least(higher)


@law
@given(texts, st.lists(st.sampled_from(PersonalData), unique=True), st.booleans())
def test_rules_that_are_switched_off_raise_nothing(text: str, off: list[PersonalData], secrets: bool) -> None:
    raising = Raising(
        personal_data=dict.fromkeys(off), secrets=Sensitivity.RESTRICTED if secrets else None, markings={}
    )
    found = a_reader(raising=raising).extract(text, REVIEW, a_job(Sensitivity.PUBLIC), NOON)

    assert not {f"personal_data:{kind}" for kind in off} & set(found.raised_by)
    assert secrets or "secrets" not in found.raised_by


@law
@given(texts)
def test_without_any_rule_a_document_keeps_the_class_it_came_with(text: str) -> None:
    nothing = Raising(
        markings=dict.fromkeys(Marking), personal_data=dict.fromkeys(PersonalData), secrets=None
    )
    found = a_reader(raising=nothing).extract(text, REVIEW, a_job(Sensitivity.PUBLIC), NOON)

    assert (found.sensitivity, found.raised_by) == (Sensitivity.PUBLIC, ())


@law
@given(texts)
def test_features_are_the_same_for_the_same_text_and_read_back_from_what_is_stored(text: str) -> None:
    job, reader = a_job(Sensitivity.INTERNAL), a_reader()
    found = reader.extract(text, REVIEW, job, NOON)

    assert reader.extract(text, REVIEW, job, NOON) == found
    assert features_of(orjson.loads(canonical(found))) == found
    assert canonical(features_of(orjson.loads(canonical(found)))) == canonical(found)
    assert features_of(orjson.loads(orjson.dumps(found))) == found, "as rows of jobs hold them"
    assert found.kind in KINDS
    assert 0 <= found.difficulty <= 1


@law
@given(st.text("QXZJK0123456789@.-", min_size=12, max_size=40))
def test_no_text_gets_out(secret: str) -> None:
    text = f"CONFIDENTIAL\npassword = {secret}\nmail {secret}@{secret}.org, card {secret}, IBAN {secret}"

    written = canonical(a_reader().extract(text, REVIEW, a_job(Sensitivity.PUBLIC), NOON)).decode()

    assert secret not in written


@law
@given(regions, regions)
def test_two_rules_leave_only_what_both_allow(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    left = narrowed(one, other)

    if left is None:
        assert one and other and not any(covered(a, (b,)) or covered(b, (a,)) for a in one for b in other)
        return
    assert all(not rule or covered(region, rule) for region in left for rule in (one, other))
    assert bool(left) == bool(one or other), "a rule never becomes none"
    assert set(narrowed(left, other) or ()) == set(left), "and asking again changes nothing"


@law
@given(classes, regions, classes, regions)
def test_what_was_asked_for_is_only_raised_and_narrowed(
    asked: Sensitivity, wanted: tuple[str, ...], least: Sensitivity, allowed: tuple[str, ...]
) -> None:
    if narrowed(wanted, allowed) is None:
        return
    floor = TenantDefaults(least, allowed).floor_of(Requirements(sensitivity=asked, residency=wanted))

    assert floor.sensitivity is asked.at_least(least)
    assert floor.residency == narrowed(wanted, allowed)


# -- difficulty and draws

signals = st.builds(
    Signals,
    tokens=st.integers(0, 10**6),
    finding_kinds=st.integers(0, 60),
    words=st.integers(0, 10**5),
    references=st.integers(0, 5_000),
    law_words=st.integers(0, 5_000),
    sentence_words=st.integers(0, 200),
    parts=st.integers(0, 500),
    is_mixed=st.booleans(),
)
RISING = tuple(each.name for each in fields(Signals) if each.name != "words")


@law
@given(signals, st.sampled_from(RISING), st.integers(0, 10**5))
def test_more_of_a_signal_never_makes_a_document_easier(of: Signals, name: str, more: int) -> None:
    harder = replace(of, **{name: asdict(of)[name] + more if name != "is_mixed" else True})

    assert 0 <= difficulty(of) <= difficulty(harder) <= 1


@law
@given(st.uuids().map(str))
def test_a_draw_is_the_same_whenever_it_is_made(job_id: str) -> None:
    assert 0 <= draw_of(job_id) == draw_of(job_id) < DRAWS


def test_draws_are_spread_evenly() -> None:
    draws = [draw_of(f"job-{number}") for number in range(4_000)]

    assert 150 < sum(draw < 50_000 for draw in draws) < 250, "5 % of 4,000"


# -- hostile texts


def _keys(text: str) -> object:
    return leaked_keys(text)


def _shape(text: str) -> object:
    built = structure(text)
    return built, kind_of(text, built), law_words(text), is_mixed(text, "en")


READERS: dict[str, Callable[[str], object]] = {
    "personal_data": personal_data,
    "leaked_keys": _keys,
    "markings": lambda text: (markings(text), is_filing(text)),
    "shape": _shape,
}
HOSTILE = {
    "digits": "1",
    "spaced digits": "1 ",
    "grouped digits": "12-34 ",
    "letters": "a",
    "capitals": "A",
    "ids": "A1",
    "accounts": "DE44 ",
    "addresses": "a@",
    "dots": "a.",
    "addresses with dots": "a.b@c.d.",
    "hyphens": "a-",
    "colons": "a:",
    "octets": "1.1.",
    "brackets": "(",
    "plus": "+(",
    "spaces": " ",
    "lines": "\n",
    "blank lines": " \n",
    "tabs": "\t",
    "bars": "|",
    "columns": "a   b",
    "rules": "-=",
    "words": "password ",
    "signs": "password = ",
    "quotes": "password='",
    "tokens": "eyJ",
    "dotted tokens": "eyJaaaaaaaaaaaa.",
    "schemes": "a://",
    "credentials": "a://a:",
    "keys": "-----BEGIN ",
    "born": "born on ",
    "passports": "passport no ",
    "sections": "Section ",
    "exhibits": "omitted and ",
    "confidential": "confidential ",
    "marks": "strictly confidential and ",
    "small forms": "İ",
    "wide": "漢",
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("scrap", HOSTILE)
def test_time_grows_with_the_length_and_no_faster(reader: str, scrap: str) -> None:
    """Four times the text, some four times the time; a square would be sixteen. Processor time, the best of three."""
    read = READERS[reader]
    small, large = (HOSTILE[scrap] * (size // len(HOSTILE[scrap])) for size in (20_000, 80_000))

    assert _seconds(read, large) < 8 * _seconds(read, small) + 0.05


def _seconds(read: Callable[[str], object], text: str) -> float:
    taken = []
    for _ in range(3):
        begun = time.thread_time()
        read(text)
        taken.append(time.thread_time() - begun)
    return min(taken)


@law
@given(texts)
def test_places_are_within_the_text_in_order_and_apart(text: str) -> None:
    places = [(one.start, one.end) for one in spans(text)]

    assert all(0 <= start < end <= len(text) for start, end in places)
    assert all(one[1] <= other[0] for one, other in pairwise(places))


def test_an_empty_text_is_read_too() -> None:
    assert structure("") == Structure()
    assert kind_of("", Structure()) == "other"
    assert personal_data("") == leaked_keys("") == markings("") == ()
