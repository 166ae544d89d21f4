"""The laws of the decision, over drawn jobs, policies and snapshots."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from router_worker.engine.decide import decide, prepare, route_class
from router_worker.engine.explain import explain
from schemas.canonical import canonical, digest
from schemas.catalog import Catalog, CatalogModel, CatalogProvider
from schemas.decision import NOT_KEPT, Candidate, Decision, Outcome, Step, StepRole
from schemas.features import JobFeatures
from schemas.policy import Objective, RoutingPolicy
from schemas.sensitivity import Sensitivity
from schemas.snapshot import Assigned, ProviderSnapshot
from tests.oracles import engine as oracle
from tests.strategies import (
    features,
    laddered_policies,
    policies,
    promised_snapshots,
    ruled_policies,
    snapshots,
    tiers,
    with_models,
)

pytestmark = pytest.mark.timeout(300)


class Case(NamedTuple):
    job: JobFeatures
    policy: RoutingPolicy
    snapshot: ProviderSnapshot

    def decided(self) -> Decision:
        return decide(self.job, self.policy, self.snapshot)


law = settings(deadline=None)  # a busy machine breaks no law

plain_cases = st.builds(Case, features(), policies(), snapshots())
ruled_cases = st.builds(Case, features(), ruled_policies(), snapshots())
laddered_cases = st.builds(Case, features(), laddered_policies(), promised_snapshots())
cases = st.one_of(plain_cases, ruled_cases, laddered_cases)


@st.composite
def _tiers_in_tiers(draw: st.DrawFn) -> Case:
    """A document that is in one tier, for which another one is named."""
    policy, used = draw(laddered_policies()), ("ada", "bit")
    own = draw(tiers("own", used)).model_copy(update={"when": "true"})
    named = draw(tiers("named", draw(st.sampled_from([used, used[1:]]))))
    job = replace(draw(features()), asked_tier="named", asked_model=draw(st.sampled_from(["", "", "mini"])))
    update = {"tiers": (own, named), "providers": draw(st.sampled_from([(), used]))}
    return Case(job, policy.model_copy(update=update), draw(promised_snapshots()))


named_cases = _tiers_in_tiers()


def name(candidate: Candidate) -> str:
    return f"{candidate.provider}/{candidate.model}"


def by_name(decision: Decision) -> dict[str, Candidate]:
    return {name(each): each for each in decision.candidates}


def shuffled(snapshot: ProviderSnapshot, seed: int) -> ProviderSnapshot:
    """The same facts in another order; the digest of the catalog is left, since it is of a file's own order."""
    chance = random.Random(seed)
    providers = [
        provider.model_copy(update={"models": tuple(chance.sample(provider.models, len(provider.models)))})
        for provider in snapshot.catalog.providers
    ]
    chance.shuffle(providers)
    loads = chance.sample(snapshot.loads, len(snapshot.loads))
    return replace(snapshot, catalog=Catalog(providers=tuple(providers)), loads=tuple(loads))


@law
@given(cases)
def test_the_same_values_give_the_same_bytes(case: Case) -> None:
    again = Case(
        replace(case.job),
        RoutingPolicy.model_validate_json(case.policy.model_dump_json()),
        replace(case.snapshot, catalog=Catalog.model_validate_json(case.snapshot.catalog.model_dump_json())),
    )

    assert canonical(case.decided()) == canonical(again.decided())


@law
@given(cases, st.lists(features(), max_size=3))
def test_a_prepared_decision_has_the_same_bytes_whatever_was_decided_before(
    case: Case, others: list[JobFeatures]
) -> None:
    prepared = prepare(case.policy, case.snapshot)
    for other in others:
        prepared.decide(other)

    assert canonical(prepared.decide(case.job)) == canonical(case.decided())


