"""The program on cases that a person can reckon, and against every plan there is on tiny ones."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router_worker.bound.program import solve
from router_worker.bound.values import Choice, NoSolution, Program, Resource, Solution, Spending, WorkClass

CHEAP = Choice("ada/mini", 10, (("ada", 1.0),), quality=0.6)
DEAR = Choice("bit/plus", 100, (("bit", 1.0),), quality=0.9)


def solved(program: Program) -> Solution:
    found = solve(program)
    assert isinstance(found, Solution), found
    return found


def test_without_scarcity_it_is_the_sum_of_the_cheapest() -> None:
    found = solved(Program((WorkClass(7, (CHEAP, DEAR)), WorkClass(2, (DEAR,))), base_usd_micros=3))

    assert found.cost_usd_micros == pytest.approx(7 * 10 + 2 * 100 + 3)
    assert found.placed == {(0, 0, 0): 7, (1, 0, 0): 2}


def test_nothing_costs_nothing() -> None:
    assert solved(Program(())).cost_usd_micros == 0


def test_what_is_scarce_has_the_price_of_doing_without() -> None:
    found = solved(Program((WorkClass(7, (CHEAP, DEAR)),), (Resource("ada", (4,)), Resource("bit", (9,)))))

    assert found.cost_usd_micros == pytest.approx(4 * 10 + 3 * 100)
    assert found.prices == {"ada": (pytest.approx(90),), "bit": (0.0,)}


def test_the_scarce_one_serves_those_who_have_nowhere_cheaper_to_go() -> None:
    """Each by itself, both classes want `ada`; together, only the one to which the other is dear gets it."""
    near = Choice("cog/one", 12, (("cog", 1.0),))
    found = solved(
        Program((WorkClass(4, (CHEAP, DEAR)), WorkClass(4, (CHEAP, near))), (Resource("ada", (4,)),))
    )

    assert found.cost_usd_micros == pytest.approx(4 * 10 + 4 * 12)
    assert found.placed[0, 0, 0] == pytest.approx(4)
    assert 2 <= found.prices["ada"][0] <= 90


def test_time_that_has_passed_is_lost_and_a_deadline_binds() -> None:
    slots = Resource("ada", (2, 2, 2))
    early = WorkClass(3, (CHEAP, DEAR), first=0, last=0)
    patient = WorkClass(3, (CHEAP, DEAR), first=0, last=2)
    late = WorkClass(2, (CHEAP, DEAR), first=2, last=2)

    found = solved(Program((early, patient, late), (slots,), buckets=3))

    assert found.cost_usd_micros == pytest.approx(6 * 10 + 2 * 100)


def test_what_is_counted_from_the_beginning_may_be_used_later() -> None:
    saved = Resource("ada", (2, 4, 6), is_cumulative=True)
    late = WorkClass(7, (CHEAP, DEAR), first=2, last=2)

    found = solved(Program((late,), (saved,), buckets=3))

    assert found.cost_usd_micros == pytest.approx(6 * 10 + 100)
    assert found.prices["ada"] == (0.0, 0.0, pytest.approx(90)) or found.prices["ada"] == pytest.approx(
        (90, 90, 90)
    )


def test_a_mean_quality_buys_as_much_of_the_better_one_as_it_needs() -> None:
    found = solved(Program((WorkClass(10, (CHEAP, DEAR)),), mean_quality=0.75))

    assert found.cost_usd_micros == pytest.approx(5 * 10 + 5 * 100)
    assert found.quality_price == pytest.approx(90 / 0.3)


def test_a_budget_of_some_classes_leaves_out_what_it_cannot_pay() -> None:
    work = (WorkClass(4, (DEAR,)), WorkClass(4, (DEAR,)))
    tight = Program(work, spendings=(Spending(frozenset({0}), 250),))

    assert isinstance(solve(tight), NoSolution)
    fined = Program(work, spendings=tight.spendings, unserved_usd_micros=1e6)
    found = solved(fined)
    assert (found.unserved, found.cost_usd_micros) == (pytest.approx(1.5), pytest.approx(650))


def test_what_cannot_be_done_is_said_or_left_out_as_little_as_possible() -> None:
    work = (WorkClass(5, (CHEAP,)),)
    slots = (Resource("ada", (3,)),)

    said = solve(Program(work, slots))
    assert isinstance(said, NoSolution)
    assert "does not suffice" in said.sentence
    found = solved(Program(work, slots, unserved_usd_micros=1e6))
    assert (found.unserved, found.cost_usd_micros) == (pytest.approx(2), pytest.approx(30))


def test_too_many_columns_are_not_even_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router_worker.bound.program.MOST_COLUMNS", 1)

    said = solve(Program((WorkClass(5, (CHEAP, DEAR)),)))

    assert isinstance(said, NoSolution)
    assert "2 columns" in said.sentence


NAMES = ("ada", "bit")
choices = st.builds(
    lambda index, cost, seconds, quality: Choice(
        NAMES[index], cost, ((NAMES[index], seconds),), quality=quality
    ),
    st.integers(0, 1),
    st.integers(0, 9),
    st.integers(1, 3),
    st.sampled_from([0.2, 0.5, 1.0]),
)
classes = st.builds(
    lambda documents, options, first, longer: WorkClass(documents, options, first, min(1, first + longer)),
    st.integers(1, 2),
    st.lists(choices, min_size=1, max_size=2).map(tuple),
    st.integers(0, 1),
    st.integers(0, 1),
)
programs = st.builds(
    lambda work, amounts, cumulative, quality: Program(
        tuple(work),
        tuple(
            Resource(name, (first, first + more if cumulative else more), cumulative)
            for name, (first, more) in zip(NAMES, amounts, strict=True)
        ),
        buckets=2,
        mean_quality=quality,
    ),
    st.lists(classes, min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=2),
    st.booleans(),
    st.sampled_from([0.0, 0.4, 0.7]),
)


@settings(deadline=None, max_examples=150)
@given(programs)
def test_it_is_never_above_the_best_plan_of_whole_documents(program: Program) -> None:
    found, best = solve(program), cheapest_plan(program)

    if best is None:
        return
    assert isinstance(found, Solution)
    assert found.cost_usd_micros <= best + 1e-6


@settings(deadline=None, max_examples=150)
@given(programs)
def test_its_prices_prove_it(program: Program) -> None:
    """Weak duality: what is priced so, no plan at all can be cheaper."""
    found = solve(program)
    if isinstance(found, NoSolution):
        return
    assert proven(program, found) == pytest.approx(found.cost_usd_micros, abs=1e-5)


def cheapest_plan(program: Program) -> float | None:
    """Every way to give each document one choice and one bucket."""
    documents = [each for each in program.classes for _ in range(int(each.documents))]
    ways = [
        [(choice, bucket) for choice in each.choices for bucket in range(each.first, each.last + 1)]
        for each in documents
    ]
    costs = [
        sum(choice.cost_usd_micros for choice, _ in plan)
        for plan in product(*ways)
        if is_possible(program, plan)
    ]
    return min(costs, default=None)


def is_possible(program: Program, plan: tuple[tuple[Choice, int], ...]) -> bool:
    for each in program.resources:
        used = [0.0] * program.buckets
        for choice, bucket in plan:
            used[bucket] += sum(amount for name, amount in choice.uses if name == each.name)
        if each.is_cumulative:
            used = [sum(used[: index + 1]) for index in range(program.buckets)]
        if any(amount > there for amount, there in zip(used, each.amounts, strict=True)):
            return False
    return sum(choice.quality for choice, _ in plan) >= program.mean_quality * len(plan) - 1e-9


def proven(program: Program, found: Solution) -> float:
    """The cost that the prices alone imply."""
    worth = program.base_usd_micros
    for each in program.classes:
        worth += each.documents * min(
            choice.cost_usd_micros
            + sum(amount * found.prices[name][bucket] for name, amount in choice.uses)
            - found.quality_price * (choice.quality - program.mean_quality)
            for choice in each.choices
            for bucket in range(each.first, each.last + 1)
        )
    for resource in program.resources:
        prices = found.prices[resource.name]
        if resource.is_cumulative:
            own = [one - after for one, after in zip(prices, (*prices[1:], 0.0), strict=True)]
        else:
            own = list(prices)
        worth -= sum(price * amount for price, amount in zip(own, resource.amounts, strict=True))
    return worth
