"""The benchmark's policies of asking: they gain where answers tell something, look at no question that they are
measured on, and fall back on the single model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.routing.asked import MODELS, Domain, careful, several, singles
from benchmarks.routing.curve import aiq_figures
from benchmarks.routing.data import Field
from benchmarks.routing.plan import Plan

PRICES = (0.0, 0.01, 0.05, 0.2)
LEARNED, ASKED = np.arange(300), np.arange(300, 400)


def a_domain(*, seed: int = 0, tells: bool = True, models: int = 3) -> Domain:
    """Cheap models are right in three of four, the last one nearly always, at ten times the price. Where the answers
    tell nothing, no two of them are alike."""
    chance = np.random.default_rng(seed)
    rates = np.array([0.75] * (models - 1) + [0.97])
    scores = (chance.random((400, models)) < rates).astype(float)
    costs = np.tile([0.3] * (models - 1) + [3.0], (400, 1))
    wrong = [[f"wrong {chance.integers(3)}" for _ in range(models)] for _ in range(400)]
    answers = [
        ["right" if score else other for score, other in zip(row, others, strict=True)]
        if tells
        else [f"{place}" for place in range(models)]
        for row, others in zip(scores, wrong, strict=True)
    ]
    return Domain(costs, scores, answers)


def worth(followed: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    costs, scores = followed
    return (scores - np.array(PRICES)[:, None] * costs).mean(axis=1)


def test_where_agreement_tells_who_is_right_asking_several_is_worth_more() -> None:
    cascade, table = careful(a_domain(), PRICES, LEARNED, ASKED)

    gained = worth(cascade) - worth(table)

    assert gained.min() > -0.02
    assert gained.max() > 0.03


def test_where_answers_tell_nothing_the_single_model_is_taken() -> None:
    cascade, table = careful(a_domain(tells=False), PRICES, LEARNED, ASKED)

    assert np.array_equal(cascade.costs, table.costs)
    assert np.array_equal(cascade.scores, table.scores)


@pytest.mark.parametrize("few", [0, 5])
def test_without_answers_or_with_few_questions_there_is_only_the_table(few: int) -> None:
    domain = a_domain() if few else a_domain()._replace(answers=None)

    cascade, table = careful(domain, PRICES, LEARNED[: few or None], ASKED)

    assert cascade is table


def test_the_outcomes_of_the_measured_questions_change_nothing_that_is_done() -> None:
    domain = a_domain()
    turned = domain._replace(scores=np.where(np.arange(400)[:, None] < 300, domain.scores, 1 - domain.scores))

    for ours, theirs in zip(
        careful(domain, PRICES, LEARNED, ASKED), careful(turned, PRICES, LEARNED, ASKED), strict=True
    ):
        assert np.array_equal(ours.costs, theirs.costs)
        assert np.array_equal(ours.scores, 1 - theirs.scores)


def test_of_many_models_only_those_worth_something_alone_are_asked() -> None:
    domain = a_domain(models=MODELS + 4)

    planned = several(domain, PRICES, LEARNED, ASKED)

    assert worth(planned)[0] >= worth(singles(domain, PRICES, LEARNED, ASKED))[0] - 0.03


def test_domains_of_one_question_and_scores_between_are_measured_too(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    field = Field(
        prompts=[f"question {number}" for number in range(40)],
        domains=np.array(["large"] * 30 + [f"only {number}" for number in range(8)] + ["gaps"] * 2),
        models=["one", "two"],
        scores=chance.choice([0.0, 0.5, 1.0], (40, 2)),
        costs=np.tile([0.5, 2.0], (40, 1)),
        answers=[["a", chance.choice(["a", "b"])] for _ in range(39)] + [None],
    )

    found = aiq_figures(field, Plan(tmp_path, quick=True))

    assert 0 < found["aiq_routerbench"] <= found["aiq"]["oracle"] <= 1
    assert found["aiq"]["questions"] == 40
