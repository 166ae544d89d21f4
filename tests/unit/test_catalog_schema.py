"""The catalog's values: prices that never round to nothing, names that are names, and never a key."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.catalog import Catalog, CatalogModel, CatalogProvider, LatencyPrior
from tests.engine_values import a_model, a_price, a_provider

_tokens = st.integers(0, 10_000_000)
_rates = st.integers(0, 10**9)


@given(_rates, _rates, _tokens, _tokens)
@settings(max_examples=100)
def test_a_cost_is_the_exact_one_rounded_up(read: int, written: int, put_in: int, got_out: int) -> None:
    exact = Fraction(put_in * read + got_out * written, 1_000_000)

    cost = a_price(read, written).cost_usd_micros(put_in, got_out)

    assert cost == math.ceil(exact)


@given(st.integers(1, 10**9), st.integers(1, 1_000))
@settings(max_examples=50)
def test_a_call_that_used_tokens_is_never_free(rate: int, tokens: int) -> None:
    assert a_price(rate, rate).cost_usd_micros(tokens, 0) >= 1
    assert a_price(rate, rate).cost_usd_micros(0, tokens) >= 1


def test_one_token_of_a_cheap_model_costs_one_micro_dollar() -> None:
    assert a_price(150_000, 600_000).cost_usd_micros(1, 0) == 1
    assert a_price(150_000, 600_000).cost_usd_micros(0, 0) == 0
    assert a_price(0, 0).cost_usd_micros(500, 500) == 0


@pytest.mark.parametrize("key", ["none", "env:OPENAI_API_KEY", "env:_k", "file:~/keys/openai", "file:C:\\k"])
def test_a_key_is_named_by_a_reference(key: str) -> None:
    assert a_provider("alpha", key=key).key == key


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-4711",
        "",
        "env:",
        "env:sk-proj-4711",
        "env:1X",
        "file:",
        "ENV:A",
        "none\n",
        "env:A\n",
        "env:A\nB",
    ],
)
def test_a_key_itself_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ValidationError) as refused:
        a_provider("alpha", key=key)

    assert "never a key itself" in str(refused.value)
    assert "4711" not in str(refused.value)


@pytest.mark.parametrize("name", ["alpha", "a", "0", "gpt-4.1_mini", "a" * 63])
def test_a_name_is_lower_case_and_short(name: str) -> None:
    assert a_provider(name).name == name


@pytest.mark.parametrize("name", ["", "Alpha", "a b", "-a", "a/b", "a" * 64, "ä", "alpha\n", "a\x00"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="is not a name"):
        a_provider(name)


@pytest.mark.parametrize("region", ["EU", "e", "eu\n", "eu/de", ""])
def test_what_is_no_region_is_refused(region: str) -> None:
    with pytest.raises(ValidationError, match="is not a region"):
        a_provider("alpha", regions=(region,))


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="names the model 'one' twice"):
        a_provider("alpha", a_model("one"), a_model("one"))


def test_two_providers_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="'alpha' is named twice"):
        Catalog(providers=(a_provider("alpha"), a_provider("beta"), a_provider("alpha")))


@pytest.mark.parametrize(
    "wrong",
    [
        {"ceiling": 0},
        {"ceiling": 10_001},
        {"base_url": "ftp://provider.test"},
        {"base_url": "http://a b"},
        {"regions": ()},
        {"timeout_s": 0},
        {"timeout_s": math.nan},
        {"surprise": 1},
    ],
    ids=str,
)
def test_facts_out_of_their_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        a_provider("alpha", **wrong)


@pytest.mark.parametrize("figure", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["base_ms", "ms_per_input_token", "ms_per_output_token"])
def test_a_latency_is_a_number(name: str, figure: float) -> None:
    with pytest.raises(ValidationError):
        LatencyPrior(**{name: figure})  # type: ignore[arg-type]


def test_a_catalog_finds_its_providers_and_models_by_name() -> None:
    alpha = a_provider("alpha", a_model("one"), a_model("two"))
    catalog = Catalog(providers=(alpha, a_provider("beta")))

    assert catalog.provider("alpha") is alpha
    assert catalog.provider("gamma") is None
    assert alpha.model("two") == a_model("two")
    assert alpha.model("three") is None


def test_a_catalog_with_one_pretend_provider_says_so() -> None:
    real, pretend = a_provider("alpha"), a_provider("beta", simulated=True)

    assert Catalog(providers=(real, pretend)).simulated
    assert not Catalog(providers=(real,)).simulated


def test_a_model_s_own_tokens_are_counted_up() -> None:
    assert a_model(tokens_per_o200k=1.2).own_tokens(100) == 121
    assert a_model(tokens_per_o200k=1.0).own_tokens(0) == 1


def test_expected_latency_grows_with_both_directions() -> None:
    prior = LatencyPrior(base_ms=100, ms_per_input_token=0.5, ms_per_output_token=10)

    assert prior.expected_ms(200, 30) == 500


def test_facts_are_frozen() -> None:
    provider: CatalogProvider = a_provider("alpha")

    with pytest.raises(ValidationError):
        provider.ceiling = 99  # type: ignore[misc]


def test_a_family_gives_the_factor_and_a_factor_of_ones_own_goes_before_it() -> None:
    assert a_model(tokenizer="llama3").tokens_per_o200k == 1.02
    assert a_model(tokenizer="llama3", tokens_per_o200k=1.3).tokens_per_o200k == 1.3
    assert a_model().tokens_per_o200k == 1.0


def test_exact_counts_are_used_where_the_family_has_them_and_no_factor_was_written() -> None:
    counted = (("cl100k", 700),)

    assert a_model(tokenizer="cl100k").own_tokens_of(600, 100, counted) == 700 + 102
    assert a_model(tokenizer="cl100k", tokens_per_o200k=1.3).own_tokens_of(600, 100, counted) == 911
    assert a_model(tokenizer="cl100k").own_tokens_of(600, 100) == 708, "not counted: by the factor"
    assert a_model(tokenizer="llama3").own_tokens_of(600, 100, counted) == 715
    assert a_model().own_tokens_of(600, 100, counted) == 701


@pytest.mark.parametrize(
    "written",
    [{"tokenizer": "cl100k"}, {"tokenizer": "qwen"}, {"tokenizer": "cl100k", "tokens_per_o200k": 2.0}, {}],
)
def test_a_stored_catalog_means_what_it_meant(written: dict[str, Any]) -> None:
    model = a_model(**written)

    again = CatalogModel.model_validate(model.model_dump(mode="json"))

    assert (again, again.counted_in) == (model, model.counted_in)


def test_a_model_without_a_family_is_written_as_before_there_were_any() -> None:
    assert "tokenizer" not in a_model().model_dump(mode="json")


def test_a_family_that_is_not_known_is_an_error_that_names_those_that_are() -> None:
    with pytest.raises(
        ValidationError, match="'gpt2' is no tokenizer that is known here; there are o200k, cl100k"
    ):
        a_model(tokenizer="gpt2")
