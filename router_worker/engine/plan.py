"""The plan: the best candidate first, then fallbacks, as far as the policy and the job's ceiling carry."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.decision import Candidate, Step


def lay_plan(
    ranked: Sequence[Candidate], *, max_steps: int, ceiling_usd_micros: int | None
) -> tuple[Step, ...]:
    """Steps in order of trial; the first is the first of `ranked`.

    A fallback is the best candidate left at another provider than the step before it, since what fails at a provider
    often fails for all its models; only where there is none, the best one left. The worst costs of all steps stay
    under the ceiling together: a step that would exceed it is passed over.
    """
    steps: list[Step] = []
    spare = [_step(candidate) for candidate in ranked]
    budget = ceiling_usd_micros
    while spare and len(steps) < max_steps:
        affordable = [step for step in spare if budget is None or step.worst_cost_usd_micros <= budget]
        if not affordable:
            break
        chosen = _next(affordable, after=steps[-1].provider if steps else None)
        steps.append(chosen)
        spare = [step for step in affordable if step is not chosen]
        budget = None if budget is None else budget - chosen.worst_cost_usd_micros
    return tuple(steps)


def _next(steps: Sequence[Step], *, after: str | None) -> Step:
    return next((step for step in steps if step.provider != after), steps[0])


def _step(candidate: Candidate) -> Step:
    assert candidate.estimate is not None
    return Step(candidate.provider, candidate.model, candidate.estimate.worst_cost_usd_micros)
