"""Routing curves: quality against cost on RouterBench's subset (AIQ), against strong calls on RouteLLM's MMLU (APGR).

AIQ: mean quality over costs from the cheapest to the dearest model, on the upper hull of what was measured. Every
question is measured once, by a policy learned from the other folds: for every price of a dollar, and each domain, a
plan whom to ask, and after whose answers to stop, or the single model that was worth most there (`asked.py`). The
domain table is the same with single models only.

APGR: mean share of the gap between weak and strong model that is closed, over all shares of strong calls.
Source: RouterBench, arXiv 2403.12031; RouteLLM, arXiv 2406.18665.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.routing.asked import careful, domain_of, several, singles
from benchmarks.routing.data import (
    MANY_ANSWERS,
    MANY_MODELS,
    TWO_MODELS,
    Field,
    Floats,
    Pair,
    missing,
    read_field,
    read_pair,
    split,
)
from benchmarks.routing.plan import Plan, spread
from benchmarks.routing.text import Texts, domain_means, predict, read_texts

FOLDS = 5
PRICES = (0.0, *np.geomspace(0.0005, 3, 60))  # of a dollar in a thousand questions, in quality


def figures(plan: Plan) -> dict[str, Any]:
    """`aiq_routerbench`, `domain_table_aiq`, `apgr_mmlu_1500`, and what stands beside them."""
    found: dict[str, Any] = {"left_out": {}}
    if gaps := missing(plan.data, MANY_MODELS, MANY_ANSWERS):
        found["left_out"]["aiq"] = f"{gaps[0]} is not in the data folder"
    else:
        found |= aiq_figures(read_field(plan.data), plan)
    if gaps := missing(plan.data, TWO_MODELS):
        found["left_out"]["apgr"] = f"{gaps[0]} is not in the data folder"
    else:
        found |= apgr_figures(read_pair(plan.data), plan)
    return found


# -- AIQ


def aiq_figures(field: Field, plan: Plan) -> dict[str, Any]:
    runs = [curves(field, seed) for seed in range(plan.splits)]
    cascade, table = ([aiq(points, field) for points in each] for each in zip(*runs, strict=True))
    return {
        "aiq_routerbench": spread(cascade)["median"],
        "domain_table_aiq": spread(table)["median"],
        "aiq": {
            "cascade": spread(cascade),
            "domain_table": spread(table),
            "over_domain_table": spread([one - other for one, other in zip(cascade, table, strict=True)]),
            "best_single_quality": round(float(field.scores.mean(axis=0).max()), 4),
            "quality_for_any_money": spread([float(points[:, 1].max()) for points, _ in runs]),
            "in_hindsight": round(in_hindsight(field), 4),
            "oracle": round(oracle(field), 4),
            "questions": len(field),
        },
    }


def curves(field: Field, seed: int) -> tuple[Floats, Floats]:
    """Mean cost and quality at every price, of the cascade and of the domain table."""
    fold = np.random.default_rng(seed).permutation(len(field)) % FOLDS
    found = np.zeros((2, len(PRICES), 2))
    whole = domain_of(field, np.arange(len(field)))
    for name in np.unique(field.domains):
        places = np.flatnonzero(field.domains == name)
        domain = domain_of(field, places)
        for number in range(FOLDS):
            learned, asked = (
                np.flatnonzero(part) for part in (fold[places] != number, fold[places] == number)
            )
            if len(learned):
                followed = careful(domain, PRICES, learned, asked)
            else:  # nothing of this domain: then what all others say
                followed = careful(whole, PRICES, np.flatnonzero(fold != number), places[asked])
            found += [each.totals() for each in followed]
    return found[0] / len(field), found[1] / len(field)


def aiq(points: Floats, field: Field) -> float:
    """`points`: cost, quality. Cheaper than the cheapest point nothing is known: its quality is taken."""
    costs = field.costs.mean(axis=0)
    hull = _hull(points)
    grid = np.linspace(costs.min(), costs.max(), 4001)
    return float(np.interp(grid, hull[:, 0], hull[:, 1]).mean())


def in_hindsight(field: Field) -> float:
    """AIQ of the plans learned on the very questions that are measured: about what this evidence can give."""
    total = np.zeros((len(PRICES), 2))
    for name in np.unique(field.domains):
        domain = domain_of(field, np.flatnonzero(field.domains == name))
        every = np.arange(len(domain.scores))
        total += (singles if domain.answers is None else several)(domain, PRICES, every, every).totals()
    return aiq(total / len(field), field)


def oracle(field: Field) -> float:
    """AIQ of always choosing the cheapest model that is right."""
    worth = [(field.scores - price * field.costs).argmax(axis=1) for price in PRICES]
    rows = np.arange(len(field))
    return aiq(np.array([(field.costs[rows, m].mean(), field.scores[rows, m].mean()) for m in worth]), field)


def _hull(points: Floats) -> Floats:
    """The points that no mixture of two others beats, by cost; quality never falls."""
    kept: list[tuple[float, float]] = []
    for cost, quality in sorted(map(tuple, points.tolist()), key=lambda point: (point[0], -point[1])):
        if kept and quality <= kept[-1][1]:
            continue
        while len(kept) > 1 and _below(kept[-2], kept[-1], (cost, quality)):
            kept.pop()
        kept.append((cost, quality))
    return np.array(kept)


def _below(left: tuple[float, float], middle: tuple[float, float], right: tuple[float, float]) -> bool:
    return (middle[1] - left[1]) * (right[0] - left[0]) <= (right[1] - left[1]) * (middle[0] - left[0])


# -- APGR


def apgr_figures(pair: Pair, plan: Plan) -> dict[str, Any]:
    texts, labels = read_texts(pair.prompts, pair.domains), plan.learned_from(len(pair))
    runs = [_routed(pair, texts, labels, seed) for seed in range(plan.splits)]
    learned, table, random = zip(*runs, strict=True)
    return {
        "apgr_mmlu_1500": spread(learned)["median"],
        "apgr": {
            "router": spread(learned),
            "domain_table": spread(table),
            "random": spread(random),
            "over_domain_table": spread([run[0] - run[1] for run in runs]),
            "labels": labels,
            "questions": len(pair) - labels,
        },
    }


def _routed(pair: Pair, texts: Texts, labels: int, seed: int) -> tuple[float, float, float]:
    """APGR of the router, the domain table and chance, from the same labels on the same questions."""
    labelled, asked = split(len(pair), labels, seed)
    gain = pair.strong - pair.weak
    expected = predict(texts, labelled, gain[labelled][:, None])[asked, 0]
    table = domain_means(pair.domains, labelled, gain[labelled])[asked]
    chance = np.random.default_rng(seed).random(len(asked))
    weak, strong = pair.weak[asked], pair.strong[asked]
    return apgr(expected, weak, strong), apgr(table, weak, strong), apgr(chance, weak, strong)


def apgr(gains: Floats, weak: Floats, strong: Floats) -> float:
    """Strong calls go where most is gained; questions of equal gain in their order."""
    order = np.argsort(-gains, kind="stable")
    closed = np.concatenate([[0.0], np.cumsum((strong - weak)[order])])
    return float((closed[1:] + closed[:-1]).sum() / 2 / len(weak) / (strong - weak).sum())
