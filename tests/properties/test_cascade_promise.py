"""Laws of a rung's promise: careful in T and δ, blind to the order of labels, and broken no more often than it says."""

from __future__ import annotations

import random
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router_worker.cascade.batch import (
    BatchPromise,
    most_wrong_labels,
    plan_labels,
    promise_for_batch,
    ranking,
)
from router_worker.cascade.promise import Label, NoPromise, Promise, labels_needed, promise

SCORES = st.floats(0, 1, allow_nan=False) | st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
LABELS = st.lists(st.builds(Label, SCORES, st.booleans()), max_size=120)
TARGETS = st.floats(0.5, 0.99)
DELTAS = st.floats(0.01, 0.5)
RESAMPLES = 600


def kept_share(found: Promise | NoPromise) -> float:
    return found.kept_share if isinstance(found, Promise) else 0.0


@given(LABELS, TARGETS, DELTAS)
def test_a_promise_stays_within_its_budget_and_a_refusal_says_why(
    labels: list[Label], target: float, delta: float
) -> None:
    found = promise(labels, target, delta)

    if isinstance(found, Promise):
        assert found.bound <= 1 - target + 1e-9
        assert found.kept_share == sum(found.keeps(label.score) for label in labels) / len(labels)
    else:
        assert found.reason.endswith(".")
        assert found.labels_needed == labels_needed(target, delta)


@given(LABELS, st.tuples(TARGETS, TARGETS), DELTAS)
def test_asking_for_more_agreement_never_keeps_more(
    labels: list[Label], targets: tuple[float, float], delta: float
) -> None:
    low, high = sorted(targets)

    assert kept_share(promise(labels, high, delta)) <= kept_share(promise(labels, low, delta))


@given(LABELS, TARGETS, st.tuples(DELTAS, DELTAS))
def test_asking_for_more_confidence_never_keeps_more(
    labels: list[Label], target: float, deltas: tuple[float, float]
) -> None:
    sure, unsure = sorted(deltas)

    assert kept_share(promise(labels, target, sure)) <= kept_share(promise(labels, target, unsure))


@given(LABELS, TARGETS, DELTAS, st.randoms(use_true_random=False))
def test_the_order_of_labels_changes_nothing(
    labels: list[Label], target: float, delta: float, chance: random.Random
) -> None:
    shuffled = list(labels)
    chance.shuffle(shuffled)

    assert promise(shuffled, target, delta) == promise(labels, target, delta)


@given(st.lists(SCORES, max_size=200), TARGETS, DELTAS)
def test_nothing_is_promised_when_all_labels_disagree(
    scores: list[float], target: float, delta: float
) -> None:
    assert isinstance(promise([(score, False) for score in scores], target, delta), NoPromise)


@given(TARGETS, DELTAS)
def test_as_many_labels_as_needed_suffice_and_one_fewer_does_not(target: float, delta: float) -> None:
    needed = labels_needed(target, delta)

    assert isinstance(promise([(0.5, True)] * needed, target, delta), Promise)
    assert isinstance(promise([(0.5, True)] * (needed - 1), target, delta), NoPromise)


@given(LABELS, TARGETS, DELTAS, st.integers(0, 200))
def test_a_label_that_turns_to_agree_never_makes_it_more_careful(
    labels: list[Label], target: float, delta: float, which: int
) -> None:
    turned = list(labels)
    if turned:
        turned[which % len(turned)] = turned[which % len(turned)]._replace(agrees=True)

    assert kept_share(promise(turned, target, delta)) >= kept_share(promise(labels, target, delta))


@given(st.lists(SCORES, min_size=1, max_size=80), TARGETS, DELTAS, st.integers(1, 80), st.data())
@settings(max_examples=60)
def test_what_a_batch_keeps_is_unlabelled_and_ranks_above_all_that_goes_on(
    scores: list[float], target: float, delta: float, head: int, data: st.DataObject
) -> None:
    head = min(head, len(scores))
    drawn = data.draw(st.sets(st.sampled_from(ranking(scores)[:head])))
    labelled = {index: data.draw(st.booleans()) for index in sorted(drawn)}

    found = promise_for_batch(scores, labelled, target, delta, head=head)

    if isinstance(found, BatchPromise):
        assert not set(found.kept) & drawn
        assert all(scores[index] >= found.threshold for index in found.kept)
        if len(found.kept) == len(scores) - len(drawn):
            assert head == len(scores)


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=200),
    TARGETS,
    DELTAS,
    st.integers(1, 100),
)
@settings(max_examples=30)
def test_a_plan_asks_for_labels_that_exist(
    chances: list[float], target: float, delta: float, most: int
) -> None:
    plan = plan_labels(chances, target, delta, most)

    assert 1 <= plan.labels <= min(most, plan.head)
    assert plan.head <= len(chances)


@given(st.integers(1, 400), TARGETS, DELTAS, st.data())
@settings(max_examples=60)
def test_more_labels_allow_no_fewer_disagreements(
    cases: int, target: float, delta: float, data: st.DataObject
) -> None:
    labels = data.draw(st.integers(0, cases - 1))

    fewer = most_wrong_labels(cases, target, delta, head=cases, labels=labels)

    assert fewer <= most_wrong_labels(cases, target, delta, head=cases, labels=labels + 1)


# -- how often promises are broken, on made-up populations where the truth is known

POPULATIONS = {
    "informative": lambda score: score,
    "useless": lambda _: 0.75,
    "misleading": lambda score: 0.95 - 0.3 * score,
    "a cliff": lambda score: 0.99 if score > 0.6 else 0.4,
}


def tolerated(delta: float, resamples: int) -> float:
    """Four standard errors above δ: a sound promise fails this once in thirty thousand."""
    return delta + 4 * sqrt(delta * (1 - delta) / resamples)


@pytest.mark.parametrize("name", POPULATIONS)
@pytest.mark.parametrize("target", [0.8, 0.9])
def test_promises_from_earlier_labels_are_broken_no_more_often_than_delta(name: str, target: float) -> None:
    chance, agrees_with = random.Random(f"{name}{target}"), POPULATIONS[name]
    grid = [(index + 0.5) / 500 for index in range(500)]
    broken = 0
    for _ in range(RESAMPLES):
        scores = [chance.choice(grid) for _ in range(150)]
        found = promise([(score, chance.random() < agrees_with(score)) for score in scores], target, 0.1)
        if isinstance(found, Promise):
            wrong = sum(1 - agrees_with(score) for score in grid if found.keeps(score)) / len(grid)
            broken += wrong > 1 - target

    assert broken / RESAMPLES <= tolerated(0.1, RESAMPLES)


@pytest.mark.parametrize("name", POPULATIONS)
@pytest.mark.parametrize("head", [150, 400])
def test_promises_for_a_batch_are_broken_no_more_often_than_delta(name: str, head: int) -> None:
    chance, agrees_with = random.Random(f"{name}{head}"), POPULATIONS[name]
    scores = [chance.random() for _ in range(400)]
    agrees = [chance.random() < agrees_with(score) for score in scores]
    order, broken = ranking(scores), 0
    for _ in range(RESAMPLES):
        labelled = {index: agrees[index] for index in chance.sample(order[:head], 60)}
        found = promise_for_batch(scores, labelled, 0.85, 0.1, head=head)
        if isinstance(found, BatchPromise):
            broken += sum(not agrees[index] for index in found.kept) > 0.15 * len(scores)

    assert broken / RESAMPLES <= tolerated(0.1, RESAMPLES)
