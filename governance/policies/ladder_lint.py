"""What is odd about ladders and fallback classes: names that nobody has, rungs that save nothing, no floor."""

from __future__ import annotations

from collections.abc import Iterator

from governance.policies.remarks import Place, Remark, Tried, told
from schemas.catalog import Catalog, CatalogModel
from schemas.decision import Decision
from schemas.expressions import compiled, situation
from schemas.features import JobFeatures
from schemas.ladder import Ladder, covers
from schemas.policy import RoutingPolicy
from schemas.variables import OF_JOBS, job_facts

READ, WRITTEN = 3_000, 350
"""Tokens of the document by which the prices of two rungs are compared."""


def ladder_remarks(policy: RoutingPolicy, catalog: Catalog, tried: Tried) -> Iterator[Remark]:
    models = {f"{p.name}/{m.name}": m for p in catalog.providers for m in p.models}
    reached = _reached(policy, tried)
    for index, ladder in enumerate(policy.ladders):
        place: Place = ("ladders", index)
        yield from _names(ladder, place, models)
        yield from _prices(ladder, place, models)
        yield from _floor(ladder, place, reached[index])
    for index, kind in enumerate(policy.fallbacks):
        for number, pattern in enumerate(kind.models):
            if not any(covers(pattern, name) for name in models):
                sentence = f"The catalog has no model {pattern!r}."
                yield Remark("unknown_model", ("fallbacks", index, "models", number), sentence)


def _names(ladder: Ladder, place: Place, models: dict[str, CatalogModel]) -> Iterator[Remark]:
    seen: set[str] = set()
    for number, rung in enumerate(ladder.rungs):
        at = (*place, "rungs", number, "model")
        if rung.model not in models:
            yield Remark("unknown_model", at, f"The catalog has no model {rung.model!r}.")
        if rung.model in seen:
            sentence = f"{rung.model} is on ladder {ladder.ladder!r} already; only its first rung counts."
            yield Remark("rung_twice", at, sentence)
        seen.add(rung.model)


def _prices(ladder: Ladder, place: Place, models: dict[str, CatalogModel]) -> Iterator[Remark]:
    """A rung that costs as much as the next one, samples included, saves nothing."""
    for number, (rung, after) in enumerate(zip(ladder.rungs, ladder.rungs[1:], strict=False)):
        one, other = models.get(rung.model), models.get(after.model)
        if one is None or other is None or one.price is None or other.price is None:
            continue
        if _cost(one) * rung.samples >= _cost(other) * after.samples:
            sentence = f"{rung.model} is not cheaper than the rung after it, {after.model}."
            yield Remark(
                "rung_not_cheaper", (*place, "rungs", number), f"Ladder {ladder.ladder!r}: {sentence}"
            )


def _cost(model: CatalogModel) -> int:
    assert model.price is not None
    return model.price.cost_usd_micros(model.own_tokens(READ), WRITTEN)


def _floor(ladder: Ladder, place: Place, reached: Tried) -> Iterator[Remark]:
    """The last rung keeps whatever is sound; where it may not serve, a rung that was to be judged is the last."""
    last = ladder.rungs[-1]
    at = (*place, "rungs", len(ladder.rungs) - 1)
    if last.promise is not None or last.keep_from is not None:
        sentence = (
            f"Ladder {ladder.ladder!r}: nothing follows its last rung, so what is asked of that is not used."
        )
        yield Remark("no_floor", at, sentence)
    left = [
        job
        for job, decision in reached
        if last.model not in decision.allowed and any(rung.model in decision.allowed for rung in ladder.rungs)
    ]
    if left:
        sentence = f"Ladder {ladder.ladder!r}: its last rung may not serve {told(left)}, and a weaker one ends there."
        yield Remark("no_floor", at, sentence)


def _reached(policy: RoutingPolicy, tried: Tried) -> dict[int, list[tuple[JobFeatures, Decision]]]:
    """Of the documents, those for which each ladder applies."""
    conditions = [compiled(ladder.when) for ladder in policy.ladders]
    found: dict[int, list[tuple[JobFeatures, Decision]]] = {index: [] for index in range(len(conditions))}
    for job, decision in tried if conditions else ():
        facts = {name: value for name, value in job_facts(job).items() if name in OF_JOBS}
        seen = situation(facts)
        first = next((index for index, each in enumerate(conditions) if each.holds(seen)), None)
        if first is not None:
            found[first].append((job, decision))
    return found
