"""What is said of a finished batch is a bound: no way that it could have gone was cheaper."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router_worker.bound.batch import Answered, BatchBound, bound_of
from schemas.catalog import Catalog, LatencyPrior, Limits
from tests.engine_values import a_model, a_price, a_provider

CATALOG = Catalog(
    providers=(
        a_provider(
            "ada",
            a_model(
                "mini",
                price=a_price(100_000, 400_000),
                latency=LatencyPrior(base_ms=2_000, ms_per_input_token=0.1, ms_per_output_token=10),
            ),
            ceiling=2,
        ),
        a_provider("bit", a_model("plus", price=a_price(2_000_000, 8_000_000)), a_model("ultra"), ceiling=50),
        a_provider(
            "cog",
            a_model("one", price=a_price(300_000, 900_000), tokens_per_o200k=1.2),
            ceiling=4,
            limits=Limits(requests_per_minute=20, tokens_per_minute=60_000),
        ),
    )
)
PAIRS = ("ada/mini", "bit/plus", "bit/ultra", "cog/one")
RATES = {"ada/mini": (0.1, 0.4), "bit/plus": (2, 8), "bit/ultra": (1, 4), "cog/one": (0.3, 0.9)}
FACTOR = {"cog/one": 1.2}


def cost_at(pair: str, tokens_in: float, tokens_out: float) -> float:
    """Of o200k tokens, in micro-dollars."""
    factor = FACTOR.get(pair, 1.0)
    return factor * (tokens_in * RATES[pair][0] + tokens_out * RATES[pair][1])


def a_call(pair: str, allowed: tuple[str, ...], tokens_in: int, tokens_out: int, ms: int = 500) -> Answered:
    factor = FACTOR.get(pair, 1.0)
    own = round(tokens_in * factor), round(tokens_out * factor)
    cost = -int(-(own[0] * RATES[pair][0] + own[1] * RATES[pair][1]) // 1)
    return Answered(allowed, pair, *own, ms, cost, cost, tokens_in, tokens_out)


calls = st.builds(
    lambda allowed, index, size, written, ms: a_call(
        sorted(allowed)[index % len(allowed)], tuple(sorted(allowed)), size, written, ms
    ),
    st.sets(st.sampled_from(PAIRS), min_size=1),
    st.integers(0, 3),
    st.sampled_from([10, 990, 1_000, 1_010, 40_000]),
    st.sampled_from([10, 300, 310]),
    st.integers(1, 5_000),
)


def span_of(answered: list[Answered]) -> float:
    """Long enough for what was done: each provider's slots are never idle, and limits were kept."""
    ceilings = {"ada": 2, "bit": 50, "cog": 4}
    busy = dict.fromkeys(ceilings, 0.0)
    cogs = [one for one in answered if one.model.startswith("cog")]
    for one in answered:
        busy[one.model.split("/")[0]] += one.latency_ms / 1000
    tokens = sum(one.expected_input_tokens + one.expected_output_tokens for one in cogs) * 1.01
    return max(1.0, *(busy[name] / ceilings[name] for name in busy), 3 * len(cogs), tokens / 1000)


@settings(deadline=None)
@given(st.lists(calls, min_size=1, max_size=30))
def test_what_really_happened_was_never_cheaper(answered: list[Answered]) -> None:
    found = bound_of(answered, CATALOG, span_s=span_of(answered))

    assert found.cost_usd_micros == sum(one.cost_usd_micros for one in answered)
    assert found.lp_lower_bound_usd_micros is not None
    assert "Without capacity" not in found.note
    assert 0 <= found.lp_lower_bound_usd_micros <= found.cost_usd_micros
    assert found.gap is not None or found.lp_lower_bound_usd_micros == 0


@settings(deadline=None)
@given(st.lists(calls, min_size=1, max_size=30), st.integers(0, 10))
def test_neither_was_any_other_plan_that_fits(answered: list[Answered], seed: int) -> None:
    """Each document at some allowed model, drawn by chance, in a time that is long enough for that plan."""
    chance = random.Random(seed)
    plan = [chance.choice(one.allowed) for one in answered]
    costs = [
        one.cost_usd_micros
        if pair == one.model
        else cost_at(
            pair, one.input_tokens / FACTOR.get(one.model, 1), one.output_tokens / FACTOR.get(one.model, 1)
        )
        for one, pair in zip(answered, plan, strict=True)
    ]

    found = bound_of(answered, CATALOG, span_s=100_000.0)

    assert found.lp_lower_bound_usd_micros is not None
    assert found.lp_lower_bound_usd_micros <= sum(costs) + 1e-3


@settings(deadline=None)
@given(st.lists(calls, min_size=1, max_size=30))
def test_without_scarcity_it_is_the_sum_of_the_cheapest_allowed(answered: list[Answered]) -> None:
    found = bound_of(answered, CATALOG, span_s=1e6)

    least = 0.0
    for one in answered:
        factor = FACTOR.get(one.model, 1.0)
        least += min(
            one.call_cost_usd_micros
            if pair == one.model
            else cost_at(pair, one.input_tokens / factor, one.output_tokens / factor)
            for pair in one.allowed
        )
    assert found.lp_lower_bound_usd_micros == pytest.approx(least, abs=1.01)


@settings(deadline=None)
@given(st.lists(calls, min_size=1, max_size=30), st.floats(1, 50))
def test_less_time_never_lowers_it(answered: list[Answered], times: float) -> None:
    short, long = (bound_of(answered, CATALOG, span_s=span_of(answered) * more) for more in (1.0, times))

    assert short.lp_lower_bound_usd_micros is not None
    assert long.lp_lower_bound_usd_micros is not None
    assert long.lp_lower_bound_usd_micros <= short.lp_lower_bound_usd_micros + 1


def test_fifty_thousand_documents_become_few_classes() -> None:
    chance = random.Random(5)
    answered = [
        a_call("bit/plus", PAIRS, chance.randint(50, 90_000), chance.randint(20, 900)) for _ in range(50_000)
    ]

    found = bound_of(answered, CATALOG, span_s=600.0)

    assert found.lp_lower_bound_usd_micros is not None
    assert found.gap is not None
    assert 0 < found.gap < 20
    classes = int(found.note.split(" classes")[0].rsplit(" ", 1)[1].replace(",", ""))
    assert classes < 200


def test_what_is_free_has_no_gap_and_what_is_unknown_no_bound() -> None:
    assert BatchBound(0, 0, "").gap == 0.0
    assert BatchBound(5, 0, "").gap is None
    assert BatchBound(5, None, "").gap is None
    gone = [a_call("ada/mini", ("ada/mini",), 10, 10)._replace(model="gone/model")]
    found = bound_of(gone, CATALOG, span_s=1.0)
    assert found.lp_lower_bound_usd_micros is None
    assert found.cost_usd_micros == gone[0].cost_usd_micros


def test_retries_and_dear_models_are_what_the_gap_is_made_of() -> None:
    cheap = a_call("ada/mini", PAIRS, 10_000, 300)
    twice = cheap._replace(cost_usd_micros=2 * cheap.cost_usd_micros)
    dear = a_call("bit/plus", PAIRS, 10_000, 300)

    best, retried, careless = (bound_of([one] * 8, CATALOG, span_s=600.0).gap for one in (cheap, twice, dear))

    assert best == pytest.approx(0.0, abs=1e-3)
    assert retried == pytest.approx(1.0, abs=2e-3)
    assert careless == pytest.approx(19.0, rel=0.01)
