"""Laws of a pretend provider: the same values, the same reply."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from hashlib import sha256
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.review import output_contract
from simulator.behaviour import RequestFacts, SimulatedReply, reply
from simulator.documents import make_documents
from simulator.profiles import FAULT_RATES, PROFILES, FaultKind, Profile
from simulator.reviews import MAX_QUOTE_CHARACTERS, find, review

DOCUMENTS = make_documents(11, 40)
VALIDATOR = jsonschema_rs.validator_for(output_contract())

profiles = st.sampled_from(list(PROFILES.values()))
seeds = st.integers(0, 2**32)
call_numbers = st.integers(1, 10_000)


@st.composite
def requests(draw: st.DrawFn) -> RequestFacts:
    document = draw(st.sampled_from(DOCUMENTS)).text
    return RequestFacts(
        digest=sha256(draw(st.binary(max_size=8))).digest(),
        provider=draw(st.sampled_from(("a", "b"))),
        model="m",
        document=document,
        prompt_characters=len(document) + 100,
        schema=draw(st.sampled_from((None, output_contract(), {"type": "object", "required": ["x"]}))),
        max_output_tokens=draw(st.none() | st.integers(1, 900)),
        repeat=draw(st.integers(0, 3)),
    )


def at(profile: Profile, request: RequestFacts, *, seed: int = 7, call_number: int = 1) -> SimulatedReply:
    return reply(profile, request, seed=seed, call_number=call_number, elapsed_s=0)


def a_review(number: int, *, repeat: int = 0) -> RequestFacts:
    document = DOCUMENTS[number % len(DOCUMENTS)].text
    digest = sha256(b"%d" % number).digest()
    return RequestFacts(digest, "p", "m", document, len(document), output_contract(), repeat=repeat)


@given(profiles, requests(), seeds, call_numbers, st.floats(0, 1e6))
def test_the_same_values_give_the_same_reply(
    profile: Profile, request: RequestFacts, seed: int, call_number: int, elapsed_s: float
) -> None:
    said = [
        reply(profile, request, seed=seed, call_number=call_number, elapsed_s=elapsed_s) for _ in range(2)
    ]

    assert said[0] == said[1]


@given(profiles, requests(), seeds)
def test_a_reply_is_whole(profile: Profile, request: RequestFacts, seed: int) -> None:
    said = at(profile, request, seed=seed)

    assert said.latency_ms >= 0
    assert said.output_tokens <= (request.max_output_tokens or said.output_tokens)
    assert (said.input_tokens > 0) == said.is_applied
    assert (said.status == 0) == said.is_silent
    assert bool(said.text) != said.is_silent
    assert (said.status == 429) == any(name == "retry-after" for name, _ in said.headers)


@given(requests(), seeds)
def test_an_answer_without_fault_keeps_the_contract_and_quotes_the_document(
    request: RequestFacts, seed: int
) -> None:
    request = replace(request, schema=output_contract(), max_output_tokens=None)

    answer = orjson.loads(at(PROFILES["strong-slow"], request, seed=seed).text)

    VALIDATOR.validate(answer)
    assert all(finding["quote"] in request.document for finding in answer["findings"])


@given(seeds, st.integers(0, 39), st.floats(0, 1), st.floats(0, 1))
def test_a_better_profile_finds_all_that_a_weaker_one_finds(
    seed: int, number: int, one: float, other: float
) -> None:
    weak, strong = sorted((one, other))

    def quotes(quality: float) -> set[str]:
        answer = review(DOCUMENTS[number].text, output_contract(), quality=quality, seed=str(seed))
        return {finding["quote"] for finding in answer["findings"]}

    assert quotes(weak) <= quotes(strong)


def test_quality_is_the_share_of_the_known_findings() -> None:
    documents = make_documents(5, 300)
    known = sum(len(d.findings) for d in documents)

    found = sum(len(review(d.text, output_contract(), quality=0.75, seed="7")["findings"]) for d in documents)

    assert found / known == pytest.approx(0.75, abs=0.05)


@pytest.mark.parametrize("rate", FAULT_RATES, ids=lambda rate: rate.field)
def test_a_fault_comes_as_often_as_its_rate_says(rate: Any) -> None:
    profile = replace(PROFILES["instant"], **{rate.field: 0.3})  # type: ignore[arg-type]

    counts = Counter(at(profile, a_review(n)).fault for n in range(1000))

    assert set(counts) == {FaultKind.NONE, rate.kind}
    assert counts[rate.kind] / 1000 == pytest.approx(0.3, abs=0.06)


def test_a_repeated_request_draws_its_fault_anew() -> None:
    profile = replace(PROFILES["instant"], rate_500=0.5)

    statuses = [{at(profile, a_review(n, repeat=r)).status for r in range(20)} for n in range(20)]

    assert all(seen == {200, 500} for seen in statuses)


def test_two_providers_alike_fail_at_different_calls() -> None:
    profile = replace(PROFILES["instant"], rate_500=0.5)
    requests_ = [a_review(n) for n in range(50)]

    one = [at(profile, request).status for request in requests_]
    other = [at(profile, replace(request, provider="q")).status for request in requests_]

    assert one != other


def test_what_each_answer_fault_does_to_the_answer() -> None:
    request = a_review(3)

    def said(field: str) -> str:
        return at(replace(PROFILES["instant"], **{field: 1.0}), request).text  # type: ignore[arg-type]

    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(said("rate_invalid_json"))
    assert not VALIDATOR.is_valid(orjson.loads(said("rate_schema_violation")))
    invented = orjson.loads(said("rate_invented_quote"))
    VALIDATOR.validate(invented)
    assert invented["findings"][0]["quote"] not in request.document


def test_a_drifting_provider_grows_slow_once_its_mark_is_passed() -> None:
    by_calls = Profile(name="p", base_ms=10, drift_after_calls=5, drift_factor=4)
    by_time = Profile(name="p", base_ms=10, drift_after_s=60, drift_factor=3)
    request = a_review(1)

    assert [at(by_calls, request, call_number=n).latency_ms for n in (1, 5, 6)] == [10, 10, 40]
    late = reply(by_time, request, seed=7, call_number=1, elapsed_s=60)
    assert late.latency_ms == 30


def test_latency_follows_the_tokens_and_its_median_stays_with_jitter() -> None:
    steady = Profile(name="p", base_ms=100, ms_per_input_token=1, ms_per_output_token=2)
    said = at(steady, a_review(0))

    latencies = sorted(
        at(replace(steady, jitter=0.4), replace(a_review(0), repeat=n)).latency_ms for n in range(501)
    )

    assert said.latency_ms == 100 + said.input_tokens + 2 * said.output_tokens
    assert latencies[250] == pytest.approx(said.latency_ms, rel=0.1)


@settings(max_examples=300)
@given(st.text(alphabet=st.sampled_from(list("İß.\n; tenancovtrmi")), max_size=60), st.integers(0, 400))
def test_quotes_stand_at_their_offsets_in_any_text(noise: str, padding: int) -> None:
    text = (
        f"{noise}{'x ' * padding}the covenant {noise} terminates{noise}{'y' * padding}, indemnity\n\n{noise}"
    )

    for found in find(text):
        assert text[found.start : found.start + len(found.quote)] == found.quote
        assert 0 < len(found.quote) <= MAX_QUOTE_CHARACTERS
        assert any(word in found.quote.lower() for word in found.family.keywords)
