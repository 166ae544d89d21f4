"""A quote under a budget: what it does not carry is held, by its name."""

from __future__ import annotations

from router_worker.quote import idle, quote
from schemas.budget import Account
from tests.engine_values import NOON, a_policy
from tests.yard import a_catalog, some_features


def test_a_quote_holds_what_the_budget_does_not_carry_and_says_which_one() -> None:
    policy, documents = a_policy(), [some_features()] * 20
    snapshot = idle(a_catalog("alpha"), policy, at=NOON)
    whole = quote(documents, policy, snapshot)
    half = Account("tenant", "", whole.cost_usd_micros // 2, 0, 0)

    told = quote(documents, policy, snapshot, [half])

    assert 0 < told.served < 20
    assert told.held == {"budget": 20 - told.served}
    assert told.cost_usd_micros <= whole.cost_usd_micros // 2
    assert "The budget of the tenant" in told.sentences["budget"]
