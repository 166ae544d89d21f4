"""A promise for one batch, with labels drawn from the batch itself: more is kept than with labels from elsewhere.

The promise: of all N cases of the batch, at least T·N end with an answer that agrees with the strong model, with
confidence 1-δ over the draw of the labels. Three things are known here that `promise.py` cannot know:

- a labelled case has its strong answer already, so it cannot break the promise;
- the batch is finite, so the count of labels is hypergeometric, and narrower than a binomial;
- all scores are known before any label is bought, so labels need only be drawn from the head of the ranking, the part
  that might be kept at all. (What predictions say of the head decides its length, and labels never do.)

**The test.** Cases are ranked by score. Labels are drawn from the first M, n of them. Everything is kept up to the
(c+1)-th label that disagrees. Let B = ⌊(1-T)·N⌋. If the first case at which B+c+1 cases disagree lies beyond that
point, at most B+c do, c of which are labelled, and the promise holds. Otherwise c or fewer labels fell on those B+c+1:
P(Hypergeometric(M, B+c+1, n) ≤ c), and c is the largest count for which that is δ or less. Where the labels of the
head hold fewer than c+1 disagreements the whole head is kept, and the same bound covers that: with one case more that
disagrees, the count of labels grows by one at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor

from router_worker.cascade.promise import NoPromise, check_asked, none_careful_enough
from router_worker.cascade.tails import at_most_drawn, largest

HEADS = (1.75, 2.0, 2.5, 3.0)
"""Lengths of the head that are weighed, in the disagreements expected in it over those that the promise allows.
From 1.75 on, so that predictions too dark by that much do not cut off what could have been kept."""

LABELS_IN_TWENTIETHS = range(4, 21)
"""Numbers of labels that are weighed: from a fifth of the most to all of them."""


@dataclass(frozen=True, slots=True)
class LabelPlan:
    """Where labels are bought: `labels` cases, drawn uniformly without replacement from the best `head` ones."""

    head: int
    labels: int


@dataclass(frozen=True, slots=True)
class BatchPromise:
    kept: tuple[int, ...]
    """Cases whose cheap answer stands, by index, ascending. Labelled ones are not among them."""
    threshold: float
    """Score of the last case kept."""
    cases: int
    labels: int
    T: float
    delta: float


def ranking(scores: Sequence[float]) -> list[int]:
    """Cases by score, best first; equal scores in the order of the batch, which labels do not move."""
    return sorted(range(len(scores)), key=lambda index: (-scores[index], index))


def plan_labels(chances: Sequence[float], T: float, delta: float, most: int) -> LabelPlan:  # noqa: N803
    """Head and number of labels that avoid most strong calls, if cases agree with these chances.

    Wrong chances cost savings and never the promise. `chances` in 0..1, one for each case, used as scores."""
    wrong = _running(sorted(1 - min(1.0, max(0.0, chance)) for chance in chances))
    budget = floor((1 - T) * len(chances) + 1e-9)
    heads = sorted({_reached(wrong, budget * times) for times in HEADS} - {0})
    plans = [
        LabelPlan(head, min(head, max(1, most * part // 20)))
        for head in heads
        for part in LABELS_IN_TWENTIETHS
    ]
    least = LabelPlan(len(chances), min(most, len(chances)))
    return max(plans, key=lambda plan: _avoided(plan, wrong, budget, delta), default=least)


def promise_for_batch(
    scores: Sequence[float],
    labelled: Mapping[int, bool],
    T: float,  # noqa: N803
    delta: float,
    *,
    head: int,
) -> BatchPromise | NoPromise:
    """What of the batch may stay cheap. `labelled`: whether the cheap answer agrees, by index into `scores`.

    Raises:
        ValueError: T or δ is not strictly between 0 and 1, a score is not a number, or a label is outside the head.
    """
    check_asked(T, delta, scores)
    order = ranking(scores)
    if not labelled.keys() <= set(order[:head]):
        msg = f"Labels must be drawn from the best {head} cases, and one lies outside."
        raise ValueError(msg)
    allowed = most_wrong_labels(len(scores), T, delta, head=head, labels=len(labelled))
    if allowed < 0:
        return _too_few(len(scores), len(labelled), T, delta, head)
    passed = _passed(order[:head], labelled, allowed)
    if not any(labelled.get(index, False) for index in passed):
        return none_careful_enough(len(labelled), T, delta)
    kept = tuple(sorted(index for index in passed if index not in labelled))
    return BatchPromise(kept, scores[passed[-1]], len(scores), len(labelled), T, delta)


def most_wrong_labels(cases: int, T: float, delta: float, *, head: int, labels: int) -> int:  # noqa: N803
    """How many labels may disagree before the walk ends (c above); -1 where the labels are too few to promise."""
    budget = floor((1 - T) * cases + 1e-9)
    return _allowed(budget, delta, head, labels)


def _allowed(budget: int, delta: float, head: int, labels: int) -> int:
    """Up to `labels`; with a head too short to break the promise, all of them."""

    def careful(count: int) -> bool:
        marked = min(budget + count + 1, head)
        return marked <= budget or at_most_drawn(count, labels, marked=marked, among=head) <= delta

    if head <= budget:
        return labels
    return largest(careful, min(labels - 1, head - budget - 1))


def _too_few(cases: int, labels: int, T: float, delta: float, head: int) -> NoPromise:  # noqa: N803
    marked = min(floor((1 - T) * cases + 1e-9) + 1, head)
    short = largest(lambda n: at_most_drawn(0, n, marked=marked, among=head) > delta, head)
    sentence = (
        f"Promising {T:.0%} agreement on {cases} cases at confidence {1 - delta:.0%} needs at least "
        f"{short + 1} labels from the best {head}; there are {labels}."
    )
    return NoPromise(sentence, labels, short + 1)


def _passed(head: Sequence[int], labelled: Mapping[int, bool], allowed: int) -> list[int]:
    """The head of the ranking up to the label that is one disagreement too many."""
    passed: list[int] = []
    wrong = 0
    for index in head:
        wrong += labelled.get(index, True) is False
        if wrong > allowed:
            break
        passed.append(index)
    return passed


def _avoided(plan: LabelPlan, wrong: Sequence[float], budget: int, delta: float) -> float:
    """Strong calls that a plan is expected to avoid."""
    allowed = _allowed(budget, delta, plan.head, plan.labels)
    if allowed < 0:
        return 0.0
    stop = min(plan.head, _reached(wrong, (allowed + 0.5) * plan.head / plan.labels))
    return stop * (1 - plan.labels / plan.head)


def _running(parts: Sequence[float]) -> list[float]:
    total, sums = 0.0, []
    for part in parts:
        total += part
        sums.append(total)
    return sums


def _reached(sums: Sequence[float], total: float) -> int:
    """How many cases fit before their expected disagreements exceed `total`."""
    low, high = 0, len(sums)
    while low < high:
        middle = (low + high) // 2
        if sums[middle] <= total:
            low = middle + 1
        else:
            high = middle
    return low
