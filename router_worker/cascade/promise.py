"""The threshold of a rung with a promise: "agrees with the strong model in at least T of cases, with confidence 1-δ".

A case disagrees only where the cheap answer is *kept* and differs from the strong one; an escalated case is the strong
answer itself. So what has to be bounded is the share of all cases that are kept and disagree, and the budget for it is
1-T. BARGAIN bounds the precision inside the kept share instead, which asks for more than the promise says.

**The test.** Thresholds are tried from the most to the least careful. Each has as its bound Clopper and Pearson's upper
bound, at 1-δ, of the rate of "kept and disagrees" among all labels. The first that exceeds the budget ends the walk.
The rate only grows as the threshold falls, and to break the promise the walk has to pass the first threshold whose true
rate exceeds the budget: one event, of probability δ at most. So the walk needs no correction for its many tests, and
may try every score that there is.

**Assumed.** The labels are drawn like the cases to come, independent of each other, and not because of their outcome;
the score was fixed before they were looked at. Drift breaks this: a promise is made anew from recent labels.
When the labels are drawn from the very batch that is served, `batch.py` promises more for the same labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from math import ceil, isfinite, log
from typing import NamedTuple

from router_worker.cascade.tails import at_most_binomial, largest, upper_bound


class Label(NamedTuple):
    """One case that both models answered."""

    score: float
    """Of the cheap answer; higher is surer."""
    agrees: bool
    """Whether the cheap answer stands beside the strong one."""


@dataclass(frozen=True, slots=True)
class Promise:
    threshold: float
    """An answer is kept from this score on."""
    kept_share: float
    """Share of the labels that are kept, 0..1."""
    bound: float
    """At confidence 1-δ no more than this share of all cases is kept and disagrees; at most 1-T."""
    labels: int
    T: float
    delta: float

    def keeps(self, score: float) -> bool:
        return score >= self.threshold


@dataclass(frozen=True, slots=True)
class NoPromise:
    """The rung does not promise, and its answers go on to the strong model."""

    reason: str
    labels: int
    labels_needed: int
    """The least with which a promise is possible at all: if none of them disagreed."""


def promise(labels: Iterable[Label | tuple[float, bool]], T: float, delta: float) -> Promise | NoPromise:  # noqa: N803
    """The least careful threshold that keeps the promise, or why there is none.

    >>> promise([(0.9, True)] * 40 + [(0.2, False)] * 10, T=0.9, delta=0.1).threshold
    0.9

    Raises:
        ValueError: T or δ is not strictly between 0 and 1, or a score is not a number.
    """
    seen = sorted((Label(*label) for label in labels), key=lambda label: -label.score)
    check_asked(T, delta, (label.score for label in seen))
    allowed = most_disagreements(len(seen), T, delta)
    if allowed < 0:
        return too_few(len(seen), T, delta)
    threshold, kept, wrong = _walk(seen, allowed)
    if threshold is None or kept == wrong:
        return none_careful_enough(len(seen), T, delta)
    bound = upper_bound(wrong, len(seen), delta)
    return Promise(threshold, kept / len(seen), bound, len(seen), T, delta)


def most_disagreements(labels: int, T: float, delta: float) -> int:  # noqa: N803
    """How many labels may be kept and disagree; -1 where even none would prove nothing.

    The bound of a count is within the budget exactly when the count is this or less."""
    return largest(lambda count: at_most_binomial(count, labels, 1 - T) <= delta, labels - 1)


def labels_needed(T: float, delta: float) -> int:  # noqa: N803
    """The fewest labels that can prove anything: T ** labels ≤ δ."""
    near = ceil(log(delta) / log(T))
    return 1 + largest(lambda labels: at_most_binomial(0, labels, 1 - T) > delta, near)


def check_asked(T: float, delta: float, scores: Iterable[float]) -> None:  # noqa: N803
    if not (0 < T < 1 and 0 < delta < 1):
        msg = f"A promise needs T and delta strictly between 0 and 1, not {T!r} and {delta!r}."
        raise ValueError(msg)
    for score in scores:
        if not isfinite(score):
            msg = f"A score is {score!r}; a threshold can only be found among finite numbers."
            raise ValueError(msg)


def too_few(labels: int, T: float, delta: float) -> NoPromise:  # noqa: N803
    needed = labels_needed(T, delta)
    return NoPromise(
        f"Promising {T:.0%} agreement at confidence {1 - delta:.0%} needs at least {needed} labels; "
        f"there are {labels}.",
        labels,
        needed,
    )


def none_careful_enough(labels: int, T: float, delta: float) -> NoPromise:  # noqa: N803
    return NoPromise(
        f"No threshold promises {T:.0%} agreement at confidence {1 - delta:.0%}: "
        f"among the best-scored of {labels} labels the cheap answers disagree.",
        labels,
        labels_needed(T, delta),
    )


def _walk(seen: list[Label], allowed: int) -> tuple[float | None, int, int]:
    """The last threshold before the first failure, with the labels it keeps and how many of those disagree.

    Labels with one score are kept together or not at all."""
    threshold, kept, wrong = None, 0, 0
    for score, group in groupby(seen, key=lambda label: label.score):
        outcomes = [label.agrees for label in group]
        if wrong + outcomes.count(False) > allowed:
            break
        threshold, kept, wrong = score, kept + len(outcomes), wrong + outcomes.count(False)
    return threshold, kept, wrong
