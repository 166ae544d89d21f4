"""Policies over the questions of one domain: the best single model, and a plan that asks several and compares.

The plan is the product's (`router_worker.cascade.asking`), learned from the questions that may be looked at. Whether it
is better than the single model, at each price of a dollar, those questions say as well, held back part by part; where
it is not, the single model is taken. So on new questions the plan may lose by chance, and not by what it promised
itself. Which models may be asked is decided by what they are worth alone, where there are very many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.routing.data import Field, Floats, Indexes, Mask
from router_worker.cascade.asking import Case, Learned, Place, Plan, learn, place_of, plan

PARTS = 4
"""In which the questions that are learned from are held back, one after the other."""

MARGIN = 0.5
"""Standard errors by which the plan must be better than the single model there."""

MODELS = 8
"""That a plan may ask. It looks at every three of them; with eleven it took three times as long and was no better."""


class Domain(NamedTuple):
    """Its questions, by model where there are two dimensions."""

    costs: Floats
    scores: Floats
    answers: list[list[str]] | None
    """None where a question has no answers that can be compared."""

    def worth(self, price: float, rows: Indexes) -> Floats:
        worth: Floats = (self.scores[rows] - price * self.costs[rows]).mean(axis=0)
        return worth


class Followed(NamedTuple):
    """Prices × questions."""

    costs: Floats
    scores: Floats

    def totals(self) -> Floats:
        """Cost and score over all questions, for each price."""
        return np.stack([self.costs.sum(axis=1), self.scores.sum(axis=1)], axis=1)

    def worths(self, prices: Sequence[float]) -> Floats:
        worths: Floats = self.scores - np.array(prices)[:, None] * self.costs
        return worths


def domain_of(field: Field, places: Indexes) -> Domain:
    rows = [field.answers[place] for place in places]
    answers = [row for row in rows if row is not None]
    return Domain(field.costs[places], field.scores[places], answers if len(answers) == len(rows) else None)


def singles(domain: Domain, prices: Sequence[float], learned: Indexes, asked: Indexes) -> Followed:
    """The domain table: for each price the model that was worth most on the learned questions."""
    models = [int(domain.worth(price, learned).argmax()) for price in prices]
    return Followed(domain.costs[np.ix_(asked, models)].T, domain.scores[np.ix_(asked, models)].T)


def several(domain: Domain, prices: Sequence[float], learned: Indexes, asked: Indexes) -> Followed:
    """The plan of each price, followed on the asked questions. The domain has answers."""
    models = _worth_asking(domain, prices, learned)
    known = _learned(domain, models, learned)
    followed = [_follow(domain, plan(known, price), models, asked) for price in prices]
    costs, scores = zip(*followed, strict=True)
    return Followed(np.array(costs), np.array(scores))


def careful(
    domain: Domain, prices: Sequence[float], learned: Indexes, asked: Indexes
) -> tuple[Followed, Followed]:
    """The plan where it is better on questions held back, else the single model; and the single model."""
    table = singles(domain, prices, learned, asked)
    if domain.answers is None or len(learned) < 2 * PARTS:
        return table, table
    better = _better(domain, prices, learned)[:, None]
    planned = several(domain, prices, learned, asked)
    return Followed(
        np.where(better, planned.costs, table.costs), np.where(better, planned.scores, table.scores)
    ), table


def _better(domain: Domain, prices: Sequence[float], learned: Indexes) -> Mask:
    """At which prices the plan is better on questions that it was not learned from."""
    more = np.zeros((len(prices), len(learned)))
    part = np.arange(len(learned)) % PARTS
    for number in range(PARTS):
        rest, held = learned[part != number], learned[part == number]
        worths = [way(domain, prices, rest, held).worths(prices) for way in (several, singles)]
        more[:, part == number] = worths[0] - worths[1]
    better: Mask = more.mean(axis=1) > MARGIN * more.std(axis=1) / np.sqrt(len(learned))
    return better


def _worth_asking(domain: Domain, prices: Sequence[float], learned: Indexes) -> list[int]:
    """All where they are few; else those that come first most often, over all prices."""
    orders = [np.argsort(np.argsort(-domain.worth(price, learned))) for price in prices]
    first = np.argsort(np.min(orders, axis=0), kind="stable")[:MODELS]
    return sorted(int(model) for model in first)


def _learned(domain: Domain, models: list[int], rows: Indexes) -> Learned:
    assert domain.answers is not None, "without answers there is nothing to compare"
    cases = [
        Case([domain.answers[row][model] for model in models], domain.scores[row, models].tolist())
        for row in rows.tolist()
    ]
    return learn(cases, domain.costs[np.ix_(rows, models)].mean(axis=0).tolist())


def _follow(domain: Domain, plan_: Plan, models: list[int], rows: Indexes) -> tuple[Floats, Floats]:
    """Cost and score of each question."""
    costs, scores = np.zeros(len(rows)), np.zeros(len(rows))
    todo = [(Place(), np.arange(len(rows)))]
    for place, members in todo:  # grows as it goes
        step = plan_.step(place)
        model = models[step.model]
        if step.is_last:
            scores[members] = domain.scores[rows[members], model]
        else:
            costs[members] += domain.costs[rows[members], model]
            todo.extend(_parted(domain, models, rows, members, (*place.asked, step.model)))
    return costs, scores


def _parted(
    domain: Domain, models: list[int], rows: Indexes, members: Indexes, asked: tuple[int, ...]
) -> list[tuple[Place, Indexes]]:
    """The questions by who agrees with whom."""
    assert domain.answers is not None, "without answers there is nothing to compare"
    groups: dict[Place, list[int]] = {}
    for member in members.tolist():
        row = domain.answers[rows[member]]
        place = place_of(asked, {number: row[models[number]] for number in asked})
        groups.setdefault(place, []).append(member)
    return [(place, np.array(found)) for place, found in groups.items()]
