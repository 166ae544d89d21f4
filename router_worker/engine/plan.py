"""The plan: the rungs of a ladder or the best candidate first, then fallbacks, as far as the policy and the job's
ceiling carry."""

from __future__ import annotations

from collections.abc import Sequence

from router_worker.engine.ladders import pools
from schemas.decision import Candidate, Step
from schemas.ladder import FallbackClass


def lay_plan(
    ranked: Sequence[Candidate],
    *,
    max_steps: int,
    ceiling_usd_micros: int | None,
    rungs: Sequence[Step] = (),
    classes: Sequence[FallbackClass] = (),
) -> tuple[Step, ...]:
    """Steps in order of trial: the rungs, else the first of `ranked`; and fallbacks for the last of these.

    A fallback is the best candidate left at another provider than the step before it, since what fails at a provider
    often fails for all its models; only where there is none, the best one left. Where the model that it stands in for
    is in a fallback class, it comes from there, and then from the classes that follow that one. The worst costs of all
    steps stay under the ceiling together: a step that would exceed it is passed over.
    """
    steps = list(rungs)
    if not steps:
        first = next((each for each in ranked if _fits(each, ceiling_usd_micros)), None)
        if first is None:
            return ()
        steps.append(Step(first.provider, first.model, _worst(first)))
    used = {(step.provider, step.model) for step in steps}
    budget = _less(ceiling_usd_micros, sum(step.worst_cost_usd_micros for step in steps))
    spare = [each for each in ranked if (each.provider, each.model) not in used]
    fallbacks = pools(steps[-1], spare, classes)
    for _ in range(max_steps - 1):
        chosen = _next(fallbacks, budget, after=steps[-1].provider)
        if chosen is None:
            break
        steps.append(Step(chosen.provider, chosen.model, _worst(chosen)))
        fallbacks = tuple([each for each in pool if each is not chosen] for pool in fallbacks)
        budget = _less(budget, _worst(chosen))
    return tuple(steps)


def _next(pools: Sequence[Sequence[Candidate]], budget: int | None, *, after: str) -> Candidate | None:
    """From the first pool that has somebody affordable."""
    for pool in pools:
        affordable = [each for each in pool if _fits(each, budget)]
        if affordable:
            return next((each for each in affordable if each.provider != after), affordable[0])
    return None


def _fits(candidate: Candidate, budget: int | None) -> bool:
    return budget is None or _worst(candidate) <= budget


def _less(budget: int | None, spent: int) -> int | None:
    return None if budget is None else budget - spent


def _worst(candidate: Candidate) -> int:
    assert candidate.estimate is not None
    return candidate.estimate.worst_cost_usd_micros
