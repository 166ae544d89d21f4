"""Several models' choices on one question, weighed against each other: the chance of every choice to be the right one.

A question is parted from the others by its domain. How often a model chooses x where y is right is counted on the
labelled questions (so a model that likes "A" is believed less when it says "A"); choices of several models multiply.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from benchmarks.routing.data import Field, Floats, Indexes

RARE = 0.02  # a choice in fewer of the questions is noise of the parsing: "other"
UNKNOWN = -1
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Ballots:
    """The questions of one domain, in the order of `places`."""

    places: Indexes
    """Of the questions, in the whole field."""
    chosen: Indexes
    """Of each question (row) by each model (column): 0..choices-1, and `choices` for anything else."""
    truth: Indexes
    """The right choice as far as some model made it, else UNKNOWN."""
    choices: int


def read_ballots(field: Field, places: Indexes) -> Ballots | None:
    """None where the questions have no choices."""
    rows = [field.answers[place] for place in places]
    cast = [row for row in rows if row is not None]
    if len(cast) < len(rows):
        return None
    counted = Counter(choice for row in cast for choice in row)
    names = [name for name, times in counted.most_common() if times > RARE * len(rows)]
    code = {name: number for number, name in enumerate(names)}
    chosen = np.array([[code.get(choice, len(names)) for choice in row] for row in cast])
    return Ballots(places, chosen, _truth(field.scores[places], chosen, len(names)), len(names))


def posterior(ballots: Ballots, models: tuple[int, ...], labelled: Indexes) -> Floats:
    """Chance of each choice. *Shape*: questions of the domain × choices. `labelled`: rows to count on."""
    known = labelled[ballots.truth[labelled] != UNKNOWN]
    truth, kinds = ballots.truth[known], ballots.choices
    odds = np.tile(np.log(np.bincount(truth, minlength=kinds) + 1.0), (len(ballots.truth), 1))
    for model in models:
        table = np.ones((kinds, kinds + 1))
        np.add.at(table, (truth, ballots.chosen[known, model]), 1)
        table /= table.sum(axis=1, keepdims=True)
        odds += np.log(table[:, ballots.chosen[:, model]]).T
    chances = np.exp(odds - odds.max(axis=1, keepdims=True))
    share: Floats = chances / chances.sum(axis=1, keepdims=True)
    return share


def unseen_posterior(ballots: Ballots, models: tuple[int, ...], labelled: Indexes) -> Floats:
    """The same, where a labelled question is not counted for its own chances: to choose thresholds by."""
    chances = posterior(ballots, models, labelled)
    fold = np.arange(len(labelled)) % FOLDS
    for number in range(FOLDS):
        own, others = labelled[fold == number], labelled[fold != number]
        chances[own] = posterior(ballots, models, others)[own]
    return chances


def _truth(scores: Floats, chosen: Indexes, kinds: int) -> Indexes:
    right = (scores == 1) & (chosen < kinds)
    first = right.argmax(axis=1)
    return np.where(right.any(axis=1), chosen[np.arange(len(chosen)), first], UNKNOWN)
