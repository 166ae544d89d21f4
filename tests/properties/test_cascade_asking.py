"""Whom to ask next: laws of what is learned from cases and of the plan that is made from it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router_worker.cascade.asking import Case, Place, Plan, agreement, learn, place_of, plan

law = settings(deadline=None)  # a busy machine breaks no law

prices = st.floats(0, 10)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Case], list[float]]:
    """Cases of up to four models; equal answers are equally right, as in life."""
    models = draw(st.integers(1, 4))
    costs = draw(st.lists(st.sampled_from([0.0, 0.1, 1.0, 5.0]), min_size=models, max_size=models))
    rows = draw(
        st.lists(st.lists(st.sampled_from("ABC"), min_size=models, max_size=models), min_size=1, max_size=30)
    )
    truths = draw(st.lists(st.sampled_from("ABCD"), min_size=len(rows), max_size=len(rows)))
    pairs = zip(rows, truths, strict=True)
    return [Case(row, [float(answer == truth) for answer in row]) for row, truth in pairs], costs


def followed(plan_: Plan, case: Case) -> tuple[list[int], int]:
    """Who was asked, in order, and whose answer was kept."""
    asked: list[int] = []
    while not (step := plan_.step(place_of(asked, case.answers))).is_last:
        asked.append(step.model)
    return asked, step.model


@law
@given(st.lists(st.sampled_from("ABC"), max_size=6), st.permutations("ABC"))
def test_what_an_answer_says_does_not_count_only_who_says_the_same(
    answers: list[str], names: list[str]
) -> None:
    renamed = [names["ABC".index(answer)] for answer in answers]

    pattern = agreement(answers)

    assert pattern == agreement(renamed)
    for position, first in enumerate(pattern):
        assert answers[first] == answers[position]
        assert answers.index(answers[position]) == first


@law
@given(tables(), st.floats(0, 100))
def test_chances_are_chances_and_one_answer_alone_is_as_often_right_as_it_was(
    table: tuple[list[Case], list[float]], pull: float
) -> None:
    cases, costs = table

    learned = learn(cases, costs, pull=pull)

    for place, seen in learned.places.items():
        assert all(0 <= chance <= 1 for chance in seen.chances)
        assert len(seen.chances) == len(place.asked)
    for model in range(len(costs)):
        share = sum(case.scores[model] for case in cases) / len(cases)
        assert learned.chances(Place((model,), (0,))) == (pytest.approx(share),)


@law
@given(tables(), st.integers(1, 4))
def test_every_case_is_at_one_place_for_each_set_of_models(
    table: tuple[list[Case], list[float]], most: int
) -> None:
    cases, costs = table

    learned = learn(cases, costs, most=most)

    by_asked: dict[tuple[int, ...], float] = {}
    for place, seen in learned.places.items():
        by_asked[place.asked] = by_asked.get(place.asked, 0) + seen.weight
    assert set(by_asked.values()) == {len(cases)}
    assert max(len(asked) for asked in by_asked) == min(most, len(costs))


@law
@given(tables(), prices, st.integers(1, 4))
def test_a_plan_asks_few_nobody_twice_and_keeps_an_answer_that_it_has(
    table: tuple[list[Case], list[float]], price: float, most: int
) -> None:
    cases, costs = table
    made = plan(learn(cases, costs, most=most), price)

    for case in cases:
        asked, kept = followed(made, case)

        assert 1 <= len(asked) <= most
        assert len(set(asked)) == len(asked)
        assert kept in asked


@law
@given(tables(), prices)
def test_on_the_cases_it_knows_an_unpulled_plan_is_worth_what_it_says_and_no_less_than_one_model(
    table: tuple[list[Case], list[float]], price: float
) -> None:
    cases, costs = table
    made = plan(learn(cases, costs, pull=0), price)
    promised = made.step(Place()).worth

    worth = 0.0
    for case in cases:
        asked, kept = followed(made, case)
        worth += (case.scores[kept] - price * sum(costs[model] for model in asked)) / len(cases)
    alone = [
        sum(case.scores[model] for case in cases) / len(cases) - price * costs[model]
        for model in range(len(costs))
    ]

    assert worth == pytest.approx(promised)
    assert promised >= max(alone) - 1e-9


@law
@given(tables(), st.lists(prices, min_size=2, max_size=5))
def test_the_dearer_a_dollar_the_less_a_plan_is_worth(
    table: tuple[list[Case], list[float]], asked: list[float]
) -> None:
    learned = learn(*table)

    worths = [plan(learned, price).step(Place()).worth for price in sorted(asked)]

    assert all(cheap >= dear - 1e-9 for cheap, dear in pairwise(worths))


def test_two_cheap_models_that_agree_spare_the_dear_one() -> None:
    """Each cheap one is right in three of four cases, and never wrong together."""
    rows = [("A", "A", "A")] * 4 + [("B", "A", "A"), ("A", "B", "A")] * 2
    cases = [Case(row, [float(answer == "A") for answer in row]) for row in rows]

    made = plan(learn(cases, [0.1, 0.1, 2.0], pull=0), price=0.1)

    assert followed(made, Case(("A", "A", "B"), ())) == ([0, 1], 0)
    assert followed(made, Case(("C", "B", "A"), ())) == ([0, 1, 2], 2)
    assert followed(plan(learn(cases, [0.1, 0.1, 2.0]), price=9), cases[0]) == ([0], 0)


def test_a_way_to_agree_that_was_never_seen_has_the_chances_of_less_evidence() -> None:
    cases = [Case(("A", "A", "B"), (1, 1, 0)), Case(("A", "B", "B"), (1, 0, 0))]
    learned = learn(cases, [1, 1, 1], pull=0)

    never = Place((0, 1, 2), (0, 1, 0))  # the second is wrong without the third, and right without the first

    assert never not in learned.places
    assert learned.chances(never) == pytest.approx((1.0, 0.5, 0.0)), (
        "the second: 0 without the third, 1 without the first"
    )
    assert plan(learned, 0.0).step(never).model == 0


@pytest.mark.parametrize(
    ("cases", "costs"), [([], [1.0]), ([Case("A", [1.0])], []), ([Case("AB", [1.0])], [1.0])]
)
def test_cases_without_an_answer_for_every_cost_are_refused(cases: list[Case], costs: list[float]) -> None:
    with pytest.raises(ValueError, match="one answer and one score"):
        learn(cases, costs)
