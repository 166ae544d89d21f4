"""What is odd about a policy although it loads: said before a document is refused for it.

Each remark is a value. Lint tries the policy on representative documents and the catalog's models; the deciding is
handed in, so that it is the engine's own. Where a question has too many cases to try, nothing is said about it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from governance.policies.grid import classes, jobs
from governance.policies.ladder_lint import ladder_remarks
from governance.policies.remarks import Place, Remark, Tried, told
from schemas.canonical import digest
from schemas.catalog import Catalog, ProviderKind
from schemas.decision import Decision
from schemas.expressions import Expression, compiled, situation
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy, Rule, Weights
from schemas.sensitivity import Quality, Sensitivity
from schemas.snapshot import ProviderLoad, ProviderSnapshot, ProviderStatus
from schemas.variables import OF_JOBS, job_facts, pair_facts

MOST_PAIRS = 100_000
"""So many pairs of document and model are tried on one rule."""

Decide = Callable[[JobFeatures], Decision]
Prepare = Callable[[RoutingPolicy, ProviderSnapshot], Decide]
"""Gives the decision for one policy and snapshot: `lambda policy, at: prepare(policy, at).decide`."""


def lint(policy: RoutingPolicy, catalog: Catalog, prepare: Prepare) -> list[Remark]:
    """All remarks, in the order of the checks; none: nothing is odd. Deterministic."""
    decide = prepare(policy, calm(catalog))
    tried = [(job, decide(job)) for job in classes(catalog)]
    return [
        *_weights(policy),
        *_providers(policy, catalog),
        *_rules(policy, catalog),
        *_tiers(policy, catalog),
        *ladder_remarks(policy, catalog, tried),
        *_unserved(tried),
        *_unreached(policy, tried),
        *_without_own(policy, catalog, tried),
    ]


def calm(catalog: Catalog) -> ProviderSnapshot:
    """Every provider up and idle, at an instant that means nothing."""
    loads = tuple(
        ProviderLoad(each.name, ProviderStatus.READY, "", each.ceiling, each.ceiling, 0, 0, 0, 1_000, None)
        for each in catalog.providers
    )
    return ProviderSnapshot(catalog, digest(catalog), loads, datetime(2026, 1, 1, tzinfo=UTC))


# -- what can be seen without trying


def _weights(policy: RoutingPolicy) -> Iterator[Remark]:
    found: list[tuple[Place, Weights]] = [(("weights",), policy.weights)]
    found += [
        (("tiers", index, "weights"), tier.weights) for index, tier in enumerate(policy.tiers) if tier.weights
    ]
    for place, weights in found:
        for name in sorted(Weights.model_fields):
            if getattr(weights, name) == 0:
                yield Remark("zero_weight", (*place, name), f"The weight is 0, so {name} is not looked at.")


def _providers(policy: RoutingPolicy, catalog: Catalog) -> Iterator[Remark]:
    places: list[tuple[Place, Sequence[str]]] = [(("providers",), policy.providers)]
    places += [(("tiers", index, "providers"), tier.providers) for index, tier in enumerate(policy.tiers)]
    known = {provider.name for provider in catalog.providers}
    for place, names in places:
        for index, name in enumerate(names):
            if name not in known:
                yield Remark("unknown_provider", (*place, index), f"The catalog has no provider {name!r}.")


# -- conditions, tried by themselves


def _rules(policy: RoutingPolicy, catalog: Catalog) -> Iterator[Remark]:
    for index, rule in enumerate(policy.rules):
        said = _said_of_pairs(rule, catalog)
        if said is not None:
            yield from _of_rule(said, rule, ("rules", index, "forbid"))


def _of_rule(said: Counter[Any], rule: Rule, place: Place) -> Iterator[Remark]:
    if said[None]:
        sentence = (
            "It cannot be evaluated for some documents, and refuses those; guard it, as in 'x != 0 && …'."
        )
        yield Remark("may_fail", place, f"Rule {rule.rule!r}: {sentence}")
    if not said[True] and not said[None]:
        sentence = "It can never fire: it is false for every document and every model of the catalog."
        yield Remark("never_fires", place, f"Rule {rule.rule!r}: {sentence}")
    elif not said[False]:
        sentence = "It always fires: no document is left any model."
        yield Remark("always_fires", place, f"Rule {rule.rule!r}: {sentence}")


def _said_of_pairs(rule: Rule, catalog: Catalog) -> Counter[Any] | None:
    """How often the rule is true, false, or cannot be evaluated (None)."""
    tried = jobs([rule.forbid], catalog)
    pairs = [pair_facts(provider, model) for provider in catalog.providers for model in provider.models]
    if tried is None or len(tried) * len(pairs) > MOST_PAIRS:
        return None
    expression = compiled(rule.forbid)
    shown = [_named(job_facts(job), expression) for job in tried]
    models = {repr(facts): facts for facts in (_named(pair, expression) for pair in pairs)}
    return Counter(
        expression.holds(situation({**job, **facts})) for job in shown for facts in models.values()
    )


def _named(facts: dict[str, Any], expression: Expression) -> dict[str, Any]:
    return {name: facts[name] for name in expression.names & facts.keys()}


def _tiers(policy: RoutingPolicy, catalog: Catalog) -> Iterator[Remark]:
    """A tier that no document reaches: its condition is never true, or always where an earlier one is."""
    conditions = [compiled(tier.when) for tier in policy.tiers]
    tried = jobs((each.text for each in conditions), catalog)
    if tried is None:
        return
    reached: Counter[int | None] = Counter(_first(conditions, job) for job in tried)
    for index, tier in enumerate(policy.tiers):
        if not reached[index]:
            sentence = (
                f"No document is in tier {tier.tier!r}: it is never true, or an earlier tier takes them all."
            )
            yield Remark("unreachable_tier", ("tiers", index, "when"), sentence)
    if reached[-1]:
        sentence = "A tier cannot be evaluated for some documents, which are refused then; guard it."
        yield Remark("may_fail", ("tiers",), sentence)


def _first(conditions: Sequence[Expression], job: JobFeatures) -> int | None:
    """The index of the first that is true; -1 where one before it cannot be evaluated."""
    seen = situation({name: value for name, value in job_facts(job).items() if name in OF_JOBS})
    for index, condition in enumerate(conditions):
        holds = condition.holds(seen)
        if holds is None:
            return -1
        if holds:
            return index
    return None


# -- the policy as a whole, by the engine's own decisions

Kind = tuple[tuple[str, ...], Quality, int]
"""Residency, quality and tokens."""


def _unserved(tried: Tried) -> Iterator[Remark]:
    """Kinds of documents that nobody is left for, and by which rules; classes with the same ones in one remark."""
    by_class: dict[Sensitivity, list[JobFeatures]] = {}
    rules: dict[Sensitivity, Counter[str]] = {}
    for job, decision in tried:
        if not decision.allowed:
            by_class.setdefault(job.sensitivity, []).append(job)
            refusals = (refusal.rule for each in decision.candidates for refusal in each.refusals)
            rules.setdefault(job.sensitivity, Counter()).update(refusals)
    alike: dict[tuple[Kind, ...], list[Sensitivity]] = {}
    for sensitivity, found in by_class.items():
        alike.setdefault(tuple(map(_kind, found)), []).append(sensitivity)
    of = len(tried) // len(Sensitivity)
    for kinds, classes_alike in alike.items():
        named = " and ".join(each.value for each in classes_alike)
        by = ", ".join(sorted(set().union(*(rules[each] for each in classes_alike))))
        found = by_class[classes_alike[0]]
        sentence = (
            f"No model is left for {len(kinds)} of {of} kinds of {named} documents: {told(found)}; by {by}."
        )
        yield Remark("no_candidate", (), sentence)


def _kind(job: JobFeatures) -> Kind:
    return job.residency, job.quality, job.tokens


def _unreached(policy: RoutingPolicy, tried: Tried) -> Iterator[Remark]:
    """A model that may serve no document at all, though the policy leaves its provider in."""
    allowed = {pair for _, decision in tried for pair in decision.allowed}
    for candidate in sorted(tried[0][1].candidates, key=lambda each: (each.provider, each.model)):
        name = f"{candidate.provider}/{candidate.model}"
        if name not in allowed and (not policy.providers or candidate.provider in policy.providers):
            yield Remark("unreachable_route", (), f"No document may go to {name} under this policy.")


def _without_own(policy: RoutingPolicy, catalog: Catalog, tried: Tried) -> Iterator[Remark]:
    """Confidential work whose plan ends with somebody else's machine: an outage there leaves it waiting."""
    own = {provider.name for provider in catalog.providers if provider.kind is ProviderKind.SELF_HOSTED}
    for sensitivity in (Sensitivity.CONFIDENTIAL, Sensitivity.RESTRICTED):
        found = [
            job
            for job, decision in tried
            if job.sensitivity is sensitivity
            and decision.allowed
            and not own.intersection(pair.partition("/")[0] for pair in decision.allowed)
        ]
        if found:
            sentence = (
                f"{sensitivity.value.capitalize()} documents without a self-hosted fallback: {told(found)}."
            )
            yield Remark("no_self_hosted", ("plan",), sentence)