@law
@given(cases, st.data())
def test_moving_to_another_snapshot_gives_what_preparing_anew_gives(case: Case, data: st.DataObject) -> None:
    assigned = {
        load.provider: Assigned(data.draw(st.integers(0, 3)), 10, data.draw(st.sampled_from([0, 2_000])))
        for load in case.snapshot.loads
    }
    later = case.snapshot.plus(assigned)
    other = data.draw(snapshots())

    for snapshot in (later, other):
        moved = prepare(case.policy, case.snapshot).moved_to(snapshot)
        assert canonical(moved.decide(case.job)) == canonical(decide(case.job, case.policy, snapshot))


@law
@given(
    cases, st.lists(st.dictionaries(st.integers(0, 3), st.integers(0, 3), max_size=3), max_size=4), st.data()
)
def test_however_the_loads_move_the_digest_is_that_of_the_facts(
    case: Case, moves: list[dict[int, int]], data: st.DataObject
) -> None:
    """What is kept of loads that did not move is what they would give anew, in whatever order they come."""
    moved = prepare(case.policy, case.snapshot)
    for move in moves:
        names = [load.provider for load in case.snapshot.loads]
        assigned = {names[place]: Assigned(jobs, 10) for place, jobs in move.items() if place < len(names)}
        loads = data.draw(st.permutations(case.snapshot.plus(assigned).loads))
        later = replace(case.snapshot, loads=tuple(loads))
        moved = moved.moved_to(later)

        assert moved.snapshot_digest == digest(later.facts())
        assert canonical(moved.decide(case.job)) == canonical(decide(case.job, case.policy, later))


@law
@given(cases, st.integers(0, 10_000))
def test_the_order_of_catalog_and_loads_does_not_matter(case: Case, seed: int) -> None:
    ours, theirs = case.decided(), case._replace(snapshot=shuffled(case.snapshot, seed)).decided()

    # The digest names the snapshot as it was stored, whose loads stand in an order of their own.
    assert replace(theirs, snapshot_digest=ours.snapshot_digest) == ours


@law
@given(cases)
def test_each_candidate_appears_exactly_once_ranked_unavailable_or_refused(case: Case) -> None:
    decision = case.decided()

    laid_out = {f"{p.name}/{m.name}" for p in case.snapshot.catalog.providers for m in p.models}
    assert sorted(map(name, decision.candidates)) == sorted(laid_out)
    for each in decision.candidates:
        assert (each.rank is not None) + (each.unavailable is not None) + bool(each.refusals) == 1
        assert (each.score is not None) == (each.rank is not None)
        assert (each.estimate is None) == bool(each.refusals)


@law
@given(cases)
def test_candidates_stand_by_rank_and_then_by_name(case: Case) -> None:
    candidates = case.decided().candidates

    ranked = [each for each in candidates if each.rank is not None]
    assert [each.rank for each in ranked] == list(range(1, len(ranked) + 1))
    assert list(candidates[: len(ranked)]) == ranked
    aside = [(each.provider, each.model) for each in candidates[len(ranked) :]]
    assert aside == sorted(aside)


@law
@given(cases)
def test_the_chosen_one_passes_every_constraint(case: Case) -> None:
    chosen = case.decided().chosen
    if chosen is None:
        return

    provider = case.snapshot.catalog.provider(chosen.provider)
    assert provider is not None
    model = provider.model(chosen.model)
    assert model is not None
    policy, _, untold = oracle.within_tiers(case.job, case.policy)
    assert not oracle.rules_against(case.job, policy, case.snapshot, provider, model) | untold
    assert not oracle.why_not_now(case.job, case.snapshot, provider.name)


@law
@given(cases, st.data())
def test_raising_a_price_never_raises_a_rank(case: Case, data: st.DataObject) -> None:
    before = by_name(case.decided())
    ranked = [each for each in before.values() if each.rank is not None]
    if not ranked:
        return
    dear = data.draw(st.sampled_from(ranked))
    more = data.draw(st.sampled_from([1, 1_000, 200_000, 10_000_000, 10**15]))

    def raised(provider: CatalogProvider, model: CatalogModel) -> CatalogModel:
        if (provider.name, model.name) != (dear.provider, dear.model) or model.price is None:
            return model
        price = model.price.model_copy(
            update={"output_usd_micros_per_mtok": model.price.output_usd_micros_per_mtok + more}
        )
        return model.model_copy(update={"price": price})

    after = by_name(case._replace(snapshot=with_models(case.snapshot, raised)).decided())[name(dear)]
    event("refused by its new price" if after.rank is None else "still ranked")
    assert after.rank is None or (dear.rank is not None and after.rank >= dear.rank)


