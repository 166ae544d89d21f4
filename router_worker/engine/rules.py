"""The policy's own rules and tiers, ready for a catalog: who is forbidden for a job, and which tier it is in.

Rules are told in the order of their names, so that their order in the file changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from router_worker.engine.candidates import Seat
from router_worker.engine.clauses import Clause, Known, Panel, clause
from schemas.decision import Refusal
from schemas.expressions import compiled
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy, Rule, Tier
from schemas.sensitivity import Quality
from schemas.variables import job_facts, pair_facts

TIER = "tier"
"""The rule that refuses where it cannot be told which tier a job is in."""

TIER_NAMED = "tier_named"
"""The rule that refuses where a tier was named that the policy does not have."""


@dataclass(frozen=True, slots=True)
class Ban:
    """One rule of the policy, over the candidates of one catalog."""

    forbids: Clause
    refusal: Refusal
    when_failed: Refusal

    def refusals(self, job: Known, everybody: int) -> Iterator[tuple[int, Refusal]]:
        """The bits of the candidates that it refuses, and the refusal."""
        true, failed = self.forbids.weigh(job, everybody)
        if true:
            yield true, self.refusal
        if failed:
            yield failed, self.when_failed


def bans(policy: RoutingPolicy, seats: Iterable[Seat]) -> tuple[Ban, ...]:
    if not policy.rules:
        return ()
    panel = Panel(pair_facts(seat.provider, seat.model) for seat in seats)
    return tuple(_ban(rule, panel) for rule in sorted(policy.rules, key=lambda rule: rule.rule))


def known(job: JobFeatures) -> Known:
    return Known.of(job_facts(job))


def forbid(forbidden: Iterable[tuple[int, Refusal]], found: Sequence[list[Refusal]]) -> None:
    """Adds each refusal to the lists of those whose bits are set."""
    for bits, refusal in forbidden:
        left = bits
        while left:
            lowest = left & -left
            found[lowest.bit_length() - 1].append(refusal)
            left ^= lowest


def tier_of(policy: RoutingPolicy, job: Known) -> Tier | Refusal | None:
    """The first tier whose condition is true; a refusal where that cannot be told; None outside all tiers."""
    for tier in policy.tiers:
        holds = compiled(tier.when).holds(job.situation)
        if holds is None:
            sentence = f"Whether tier {tier.tier!r} applies could not be evaluated, so nothing is allowed."
            return Refusal(TIER, sentence)
        if holds:
            return tier
    return None


def within(policy: RoutingPolicy, tier: Tier) -> RoutingPolicy:
    """The policy as documents of the tier see it."""
    floor = tier.quality_floor or 0.0
    levels = {level: max(floor, policy.quality_floors.get(level, 0.0)) for level in Quality}
    return policy.model_copy(
        update={
            "weights": tier.weights or policy.weights,
            "quality_floors": levels,
            "providers": tier.providers or policy.providers,
            "plan": policy.plan.model_copy(update={"max_steps": tier.max_steps or policy.plan.max_steps}),
        }
    )


def both(policy: RoutingPolicy, own: Tier | None, named: Tier) -> RoutingPolicy:
    """The policy as a document of one tier sees it within another one that was named: weighed as the named one says,
    at the higher of both floors, in no more steps than either allows."""
    outer = within(policy, own) if own else policy
    found = within(outer, named)
    most = min(found.plan.max_steps, outer.plan.max_steps) if own else found.plan.max_steps
    providers = named.providers or policy.providers
    return found.model_copy(
        update={"plan": found.plan.model_copy(update={"max_steps": most}), "providers": providers}
    )


def _ban(rule: Rule, panel: Panel) -> Ban:
    return Ban(
        forbids=clause(rule.forbid, panel),
        refusal=Refusal(rule.rule, rule.because),
        when_failed=Refusal(rule.rule, "The rule could not be evaluated, so it refuses."),
    )
