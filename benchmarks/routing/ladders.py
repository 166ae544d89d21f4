"""Ways to answer the questions of one domain, and which of them is worth its cost: one model, or a ladder.

A ladder asks two cheap models. Where they give the same answer it stands; where they do not, a strong one is asked. It
was tried to weigh the two answers by how often each model errs in which way, with thresholds and a third model: on
half of the questions that chose among hundreds of ladders and fell below the domain table. Agreement has no threshold.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.routing.data import Field, Floats, Indexes, Mask

CHEAP = 0.3  # a model is cheap below this share of the dearest one's cost
MARGIN = 0.5  # standard errors by which a ladder must have been better than the best single model


class Way(NamedTuple):
    """Cost and quality of every question of the domain, answered so."""

    cost: Floats
    quality: Floats


class Ways(NamedTuple):
    singles: list[Way]
    """One for each model, never empty."""
    ladders: list[Way]


def ways(field: Field, places: Indexes, learned: Mask) -> Ways:
    """`places`: the questions of one domain. `learned`: which of them (true or false) may be looked at to choose."""
    costs, scores = field.costs[places], field.scores[places]
    singles = [Way(costs[:, model], scores[:, model]) for model in range(len(field.models))]
    rows = [field.answers[place] for place in places]
    answers = [row for row in rows if row is not None]
    if len(answers) < len(rows) or not learned.any():
        return Ways(singles, [])
    return Ways(singles, _ladders(singles, np.array(answers), learned))


def taken(ways_: Ways, price: float, learned: Mask) -> Way:
    """The way of most worth on what may be looked at: quality less `price` for a dollar in a thousand questions."""
    single, worth = _best(ways_.singles, price, learned)
    if not ways_.ladders:
        return single
    ladder, other = _best(ways_.ladders, price, learned)
    more = other - worth
    return ladder if more.mean() > MARGIN * more.std() / np.sqrt(len(more)) else single


def _ladders(singles: list[Way], answers: NDArray[np.str_], learned: Mask) -> list[Way]:
    costs = np.array([way.cost[learned].mean() for way in singles])
    strong = int(np.argmax([way.quality[learned].mean() for way in singles]))
    cheap = [model for model in np.flatnonzero(costs <= CHEAP * costs.max()).tolist() if model != strong]
    return [
        _ladder(singles[one], singles[other], singles[strong], answers[:, one] == answers[:, other])
        for one, other in combinations(cheap, 2)
    ]


def _ladder(one: Way, other: Way, strong: Way, agree: Mask) -> Way:
    both = one.cost + other.cost
    return Way(np.where(agree, both, both + strong.cost), np.where(agree, one.quality, strong.quality))


def _best(among: list[Way], price: float, learned: Mask) -> tuple[Way, Floats]:
    """The way of most worth, and its worth on each question."""
    worths = [(way.quality - price * way.cost)[learned] for way in among]
    place = int(np.argmax([worth.mean() for worth in worths]))
    return among[place], worths[place]