def shadowed(case: Case, shadows: dict[str, int], objective: Objective) -> Case:
    loads = (
        replace(load, shadow_usd_micros_per_s=shadows.get(load.provider, 0)) for load in case.snapshot.loads
    )
    policy = case.policy.model_copy(update={"objective": objective})
    return case._replace(policy=policy, snapshot=replace(case.snapshot, loads=tuple(loads)))


@law
@given(cases)
def test_without_shadows_the_joint_objective_decides_as_each_does(case: Case) -> None:
    each, joint = (shadowed(case, {}, objective).decided() for objective in Objective)

    assert canonical(replace(joint, policy_digest=each.policy_digest)) == canonical(each)
    assert b"shadow" not in canonical(joint)


@law
@given(cases, st.integers(1, 10**9))
def test_shadows_are_nothing_to_a_policy_that_decides_each_by_itself(case: Case, shadow: int) -> None:
    shadows = {load.provider: shadow for load in case.snapshot.loads}
    bare, priced = (shadowed(case, found, Objective.EACH).decided() for found in ({}, shadows))

    assert canonical(replace(priced, snapshot_digest=bare.snapshot_digest)) == canonical(bare)


@law
@given(cases, st.data(), st.sampled_from([0, 5, 900, 10**6]), st.sampled_from([1, 700, 10**9]))
def test_raising_a_shadow_never_moves_its_provider_past_another(
    case: Case, data: st.DataObject, before: int, more: int
) -> None:
    """Of its own models a faster one may overtake a slower one; nobody else is overtaken, and nothing is charged."""
    dear = data.draw(st.sampled_from(case.snapshot.loads or (None,)))
    if dear is None:
        return
    low, high = (
        shadowed(case, {dear.provider: shadow}, Objective.JOINT).decided()
        for shadow in (before, before + more)
    )
    assert low.allowed == high.allowed
    ranks = [{name(each): each for each in one.candidates if each.rank is not None} for one in (low, high)]
    assert ranks[0].keys() == ranks[1].keys()
    for one, was in ranks[0].items():
        now = ranks[1][one]
        assert was.estimate and now.estimate
        assert was.estimate.cost_usd_micros == now.estimate.cost_usd_micros
        if was.provider != dear.provider:
            continue
        for other, theirs in ranks[0].items():
            ahead = (theirs.rank or 0) < (was.rank or 0)
            if theirs.provider != dear.provider and ahead:
                assert (ranks[1][other].rank or 0) < (now.rank or 0)


@law
@given(cases, st.data())
def test_removing_a_candidate_that_was_not_chosen_does_not_change_the_choice(
    case: Case, data: st.DataObject
) -> None:
    """Without exception, deadlines included: a candidate in time is never passed over for a late one, so where the
    chosen one is in time every late one is out already, and where it is late no one is in time."""
    before = case.decided()
    chosen = before.chosen
    assume(len(before.candidates) > 1)
    others = [
        each for each in before.candidates if not chosen or name(each) != f"{chosen.provider}/{chosen.model}"
    ]
    gone = data.draw(st.sampled_from(others))

    def without(provider: CatalogProvider, model: CatalogModel) -> CatalogModel | None:
        return None if (provider.name, model.name) == (gone.provider, gone.model) else model

    after = case._replace(snapshot=with_models(case.snapshot, without)).decided()
    # What a first rung may keep depends on whether one follows it, so the place is compared and not the threshold.
    assert _place(after) == _place(before)


