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
    spare, budget = ranked, ceiling_usd_micros
    while spare and len(steps) < max_steps:
        affordable = spare if budget is None else [each for each in spare if _worst(each) <= budget]
        if not affordable:
            break
        chosen = _next(affordable, after=steps[-1].provider if steps else None)
        steps.append(Step(chosen.provider, chosen.model, _worst(chosen)))
        spare = [each for each in affordable if each is not chosen]
        budget = None if budget is None else budget - _worst(chosen)
    return tuple(steps)


def _next(candidates: Sequence[Candidate], *, after: str | None) -> Candidate:
    return next((each for each in candidates if each.provider != after), candidates[0])


def _worst(candidate: Candidate) -> int:
    assert candidate.estimate is not None
    return candidate.estimate.worst_cost_usd_micros
