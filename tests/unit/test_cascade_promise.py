"""Thresholds a person can check by hand, and tails against published and independently computed values."""

from __future__ import annotations

from math import comb

import pytest

from router_worker.cascade.batch import BatchPromise, most_wrong_labels, promise_for_batch
from router_worker.cascade.promise import NoPromise, Promise, most_disagreements, promise
from router_worker.cascade.tails import at_most_binomial, at_most_drawn, largest, upper_bound


@pytest.mark.parametrize(
    ("count", "draws", "delta", "expected"),
    [  # quantiles 1-δ of Beta(count + 1, draws - count), by mpmath at 40 digits
        (0, 10, 0.05, 0.25886555089),
        (0, 600, 0.1, 0.0038302874851),
        (5, 100, 0.1, 0.090771469614),
        (50, 600, 0.1, 0.099686760419),
        (300, 600, 0.05, 0.53435399973),
        (1900, 2000, 0.01, 0.9606854169),
        (10, 10, 0.1, 1.0),
    ],
)
def test_clopper_and_pearsons_bound(count: int, draws: int, delta: float, expected: float) -> None:
    assert upper_bound(count, draws, delta) == pytest.approx(expected, abs=1e-9)


def test_the_binomial_tail_is_the_sum_of_its_terms() -> None:
    plain = sum(comb(40, k) * 0.3**k * 0.7 ** (40 - k) for k in range(10))

    assert at_most_binomial(9, 40, 0.3) == pytest.approx(plain, rel=1e-12)
    assert at_most_binomial(-1, 40, 0.3) == 0
    assert at_most_binomial(40, 40, 0.3) == 1


def test_the_hypergeometric_tail_is_the_sum_of_its_terms() -> None:
    plain = sum(comb(30, k) * comb(70, 20 - k) for k in range(6)) / comb(100, 20)

    assert at_most_drawn(5, 20, marked=30, among=100) == pytest.approx(plain, rel=1e-11)
    assert at_most_drawn(9, 20, marked=90, among=100) == 0
    assert at_most_drawn(10, 20, marked=10, among=100) == 1


def test_the_largest_allowed_number() -> None:
    assert largest(lambda n: n <= 7, 100) == 7
    assert largest(lambda _: False, 100) == -1
    assert largest(lambda _: True, 100) == 100


def test_the_walk_ends_before_the_first_threshold_over_budget() -> None:
    """With 100 labels at T = .90 and δ = .1, five disagreements are within the bound and six are not."""
    labels = [(1 - n / 100, n % 10 != 9) for n in range(100)]

    found = promise(labels, 0.9, 0.1)

    assert most_disagreements(100, 0.9, 0.1) == 5
    assert isinstance(found, Promise)
    assert found.kept_share == 0.59
    assert found.threshold == pytest.approx(0.42)
    assert found.bound == pytest.approx(0.090771469614)


def test_labels_of_one_score_are_kept_together_or_not_at_all() -> None:
    labels = [(0.9, True)] * 60 + [(0.5, True)] * 30 + [(0.5, False)] * 10

    found = promise(labels, 0.9, 0.1)

    assert isinstance(found, Promise)
    assert (found.threshold, found.kept_share) == (0.9, 0.6)


def test_too_few_labels_say_how_many_are_needed() -> None:
    found = promise([(0.9, True)] * 20, 0.95, 0.1)

    assert found == NoPromise(
        "Promising 95% agreement at confidence 90% needs at least 45 labels; there are 20.", 20, 45
    )


def test_disagreement_at_the_top_gets_no_promise() -> None:
    found = promise([(0.9, False)] * 30 + [(0.5, True)] * 70, 0.9, 0.1)

    assert isinstance(found, NoPromise)
    assert "disagree" in found.reason


@pytest.mark.parametrize(
    ("target", "delta", "score"), [(1.0, 0.1, 0.5), (0.9, 0.0, 0.5), (0.9, 0.1, float("nan"))]
)
def test_what_cannot_be_promised_is_refused(target: float, delta: float, score: float) -> None:
    with pytest.raises(ValueError, match=r"strictly between|finite"):
        promise([(score, True)] * 50, target, delta)


def test_a_batch_keeps_what_its_labels_allow() -> None:
    """200 cases at T = .90 may hold 20 that disagree; 50 labels on the best 100 allow 13 that do."""
    scores = [1 - n / 200 for n in range(200)]
    labelled = {index: index % 6 != 0 for index in range(0, 100, 2)}

    found = promise_for_batch(scores, labelled, 0.9, 0.1, head=100)

    assert most_wrong_labels(200, 0.9, 0.1, head=100, labels=50) == 13
    assert isinstance(found, BatchPromise)
    assert found.kept == tuple(index for index in range(78) if index % 2)


def test_a_batch_with_too_few_labels_says_how_many_are_needed() -> None:
    found = promise_for_batch([0.5] * 100, {0: True}, 0.9, 0.1, head=100)

    assert isinstance(found, NoPromise)
    assert found.labels_needed == 18
    assert "at least 18 labels from the best 100; there are 1" in found.reason


def test_a_head_within_the_budget_is_kept_without_proof() -> None:
    """Ten cases of a hundred may disagree, so ten cases cannot break the promise."""
    found = promise_for_batch([n / 100 for n in range(100)], {99: True}, 0.9, 0.1, head=10)

    assert isinstance(found, BatchPromise)
    assert found.kept == tuple(range(90, 99))


def test_a_label_outside_the_head_is_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        promise_for_batch([0.9, 0.1], {1: True}, 0.9, 0.1, head=1)