def _place(decision: Decision) -> tuple[str, str] | None:
    return (decision.chosen.provider, decision.chosen.model) if decision.chosen else None


@law
@given(cases)
def test_the_worst_cost_of_the_whole_plan_stays_under_the_ceiling(case: Case) -> None:
    plan = case.decided().plan

    ceiling = case.job.max_cost_usd_micros
    assert ceiling is None or sum(step.worst_cost_usd_micros for step in plan) <= ceiling
    rungs = [step for step in plan if step.role is StepRole.RUNG]
    assert (
        len(plan) - max(0, len(rungs) - 1) <= oracle.within_tiers(case.job, case.policy).policy.plan.max_steps
    )
    assert len({(step.provider, step.model, step.sample) for step in plan}) == len(plan)


@law
@given(cases)
def test_every_step_of_the_plan_is_allowed_and_the_first_is_the_best(case: Case) -> None:
    decision = case.decided()

    assert {f"{step.provider}/{step.model}" for step in decision.plan} <= set(decision.allowed)
    assert list(decision.allowed) == sorted(decision.allowed, key=lambda pair: tuple(pair.split("/")))
    assert set(decision.allowed) == {name(each) for each in decision.candidates if not each.refusals}
    assert bool(decision.plan) == (decision.outcome is Outcome.ROUTED)
    if decision.plan and not decision.ladder:
        best = decision.candidates[0]
        assert (decision.plan[0].provider, decision.plan[0].model) == (best.provider, best.model)


@law
@given(plain_cases, st.sampled_from(Sensitivity))
def test_raising_the_sensitivity_never_enlarges_what_is_allowed(case: Case, other: Sensitivity) -> None:
    """Of the engine's own constraints: a rule of a policy may forbid what it likes, public documents too."""
    raised = replace(case.job, sensitivity=case.job.sensitivity.at_least(other))

    assert set(case._replace(job=raised).decided().allowed) <= set(case.decided().allowed)


@law
@given(cases)
def test_it_has_a_reason_whatever_the_outcome(case: Case) -> None:
    decision = case.decided()

    event(decision.outcome.value)
    assert decision.reason_code
    assert decision.reason.endswith(".")
    for each in decision.candidates:
        for refusal in (*each.refusals, *filter(None, [each.unavailable])):
            assert refusal.rule
            assert refusal.sentence.endswith(".")


@law
@given(cases)
def test_it_carries_the_digests_of_what_it_was_decided_on(case: Case) -> None:
    decision = case.decided()

    assert decision.features_digest == digest(case.job)
    assert decision.policy_digest == digest(case.policy)
    assert decision.snapshot_digest == digest(case.snapshot.facts())


@law
@given(cases, cases)
def test_the_route_class_tells_allowed_sets_apart(one: Case, other: Case) -> None:
    left, right = one.decided(), other.decided()

    assert (route_class(left) == route_class(right)) == (left.allowed == right.allowed)


@law
@given(cases)
def test_the_explanation_names_every_candidate(case: Case) -> None:
    decision = case.decided()
    text = explain(decision)

    assert all(name(each) in text for each in decision.candidates)
    assert decision.reason in text


@settings(max_examples=400, deadline=None)
@given(cases)
def test_it_equals_the_slow_plain_oracle(case: Case) -> None:
    _equals_the_oracle(case)


@settings(max_examples=300, deadline=None)
@given(named_cases)
def test_it_equals_the_oracle_where_one_tier_is_named_within_another(case: Case) -> None:
    _equals_the_oracle(case)


