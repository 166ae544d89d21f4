"""Laws of the evidence on an answer: a better signal never lowers the score, a broken contract always ends it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_worker.cascade.evidence import Evidence, Reviewed, agreement, overlap, score

SHARES = st.floats(0, 1)
LOGPROBS = st.floats(-50, 0)
IDS = st.frozensets(st.sampled_from("abcdef"))
REVIEWED = st.builds(Reviewed, st.sampled_from(["pass", "fail"]), IDS)


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    quotes = draw(st.integers(0, 20))
    return Evidence(
        schema_valid=draw(st.booleans()),
        quotes=quotes,
        quotes_verified=draw(st.integers(0, quotes)),
        agreement=draw(st.none() | SHARES),
        mean_logprob=draw(st.none() | LOGPROBS),
    )


@given(evidences())
def test_a_score_lies_in_0_to_1_and_is_0_only_without_a_valid_answer(evidence: Evidence) -> None:
    assert 0 <= score(evidence) < 1
    assert (score(evidence) == 0) == (not evidence.schema_valid)


@given(evidences())
def test_a_valid_answer_scores_no_less_than_the_same_one_invalid(evidence: Evidence) -> None:
    assert score(replace(evidence, schema_valid=True)) >= score(replace(evidence, schema_valid=False))


@given(evidences().filter(lambda each: each.quotes_verified < each.quotes))
def test_one_more_verified_quote_never_lowers_the_score(evidence: Evidence) -> None:
    assert score(replace(evidence, quotes_verified=evidence.quotes_verified + 1)) >= score(evidence)


@given(evidences(), SHARES, SHARES)
def test_more_agreement_never_lowers_the_score(evidence: Evidence, one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert score(replace(evidence, agreement=high)) >= score(replace(evidence, agreement=low))


@given(evidences(), LOGPROBS, LOGPROBS)
def test_a_likelier_answer_never_scores_lower(evidence: Evidence, one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert score(replace(evidence, mean_logprob=high)) >= score(replace(evidence, mean_logprob=low))


@given(REVIEWED, REVIEWED)
def test_agreement_is_mutual_and_full_only_for_the_same_review(one: Reviewed, other: Reviewed) -> None:
    assert agreement(one, other) == agreement(other, one)
    assert 0 <= agreement(one, other) <= 1
    assert (agreement(one, other) == 1) == (one == other)


@given(IDS, IDS, st.sampled_from("abcdef"))
def test_a_common_finding_never_lowers_the_overlap(
    one: frozenset[str], other: frozenset[str], name: str
) -> None:
    assert overlap(one | {name}, other | {name}) >= overlap(one, other)


@pytest.mark.parametrize("missing", [None, float("nan"), float("-inf")])
def test_a_provider_without_log_probabilities_pushes_neither_way(missing: float | None) -> None:
    bare = Evidence(schema_valid=True)

    assert score(replace(bare, mean_logprob=missing)) == score(bare)


def test_made_up_quotes_outweigh_agreement() -> None:
    """Two cheap models may make the same mistake; a quote that is not there is one."""
    made_up = Evidence(schema_valid=True, quotes=4, quotes_verified=0, agreement=1.0)

    assert score(made_up) < score(Evidence(schema_valid=True))
