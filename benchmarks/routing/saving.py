"""The promised saving: strong calls avoided when agreement in T of the cases is promised with confidence 1-δ.

For every seed the questions are parted. From one part a score is learned, the chance that the weak model is right. On
the other part, the batch, the promise is made from labels that are bought there; a labelled case counts as a strong
call. "Agrees" means that the weak model was right: the tables hold correctness and no answers, so the strong model
stands for the truth, as in the figures this is compared with.

Beside it: the threshold that hindsight would choose, knowing every label and paying for none; BARGAIN on the same
triples; and the promise from labels drawn as if they came from elsewhere (`promise.py`), as many as are allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks.routing.data import TWO_MODELS, Floats, Indexes, Pair, missing, read_pair, split
from benchmarks.routing.peers import BargainRun, PeerMissing, Triples, bargain
from benchmarks.routing.plan import Plan, spread
from benchmarks.routing.text import Texts, predict, read_texts
from router_worker.cascade.batch import most_wrong_labels, plan_labels
from router_worker.cascade.promise import most_disagreements

TARGETS = (0.80, 0.85, 0.90, 0.95)
DELTA = 0.1
ASKED = 0.09
"""The δ that our promises are made with. The tests are exact, so at .1 the measured rate would lie within a thousandth
of .1, on either side by chance of the draws. BARGAIN is asked at .1."""
LABELS = 600


@dataclass(frozen=True, slots=True)
class Ranked:
    """A batch in the order of its scores, best first."""

    chances: Floats
    wrong: Floats
    """1 where the weak answer does not agree."""

    def __len__(self) -> int:
        return len(self.wrong)

    def budget(self, target: float) -> float:
        return (1 - target) * len(self) + 1e-9


class Walk(NamedTuple):
    """`labels` of the best `head` cases are bought; the walk ends before one more than `allowed` disagrees."""

    head: int
    labels: int
    allowed: int


@dataclass(frozen=True, slots=True)
class Draws:
    """What became of each resample of the labels."""

    avoided: Floats
    broken: Floats


def figures(plan: Plan) -> dict[str, Any]:
    """`saving_over_hindsight`, `saving_over_bargain`, `saving_violation_rate_max`, and what they come from."""
    if gaps := missing(plan.data, TWO_MODELS):
        return {"left_out": {"saving": f"{gaps[0]} is not in the data folder"}}
    pair = read_pair(plan.data)
    texts = read_texts(pair.prompts, pair.domains)
    batches = [ranked(pair, texts, plan.learned_from(len(pair)), seed) for seed in range(plan.splits)]
    try:
        peers: Sequence[Sequence[BargainRun]] = bargain(
            [Triples(batch.chances, 1 - batch.wrong) for batch in batches],
            TARGETS,
            delta=DELTA,
            seeds=plan.bargain_seeds,
        )
        left_out = {}
    except PeerMissing as reason:
        peers, left_out = [], {"saving_over_bargain": str(reason)}
    return {**summary([measured(batches, peers, target, plan) for target in TARGETS]), "left_out": left_out}


def ranked(pair: Pair, texts: Texts, learned_from: int, seed: int) -> Ranked:
    labelled, batch = split(len(pair), learned_from, seed)
    chances = predict(texts, labelled, pair.weak[labelled][:, None])[batch, 0]
    order = np.argsort(-chances, kind="stable")
    return Ranked(np.clip(chances[order], 0, 1), 1 - pair.weak[batch][order])


def measured(
    batches: Sequence[Ranked], peers: Sequence[Sequence[BargainRun]], target: float, plan: Plan
) -> dict[str, Any]:
    """Everything at one target. Means over the resamples of a split; medians and spread over splits."""
    best = [hindsight(batch, target) for batch in batches]
    ours, plain = (
        [
            drawn(batch, target, walk(batch, target), resamples=plan.resamples, seed=seed)
            for seed, batch in enumerate(batches)
        ]
        for walk in (walk_within, walk_from_elsewhere)
    )
    avoided = [float(draws.avoided.mean()) for draws in ours]
    theirs = [float(np.mean([run.avoided for run in runs if target == run.T])) for runs in peers]
    broken = [float(run.agreement < target) for runs in peers for run in runs if target == run.T]
    return {
        "T": target,
        "hindsight": spread(best),
        "avoided": spread(avoided),
        "avoided_from_elsewhere": spread([float(draws.avoided.mean()) for draws in plain]),
        "avoided_by_bargain": spread(theirs) if theirs else None,
        "over_hindsight": spread(_ratios(avoided, best)),
        "over_bargain": spread(_ratios(avoided, theirs)) if theirs else None,
        "violation_rate": float(np.mean([draws.broken.mean() for draws in ours])),
        "violation_rate_from_elsewhere": float(np.mean([draws.broken.mean() for draws in plain])),
        "violation_rate_of_bargain": float(np.mean(broken)) if broken else None,
        "resamples": plan.resamples * len(batches),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    by_target = {f"{row['T']:.2f}": row for row in rows}
    over_bargain = {
        name: row["over_bargain"]["median"] for name, row in by_target.items() if row["over_bargain"]
    }
    return {
        "saving_over_hindsight": {name: row["over_hindsight"]["median"] for name, row in by_target.items()},
        "saving_over_bargain": over_bargain or None,
        "saving_violation_rate_max": max(row["violation_rate"] for row in rows),
        "saving": by_target,
    }


def hindsight(batch: Ranked, target: float) -> float:
    """Share kept by the best threshold of all, for one who knows every label."""
    return float((np.cumsum(batch.wrong) <= batch.budget(target)).mean())


def walk_within(batch: Ranked, target: float) -> Walk:
    """The test of `batch.py`, its labels drawn where the learned chances say."""
    where = plan_labels(batch.chances.tolist(), target, ASKED, LABELS)
    allowed = most_wrong_labels(len(batch), target, ASKED, head=where.head, labels=where.labels)
    return Walk(where.head, where.labels, allowed)


def walk_from_elsewhere(batch: Ranked, target: float) -> Walk:
    """The test of `promise.py`, its labels drawn from the whole batch."""
    labels = min(LABELS, len(batch))
    return Walk(len(batch), labels, most_disagreements(labels, target, ASKED))


def drawn(batch: Ranked, target: float, walk: Walk, *, resamples: int, seed: int) -> Draws:
    """What becomes of many draws of the labels."""
    chance = np.random.default_rng([seed, round(target * 1000)])
    head, running = batch.wrong[: walk.head], np.concatenate([[0], np.cumsum(batch.wrong)])
    avoided, broken = np.zeros(resamples), np.zeros(resamples)
    for number in range(resamples if walk.allowed >= 0 else 0):
        labels = chance.permutation(walk.head)[: walk.labels]
        passed = stop(head, labels, walk.allowed)
        bought = labels[labels < passed]
        avoided[number] = (passed - len(bought)) / len(batch)
        broken[number] = running[passed] - head[bought].sum() > batch.budget(target)
    return Draws(avoided, broken)


def stop(wrong: Floats, labels: Indexes, allowed: int) -> int:
    """How many of the best-ranked cases pass: all up to the label that is one disagreement too many."""
    places = np.sort(labels[wrong[labels] > 0])
    return int(places[allowed]) if allowed < len(places) else len(wrong)


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Without a saving to compare with there is no ratio."""
    return [one / other if other > 0 else float("nan") for one, other in zip(ours, theirs, strict=True)]
