"""Rules and tiers of a policy, in examples that a person can read."""

from __future__ import annotations

import time
from itertools import product
from typing import Any

from router_worker.engine.candidates import ask, lay_out
from router_worker.engine.constraints import RULES, screen, screens
from router_worker.engine.decide import decide, prepare
from router_worker.engine.explain import explain
from schemas.decision import Outcome, Refusal
from schemas.policy import RESERVED, RoutingPolicy
from schemas.sensitivity import Quality, Sensitivity
from tests.engine_values import a_job, a_model, a_policy, a_price, a_provider, a_snapshot

AMERICAN = a_provider("american", a_model(quality=0.9), regions=("us-east", "eu"))
EUROPEAN = a_provider("european", a_model(quality=0.5), regions=("eu",))
BOTH = a_snapshot(AMERICAN, EUROPEAN)

NO_US = {
    "rule": "no-us-for-german",
    "forbid": "job.language == 'de' && provider.regions.exists(r, r.startsWith('us'))",
    "because": "German documents are not processed in the United States.",
}


def ruled(*rules: dict[str, str]) -> RoutingPolicy:
    return a_policy(rules=rules)


def test_a_rule_refuses_by_its_name_and_its_own_sentence() -> None:
    decision = decide(a_job(language="de"), ruled(NO_US), BOTH)

    assert decision.allowed == ("european/one",)
    [refused] = [each for each in decision.candidates if each.refusals]
    assert refused.provider == "american"
    assert [(r.rule, r.sentence) for r in refused.refusals] == [(NO_US["rule"], NO_US["because"])]


def test_a_rule_says_nothing_of_other_documents() -> None:
    decision = decide(a_job(language="en"), ruled(NO_US), BOTH)

    assert decision.allowed == ("american/one", "european/one")


def test_the_refusals_of_the_engine_come_first_and_then_those_of_rules_by_name() -> None:
    late = {"rule": "z", "forbid": "true", "because": "Never."}
    early = {"rule": "a", "forbid": "true", "because": "Nobody."}
    decision = decide(a_job(sensitivity=Sensitivity.RESTRICTED), ruled(late, early), BOTH)

    assert [r.rule for r in decision.candidates[0].refusals] == ["boundary", "a", "z"]


def test_a_rule_that_cannot_be_evaluated_refuses() -> None:
    doubtful = {"rule": "ratio", "forbid": "1000 / (job.tokens - 600) > 9", "because": "Too odd."}
    decision = decide(a_job(tokens=600), ruled(doubtful), BOTH)

    assert decision.outcome is Outcome.REFUSED
    assert decision.reason_code == "ratio"
    assert decision.candidates[0].refusals[0].sentence == "The rule could not be evaluated, so it refuses."


def test_a_rule_that_leaves_nobody_is_the_decisions_reason() -> None:
    decision = decide(a_job(), ruled({"rule": "closed", "forbid": "true", "because": "We are closed."}), BOTH)

    assert decision.reason_code == "closed"
    assert decision.reason == "The policy's rule 'closed' refuses every candidate. We are closed."
    assert "We are closed." in explain(decision)


TIERED = a_policy(
    weights={"cost": 1, "quality": 0, "load": 0, "latency": 0},
    tiers=[
        {
            "tier": "long",
            "when": "job.tokens > 20000",
            "weights": {"cost": 0, "quality": 1, "load": 0, "latency": 0},
            "max_steps": 1,
        },
        {"tier": "careful", "when": "job.sensitivity == 'internal'", "providers": ["good"]},
        {"tier": "fine", "when": "job.quality == 'draft'", "quality_floor": 0.5},
    ],
)
CHEAP = a_provider("cheap", a_model(quality=0.3, price=a_price(1_000, 1_000)))
GOOD = a_provider("good", a_model(quality=0.9))


def plan(**job: Any) -> list[str]:
    return [step.provider for step in decide(a_job(**job), TIERED, a_snapshot(CHEAP, GOOD)).plan]


