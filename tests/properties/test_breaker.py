"""The laws of the breaker: one probe at a time, rests that never shorten, and no way around either."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.breaker import (
    FEWEST,
    LONGEST_REST_S,
    STRIKES,
    Breaker,
    BreakerState,
    Outage,
    answered,
    failed,
    may_enter,
    probing,
    rest_s,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

# One thing that happens: seconds since the last one, what, a slot, how long its call lasted, jitter.
events = st.lists(
    st.tuples(
        st.floats(0, 90),
        st.sampled_from(["outage", "answer", "claim", "probe is lost"]),
        st.integers(0, 3),
        st.floats(0, 30),
        st.floats(0, 1),
    ),
    max_size=60,
)


@given(events)
@settings(max_examples=300)
def test_whatever_happens_there_is_one_probe_at_most_and_nobody_goes_in_before_the_time(
    found: list[tuple[float, str, int, float, float]],
) -> None:
    breaker, now, claims, probes = Breaker(), NOON, 0, set[str]()
    for seconds, what, slot, lasted_s, jitter in found:
        now += timedelta(seconds=seconds)
        before = breaker
        if what == "claim" and may_enter(breaker, now, probe_is_held=breaker.probe in probes):
            claims += 1
            if breaker.state is not BreakerState.CLOSED:
                assert not probes, "two probes at once"
                assert breaker.until is None or now >= breaker.until
                breaker = probing(breaker, f"probe-{claims}")
                probes = {f"probe-{claims}"}
        elif what == "probe is lost":
            probes.clear()
        elif what in ("outage", "answer"):
            who = next(iter(probes)) if probes and slot == 0 else f"slot-{slot}"
            outage = Outage(who, lasted_s, jitter=jitter)
            breaker = failed(breaker, outage, now) if what == "outage" else answered(breaker, who)
            probes.discard(who)
        _check_step(before, breaker, now)


def _check_step(before: Breaker, after: Breaker, now: datetime) -> None:
    edges = {
        (BreakerState.CLOSED, BreakerState.OPEN),
        (BreakerState.OPEN, BreakerState.HALF_OPEN),
        (BreakerState.HALF_OPEN, BreakerState.OPEN),
        (BreakerState.HALF_OPEN, BreakerState.CLOSED),
    }
    if before.state is not after.state:
        assert (before.state, after.state) in edges
    elif after.state is BreakerState.OPEN:
        assert after.until == before.until, "an open one keeps its time"
    if after.state is BreakerState.OPEN:
        assert after.until is not None
        assert after.until - now <= timedelta(seconds=LONGEST_REST_S)
    assert (after.probe is not None) == (after.state is BreakerState.HALF_OPEN)


@given(st.integers(1, 50), st.floats(0, 1), st.floats(0, 1))
def test_a_rest_is_never_shorter_than_the_one_before_and_never_longer_than_the_longest(
    opened: int, one: float, other: float
) -> None:
    assert 0 < rest_s(opened, one) <= rest_s(opened + 1, other) <= LONGEST_REST_S


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_probes_that_fail_one_after_another_open_it_for_longer_each_time(jitters: list[float]) -> None:
    breaker, now, rests = _opened(), NOON, []
    for jitter in jitters:
        assert breaker.until is not None
        now = breaker.until
        breaker = failed(probing(breaker, "p"), Outage("p", 1.0, jitter=jitter), now)
        assert breaker.until is not None
        rests.append((breaker.until - now).total_seconds())

    assert rests == sorted(rests)


@given(st.integers(1, 200))
def test_calls_that_were_in_flight_together_are_one_strike(calls: int) -> None:
    breaker = Breaker()
    for number in range(calls):
        breaker = failed(breaker, Outage(f"s{number}", 5.0), NOON + timedelta(milliseconds=number))

    assert (breaker.state, breaker.strikes) == (BreakerState.CLOSED, 1)


def test_the_third_outage_in_a_row_opens_it_and_an_answer_between_does_not_let_it_come_so_far() -> None:
    assert _opened().state is BreakerState.OPEN

    breaker, now = Breaker(), NOON
    for _ in range(3):
        for _ in range(STRIKES - 1):
            now += timedelta(seconds=1)
            breaker = failed(breaker, Outage("s", 0.5, good_before=50), now)
        breaker = answered(breaker, "other")

    assert (breaker.state, breaker.strikes) == (BreakerState.CLOSED, 0)


def test_a_provider_that_answers_every_second_call_is_out_as_well() -> None:
    breaker, now = Breaker(), NOON
    for number in range(FEWEST):
        assert breaker.state is BreakerState.CLOSED, number
        now += timedelta(seconds=1)
        breaker = answered(failed(breaker, Outage("s", 0.5, good_before=1), now), "other")

    assert breaker.state is BreakerState.OPEN


def test_an_answered_probe_closes_it_and_any_other_answer_does_not() -> None:
    breaker = _opened()
    half = probing(breaker, "p")

    assert answered(breaker, "old") == breaker
    assert answered(half, "old") == half
    assert answered(half, "p") == Breaker()


def _opened() -> Breaker:
    breaker = Breaker()
    for number in range(STRIKES):
        breaker = failed(breaker, Outage("s", 0.5), NOON + timedelta(seconds=number - STRIKES))
    return breaker