def _equals_the_oracle(case: Case) -> None:
    decision = case.decided()
    truth = oracle.verdict(*case)

    refused = {name(c): {r.rule for r in c.refusals} for c in decision.candidates if c.refusals}
    unavailable = {name(c): c.unavailable.rule for c in decision.candidates if c.unavailable}
    assert (refused, unavailable, decision.outcome.value) == (truth.refused, truth.unavailable, truth.outcome)
    ranked = [each for each in decision.candidates if each.rank is not None]
    totals = {name(each): each.score.total for each in ranked if each.score}
    assert totals.keys() == truth.totals.keys()
    assert all(abs(truth.totals[each] - total) <= 1.5 for each, total in totals.items())
    order = sorted(totals, key=lambda each: (-totals[each], each.split("/")))
    assert [name(each) for each in ranked] == order
    policy = oracle.within_tiers(case.job, case.policy).policy
    ladder, explores, hops = oracle.plan_of(order, truth.worst, policy, case.job, case.snapshot)
    assert (decision.ladder, decision.explores) == (ladder, explores)
    assert [_hop(step) for step in decision.plan] == hops
    assert [step.worst_cost_usd_micros for step in decision.plan] == [truth.worst[hop.name] for hop in hops]


def _hop(step: Step) -> oracle.Hop:
    return oracle.Hop(
        f"{step.provider}/{step.model}", step.role is StepRole.RUNG, step.keep_from, step.sample
    )


@law
@given(laddered_cases)
def test_rungs_come_first_in_the_order_of_their_ladder_and_the_last_one_keeps(case: Case) -> None:
    decision = case.decided()
    roles = [step.role for step in decision.plan]
    rungs = [step for step in decision.plan if step.role is StepRole.RUNG]

    event("a ladder" if rungs else "no ladder")
    assert bool(rungs) == bool(decision.ladder)
    assert roles == sorted(roles, key=lambda role: role is not StepRole.RUNG)
    assert not any(step.keep_from is not None for step in decision.plan if step.role is StepRole.CHOICE)
    if rungs:
        ladder = next(each for each in case.policy.ladders if each.ladder == decision.ladder)
        named = list(dict.fromkeys(f"{step.provider}/{step.model}" for step in rungs))
        places = [[rung.model for rung in ladder.rungs].index(each) for each in named]
        assert places == sorted(places)
        assert rungs[-1].keep_from is None
        most = ladder.max_cost_usd_micros
        assert most is None or sum(step.worst_cost_usd_micros for step in rungs) <= most
    if decision.explores:
        last = (rungs[-1].provider, rungs[-1].model)
        before = [step for step in rungs if (step.provider, step.model) != last]
        assert before
        assert all(step.keep_from == NOT_KEPT for step in before)


@law
@given(laddered_cases, st.data())
def test_removing_a_candidate_that_is_not_in_the_plan_leaves_the_rungs_as_they_are(
    case: Case, data: st.DataObject
) -> None:
    before = case.decided()
    planned = {(step.provider, step.model) for step in before.plan}
    others = [each for each in before.candidates if (each.provider, each.model) not in planned]
    event("a ladder" if before.ladder else "no ladder")
    if not others or len(before.candidates) == 1:
        return
    gone = data.draw(st.sampled_from(others))

    def without(provider: CatalogProvider, model: CatalogModel) -> CatalogModel | None:
        return None if (provider.name, model.name) == (gone.provider, gone.model) else model

    after = case._replace(snapshot=with_models(case.snapshot, without)).decided()
    assert after.plan == before.plan


@law
@given(laddered_cases)
def test_without_ladders_and_classes_the_bytes_are_as_they_were(case: Case) -> None:
    """A ladder that never applies, promises that nobody asks, a share that has nothing to explore: no trace but the
    digests of what was decided on."""
    bare = case.policy.model_copy(update={"ladders": (), "fallbacks": (), "exploration": 0.0})
    idle = tuple(each.model_copy(update={"when": "false"}) for each in case.policy.ladders)
    dressed = case.policy.model_copy(update={"ladders": idle, "fallbacks": ()})

    plain = case._replace(policy=bare, snapshot=replace(case.snapshot, promises=())).decided()
    told = case._replace(policy=dressed).decided()
    same = {name: getattr(plain, name) for name in ("policy_digest", "snapshot_digest")}
    assert canonical(replace(told, **same)) == canonical(plain)
    assert b'"role"' not in canonical(plain) and b'"ladder"' not in canonical(plain)
