"""What is made of an object is made once, and never given for another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.remembered import MOST, remembered


@given(st.lists(st.lists(st.integers(), max_size=2), max_size=2 * MOST), st.data())
def test_it_gives_what_would_be_made(values: list[list[int]], data: st.DataObject) -> None:
    made: list[tuple[int, int]] = []

    @remembered
    def total(value: list[int], add: int) -> int:
        made.append((id(value), add))
        return sum(value) + add

    for _ in range(2):
        for value in values:
            add = data.draw(st.integers(0, 1))
            assert total(value, add) == sum(value) + add

    if len(values) * 2 <= MOST:
        assert len(made) == len(set(made))


def test_values_that_are_gone_leave_nothing_to_those_that_come_after_them() -> None:
    first = remembered(lambda value: value[0])

    assert [first([number]) for number in range(10 * MOST)] == list(range(10 * MOST))
