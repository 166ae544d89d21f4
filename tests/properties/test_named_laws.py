"""The laws of naming a model or a tier: it only ever narrows, and where nothing is named nothing has changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from router_worker.engine.decide import decide
from router_worker.engine.explain import explain
from schemas.canonical import canonical
from schemas.decision import Decision, Outcome
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy
from schemas.snapshot import ProviderSnapshot
from tests.strategies import PAIRS, features, laddered_policies, promised_snapshots, ruled_policies, snapshots

pytestmark = pytest.mark.timeout(300)

law = settings(deadline=None)

plain = features().map(lambda job: replace(job, asked_model="", asked_tier=""))
policies = st.one_of(ruled_policies(), laddered_policies())
seen = st.one_of(snapshots(), promised_snapshots())
names = st.sampled_from([*PAIRS, "mini", "plus", "ultra", "ghost", "ada/ghost"])


def is_it(asked: str, pair: str) -> bool:
    return pair == asked or pair.split("/")[1] == asked


def planned(decision: Decision) -> set[str]:
    return {f"{step.provider}/{step.model}" for step in decision.plan}


@law
@given(plain, policies, seen, names)
def test_a_job_that_names_a_model_never_has_another_one_in_its_plan(
    job: JobFeatures, policy: RoutingPolicy, snapshot: ProviderSnapshot, asked: str
) -> None:
    found = decide(replace(job, asked_model=asked), policy, snapshot)

    event(found.outcome.value)
    assert all(is_it(asked, pair) for pair in (*planned(found), *found.allowed))
    for each in found.candidates:
        refused = any(refusal.rule == "model_named" for refusal in each.refusals)
        assert refused != is_it(asked, f"{each.provider}/{each.model}")


@law
@given(plain, policies, seen, names)
def test_naming_a_model_lifts_no_rule_and_adds_none_to_it(
    job: JobFeatures, policy: RoutingPolicy, snapshot: ProviderSnapshot, asked: str
) -> None:
    """But for rules of a policy that look at the name itself; none of those that are drawn does."""
    free, named = (decide(one, policy, snapshot) for one in (job, replace(job, asked_model=asked)))

    assert named.allowed == tuple(pair for pair in free.allowed if is_it(asked, pair))


@law
@given(plain, policies, seen, st.sampled_from(["x", "y", "z", "ghost"]))
def test_naming_a_tier_only_narrows(
    job: JobFeatures, policy: RoutingPolicy, snapshot: ProviderSnapshot, asked: str
) -> None:
    free, named = (decide(one, policy, snapshot) for one in (job, replace(job, asked_tier=asked)))

    assert set(named.allowed) <= set(free.allowed)
    assert planned(named) <= set(free.allowed)
    tier = next((each for each in policy.tiers if each.tier == asked), None)
    if tier is None:
        assert named.outcome is Outcome.REFUSED
        assert all(any(one.rule == "tier_named" for one in each.refusals) for each in named.candidates)
        return
    event(named.outcome.value)
    assert not tier.providers or {pair.split("/")[0] for pair in named.allowed} <= set(tier.providers)


@law
@given(plain, policies, seen)
def test_where_nothing_is_named_nothing_of_it_is_written(
    job: JobFeatures, policy: RoutingPolicy, snapshot: ProviderSnapshot
) -> None:
    assert b"asked_" not in canonical(job)
    assert b"_named" not in canonical(decide(job, policy, snapshot))


@law
@given(plain, policies, seen, names, st.sampled_from(["", "x", "ghost"]))
def test_a_refusal_says_what_was_asked_for(
    job: JobFeatures, policy: RoutingPolicy, snapshot: ProviderSnapshot, model: str, tier: str
) -> None:
    found = decide(replace(job, asked_model=model, asked_tier=tier), policy, snapshot)

    is_there = any(is_it(model, f"{each.provider}/{each.model}") for each in found.candidates)
    if found.outcome is Outcome.REFUSED and is_there:
        assert found.reason.startswith(f"Model {model!r} was asked for, and it may not serve it. ")
        assert found.reason_code != "model_named"
    assert found.reason in explain(found)
