"""The laws of the adaptive number of calls, and whole runs against a provider that takes so many at once."""

from __future__ import annotations

import heapq
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.congestion import Allowance, congested

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@given(
    st.lists(st.tuples(st.floats(0, 60), st.integers(0, 500), st.floats(0, 30)), max_size=30),
    st.integers(1, 300),
    st.floats(0, 600),
)
def test_it_is_never_below_one_nor_above_the_ceiling_and_grows_until_it_is_cut(
    cuts: list[tuple[float, int, float]], ceiling: int, later_s: float
) -> None:
    allowance, now = Allowance(), NOON
    assert allowance.calls(ceiling, now) == ceiling
    for seconds, in_flight, lasted_s in cuts:
        now += timedelta(seconds=seconds)
        before = allowance.calls(ceiling, now)
        allowance = congested(allowance, ceiling, in_flight=in_flight, lasted_s=lasted_s, now=now)
        assert 1 <= allowance.calls(ceiling, now) <= before <= ceiling

    soon, late = (allowance.calls(ceiling, now + timedelta(seconds=s)) for s in (later_s, later_s + 5))
    assert 1 <= soon <= late <= ceiling


@given(st.integers(2, 200), st.integers(1, 50))
def test_a_burst_cuts_once(in_flight: int, more: int) -> None:
    once = congested(Allowance(), 200, in_flight=in_flight, lasted_s=2.0, now=NOON)
    again = once
    for number in range(more):
        now = NOON + timedelta(milliseconds=number)
        again = congested(again, 200, in_flight=in_flight, lasted_s=2.0, now=now)

    assert again == once
    assert once.calls(200, NOON) == max(1, in_flight // 2)


@pytest.mark.parametrize("taken", [1, 4, 8, 40, 150])
@pytest.mark.parametrize("call_s", [0.2, 1.0, 5.0])
def test_the_load_settles_near_what_a_provider_takes(taken: int, call_s: float) -> None:
    """Some minutes against one that answers 429 beyond `taken` calls at once, from a ceiling of 200."""
    served, refused = _run(taken, ceiling=200, call_s=call_s, seconds=200)

    assert served >= 0.8 * taken * 200 / call_s
    assert refused <= 2 * 200 + 200 / 2, "the first search from the ceiling, then one now and then"


def test_a_provider_that_takes_more_again_gets_more() -> None:
    allowance = congested(Allowance(), 64, in_flight=8, lasted_s=0.1, now=NOON)

    assert allowance.calls(64, NOON + timedelta(minutes=10)) == 64


STEP_S = 0.04


def _run(taken: int, *, ceiling: int, call_s: float, seconds: float) -> tuple[int, int]:
    """Calls served and refused. Each slot makes ten calls one after another and ends, or ends with a refusal, which
    comes after 40 ms; then no slot is taken for a second, as the provider rests."""
    allowance, served, refused, rests_until_s = Allowance(), 0, 0, 0.0
    ends: list[tuple[float, int]] = []
    for step in range(round(seconds / STEP_S)):
        at_s = step * STEP_S
        now = NOON + timedelta(seconds=at_s)
        while ends and ends[0][0] <= at_s:
            _, left = heapq.heappop(ends)
            served += 1
            if left:
                heapq.heappush(ends, (at_s + call_s, left - 1))
        while at_s >= rests_until_s and len(ends) < allowance.calls(ceiling, now):
            if len(ends) < taken:
                heapq.heappush(ends, (at_s + call_s, 9))
                continue
            wanted = allowance.calls(ceiling, now)
            refused, rests_until_s = refused + wanted - len(ends), at_s + 1.0
            late = now + timedelta(seconds=STEP_S)
            for held in range(wanted, len(ends), -1):
                allowance = congested(allowance, ceiling, in_flight=held, lasted_s=STEP_S, now=late)
    return served, refused