def test_the_first_tier_that_applies_sets_weights_providers_floor_and_length_of_the_plan() -> None:
    assert plan() == ["cheap", "good"]
    assert plan(tokens=30_000) == ["good"]
    assert plan(sensitivity=Sensitivity.INTERNAL) == ["good"]
    assert plan(tokens=30_000, sensitivity=Sensitivity.INTERNAL) == ["good"]
    assert plan(quality=Quality.DRAFT) == ["good"]


def test_a_decision_says_which_tier_it_was_made_in() -> None:
    decision = decide(a_job(sensitivity=Sensitivity.INTERNAL), TIERED, a_snapshot(CHEAP, GOOD))

    assert decision.reason == "good/one is the only candidate that can serve it now. Tier 'careful' applies."
    [refused] = [each for each in decision.candidates if each.refusals]
    assert refused.refusals[0].sentence == "Tier 'careful' of policy 'test' does not use cheap."


def test_a_tier_that_cannot_be_evaluated_allows_nothing() -> None:
    policy = a_policy(tiers=[{"tier": "odd", "when": "1 / (job.tokens - 600) > 0"}])
    decision = decide(a_job(tokens=600), policy, BOTH)

    assert (decision.outcome, decision.reason_code) == (Outcome.REFUSED, "tier")


def test_every_word_that_the_engine_uses_itself_is_reserved() -> None:
    from router_worker.engine import constraints, reasons, rules

    own = {rule.__name__ for rule in constraints.RULES} | set(reasons._SHARED) | {rules.TIER}
    assert own <= RESERVED


def test_fifty_rules_on_a_hundred_models_are_decided_in_a_few_milliseconds() -> None:
    """A loose bound against a change of complexity; the benchmarks hold the figure."""
    many = [a_provider(f"p{n}", *(a_model(f"m{k}") for k in range(5))) for n in range(20)]
    rules = [
        {**NO_US, "rule": f"r{n}", "forbid": f"{NO_US['forbid']} && job.tokens * {n} > model.context_tokens"}
        for n in range(50)
    ]
    prepared = prepare(ruled(*rules), a_snapshot(*many))
    prepared.decide(a_job())

    started = time.process_time()
    for _ in range(20):
        prepared.decide(a_job(language="de"))
    assert (time.process_time() - started) / 20 < 0.02


def test_candidates_that_a_constraint_takes_for_alike_are_refused_alike() -> None:
    """Every constraint on every candidate one by one, beside what the groups give; both over figures at the bounds."""
    models = [
        a_model(
            f"m{n}",
            tokens_per_o200k=factor,
            context_tokens=context,
            max_output_tokens=longest,
            price=price,
            quality=good,
            languages=spoken,
        )
        for n, (factor, context, longest, price, good, spoken) in enumerate(
            product(
                (0.9, 1.2),
                (2_000, 2_200),
                (800, 900),
                (None, a_price(9, 9), a_price(9, 10**9)),
                (0.5, 0.8),
                (("en",), ("*",)),
            )
        )
    ]
    places = product(("api", "self_hosted"), ("public", "confidential"), (("eu",), ("us",), ("local",)))
    providers = [
        a_provider(f"p{n}", *models[n::12], kind=kind, boundary=boundary, regions=regions)
        for n, (kind, boundary, regions) in enumerate(places)
    ]
    policy = a_policy(self_hosted_from="confidential")
    seats = lay_out(a_snapshot(*providers).catalog, policy)
    jobs = [
        a_job(
            sensitivity=sensitivity,
            residency=residency,
            language=language,
            quality=quality,
            max_cost_usd_micros=money,
        )
        for sensitivity, residency, language, quality, money in product(
            Sensitivity, ((), ("eu",)), ("en", "de"), Quality, (None, 20)
        )
    ]

    for job in jobs:
        asked = ask(job, policy)
        found: list[list[Refusal]] = [[] for _ in seats]
        screen(asked, screens(seats), found)
        assert found == [[one for rule in RULES if (one := rule(asked, seat))] for seat in seats]
