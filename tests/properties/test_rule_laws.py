"""The laws of a policy's own rules and tiers, and of the language that they are written in."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router_worker.engine.clauses import Known, Panel, Weighed, clause
from router_worker.engine.decide import decide
from router_worker.engine.splitting import split
from schemas.canonical import canonical
from schemas.decision import Decision
from schemas.expressions import compiled, situation
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy, Rule, Tier
from schemas.snapshot import ProviderSnapshot
from schemas.variables import job_facts, pair_facts
from tests.oracles import engine as oracle
from tests.oracles.rules import OF_JOBS, OF_PAIRS, says
from tests.strategies import features, policies, ruled_policies, rules, snapshots

pytestmark = pytest.mark.timeout(300)

law = settings(deadline=None)


class Case(NamedTuple):
    job: JobFeatures
    policy: RoutingPolicy
    snapshot: ProviderSnapshot

    def decided(self) -> Decision:
        return decide(self.job, self.policy, self.snapshot)

    def under(self, **changes: object) -> Case:
        return self._replace(policy=self.policy.model_copy(update=changes))


cases = st.builds(Case, features(), ruled_policies(), snapshots())

ATOMS = [
    "job.language == 'de'",
    "job.tokens == 700",
    "provider.self_hosted",
    "model.quality < 0.75",
    "provider.name < model.name || job.tokens > 700",
    "job.tokens * 12 > model.context_tokens",
    # These fail for the usual document, for every provider, and for the usual pair:
    "1 / (job.tokens - 700) > 0",
    "1 / provider.retention_days > 0",
    "job.tokens / (model.context_tokens - 200000) > 0",
    "'(' != ')' && r'a\\d' != \"||\"",
]


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({}) && ({})".format, inner, inner),
        st.builds("({}) || ({})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("(({})) ? ({}) : ({})".format, inner, inner, inner),
        st.builds("{} // a && b\n && ({})".format, st.just("job.tokens > 5"), inner),
    )


texts = st.recursive(st.sampled_from(ATOMS), joined, max_leaves=5)


def test_a_condition_knows_what_it_looks_at() -> None:
    assert all(compiled(text).is_of_jobs for text in OF_JOBS)
    assert compiled("provider.self_hosted").is_of_pairs
    assert not compiled("provider.self_hosted && job.tokens > 1").is_of_pairs


@law
@given(features(), snapshots(), st.sampled_from([*OF_JOBS, *OF_PAIRS]))
def test_a_condition_says_what_its_twin_in_python_says(
    job: JobFeatures, snapshot: ProviderSnapshot, text: str
) -> None:
    for provider in snapshot.catalog.providers:
        for model in provider.models:
            facts = {**job_facts(job), **pair_facts(provider, model)}
            assert compiled(text).holds(situation(facts)) == says(text, job, provider, model)


@settings(max_examples=300, deadline=None)
@given(features(), snapshots(), texts, st.integers(0))
def test_a_condition_that_was_split_says_what_it_says_whole(
    job: JobFeatures, snapshot: ProviderSnapshot, text: str, among: int
) -> None:
    pairs = [pair_facts(p, m) for p in snapshot.catalog.providers for m in p.models]
    asked = among & ((1 << len(pairs)) - 1)
    facts = job_facts(job)

    weighed = clause(text, Panel(pairs)).weigh(Known.of(facts), asked)

    whole = [compiled(text).holds(situation({**facts, **pair})) for pair in pairs]
    true = sum(1 << index for index, holds in enumerate(whole) if holds)
    failed = sum(1 << index for index, holds in enumerate(whole) if holds is None)
    assert weighed == Weighed(true & asked, failed & asked)


@law
@given(texts)
def test_every_part_of_a_split_stands_alone(text: str) -> None:
    parted = split(text)

    for part in parted.parts if parted else ():
        assert compiled(part).names <= compiled(text).names


@law
@given(cases, rules("one-more"))
def test_one_more_rule_never_enlarges_what_is_allowed(case: Case, more: Rule) -> None:
    after = case.under(rules=(*case.policy.rules, more)).decided()

    assert set(after.allowed) <= set(case.decided().allowed)


@law
@given(cases, st.data())
def test_the_order_of_rules_does_not_matter(case: Case, data: st.DataObject) -> None:
    other = case.under(rules=tuple(data.draw(st.permutations(case.policy.rules))))

    ours = replace(case.decided(), policy_digest="")
    assert canonical(replace(other.decided(), policy_digest="")) == canonical(ours)


@law
@given(cases)
def test_who_is_refused_by_a_rule_is_who_the_oracle_says(case: Case) -> None:
    for each in case.decided().candidates:
        provider = case.snapshot.catalog.provider(each.provider)
        assert provider is not None
        model = provider.model(each.model)
        assert model is not None
        said = {rule.rule: says(rule.forbid, case.job, provider, model) for rule in case.policy.rules}
        found = {refusal.rule: refusal.sentence for refusal in each.refusals if refusal.rule in said}
        failed = "The rule could not be evaluated, so it refuses."
        assert found == {
            name: "It is forbidden here." if holds else failed
            for name, holds in said.items()
            if holds is not False
        }


@law
@given(cases)
def test_a_tier_decides_as_a_policy_of_its_own_would(case: Case) -> None:
    case = case._replace(job=replace(case.job, asked_tier=""))
    tiered, _, untold = oracle.within_tiers(case.job, case.policy)
    ours, alone = case.decided(), case._replace(policy=tiered.model_copy(update={"tiers": ()})).decided()

    if untold:
        assert ours.allowed == () and "tier" in {r.rule for each in ours.candidates for r in each.refusals}
    else:
        assert (ours.outcome, ours.plan, ours.allowed) == (alone.outcome, alone.plan, alone.allowed)


@law
@given(cases)
def test_a_tier_after_one_that_always_applies_changes_nothing_but_the_digest(case: Case) -> None:
    case = case._replace(job=replace(case.job, asked_tier=""))
    always = Tier(tier="always", when="true")
    after = case.under(tiers=(always, *case.policy.tiers)).decided()
    alone = case.under(tiers=(always,)).decided()

    assert (after.plan, after.candidates, after.reason) == (alone.plan, alone.candidates, alone.reason)


@law
@given(policies())
def test_a_policy_without_rules_is_digested_as_before_there_were_any(policy: RoutingPolicy) -> None:
    assert policy.model_dump().keys().isdisjoint({"rules", "tiers"})
    assert RoutingPolicy.model_validate_json(policy.model_dump_json()) == policy


@law
@given(ruled_policies())
def test_a_policy_survives_being_written_and_read(policy: RoutingPolicy) -> None:
    assert RoutingPolicy.model_validate_json(policy.model_dump_json()) == policy
