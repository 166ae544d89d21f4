"""Ladders and fallback classes, as they shape a plan: which rungs are climbed, from which evidence each may keep an
answer, and who may take whose place.

A rung that may not serve the document, cannot serve it now, or does not fit into the money is left out, and nothing
takes its place; the last one that is left always keeps. A rung with several samples is judged once, after the last of
them, since a threshold is of the evidence with all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from router_worker.engine.rules import known
from schemas.decision import NOT_KEPT, Candidate, Step, StepRole
from schemas.expressions import compiled
from schemas.features import JobFeatures
from schemas.ladder import FallbackClass, Ladder, Rung, covers
from schemas.policy import RoutingPolicy
from schemas.snapshot import ProviderSnapshot

MILLION = 1_000_000

Promises = Mapping[tuple[str, str], int | None]
"""By ladder and model: the evidence from which the promise holds; None: no promise."""


def promises_of(snapshot: ProviderSnapshot) -> Promises:
    return {(each.ladder, each.model): each.keep_from for each in snapshot.promises}


def ladder_for(features: JobFeatures, policy: RoutingPolicy) -> Ladder | None:
    """The first ladder whose condition is true. One that cannot be evaluated does not apply."""
    if not policy.ladders:
        return None
    job = known(features)
    return next((each for each in policy.ladders if compiled(each.when).holds(job.situation)), None)


def is_drawn(features: JobFeatures, policy: RoutingPolicy) -> bool:
    """Whether the document is of the share that explores: the same ones whenever they are decided."""
    return features.draw < policy.exploration * MILLION


def climb(
    ladder: Ladder,
    ranked: Sequence[Candidate],
    promises: Promises,
    *,
    ceiling_usd_micros: int | None,
    explores: bool,
) -> tuple[Step, ...]:
    """The steps of the ladder's rungs that can be climbed now, in its order."""
    able = {f"{each.provider}/{each.model}": each for each in ranked}
    left = _least(ladder.max_cost_usd_micros, ceiling_usd_micros)
    rungs: list[tuple[Rung, Candidate, int]] = []
    for rung in ladder.rungs:
        candidate = able.get(rung.model)
        if candidate is None or any(rung.model == other.model for other, _, _ in rungs):
            continue
        assert candidate.estimate is not None
        worst = candidate.estimate.worst_cost_usd_micros
        if left is not None and worst * rung.samples > left:
            continue
        left = None if left is None else left - worst * rung.samples
        rungs.append((rung, candidate, worst))
    steps: list[Step] = []
    for place, (rung, candidate, worst) in enumerate(rungs, start=1):
        asked = None if place == len(rungs) else _keep_from(ladder, rung, promises, explores)
        steps.extend(_samples(rung, candidate, worst, asked))
    return tuple(steps)


def _samples(rung: Rung, candidate: Candidate, worst: int, asked: int | None) -> Iterable[Step]:
    for sample in range(1, rung.samples + 1):
        keep_from = asked if sample == rung.samples else NOT_KEPT
        yield Step(candidate.provider, candidate.model, worst, StepRole.RUNG, keep_from, sample)


def _keep_from(ladder: Ladder, rung: Rung, promises: Promises, explores: bool) -> int | None:
    if explores:
        return NOT_KEPT
    if rung.promise is not None:
        promised = promises.get((ladder.ladder, rung.model))
        return NOT_KEPT if promised is None else promised
    return None if rung.keep_from is None else round(rung.keep_from * MILLION)


def _least(one: int | None, other: int | None) -> int | None:
    told = [each for each in (one, other) if each is not None]
    return min(told) if told else None


# -- who may take whose place


def pools(
    step: Step, spare: Sequence[Candidate], classes: Sequence[FallbackClass]
) -> tuple[list[Candidate], ...]:
    """Those that may follow the step when it fails, in the order of their classes; one pool of all where its model is
    in no class."""
    own = next((each for each in classes if _holds(each, step.provider, step.model)), None)
    if own is None:
        return (list(spare),)
    named = {each.fallback: each for each in classes}
    order = [own, *(named[name] for name in own.then)]
    return tuple([each for each in spare if _holds(kind, each.provider, each.model)] for kind in order)


def _holds(kind: FallbackClass, provider: str, model: str) -> bool:
    return any(covers(pattern, f"{provider}/{model}") for pattern in kind.models)
