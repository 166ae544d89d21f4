"""The limits of a pretend provider, and what it remembers of its calls."""

from __future__ import annotations

import pytest

from simulator.gates import Gate
from simulator.profiles import Profile
from simulator.stats import Seen, Stats


def test_a_provider_without_limits_lets_everything_in() -> None:
    gate = Gate(Profile(name="p"), now_s=0)

    assert all(gate.wait_s(in_flight=n, now_s=0) is None for n in range(1, 1000))


def test_a_minute_lets_in_what_the_profile_says() -> None:
    gate = Gate(Profile(name="p", requests_per_minute=60, burst_requests=3), now_s=0)

    at_once = [gate.wait_s(in_flight=1, now_s=0) for _ in range(5)]

    assert at_once == [None, None, None, 1.0, 1.0]
    assert gate.wait_s(in_flight=1, now_s=1.0) is None
    assert gate.wait_s(in_flight=1, now_s=1.5) == pytest.approx(0.5)


def test_a_call_above_the_ceiling_is_told_to_wait() -> None:
    gate = Gate(Profile(name="p", max_concurrency=2, retry_after_s=4), now_s=0)

    assert gate.wait_s(in_flight=2, now_s=0) is None
    assert gate.wait_s(in_flight=3, now_s=0) == 4


def test_what_is_remembered_is_bounded_and_forgetting_is_counted() -> None:
    seen = Seen(room=2)

    before = [seen.add(key) for key in (b"a", b"a", b"b", b"c", b"a")]

    assert before == [0, 1, 0, 0, 0]
    assert (seen.repeats, seen.forgotten) == (1, 2)


def test_a_reset_keeps_the_calls_in_flight_true() -> None:
    stats = Stats()
    stats.begin()
    stats.begin()

    stats.reset()
    stats.end(200)

    shown = stats.as_json()
    assert (shown["in_flight"], shown["peak_in_flight"], shown["calls"]) == (1, 2, 2)
    assert shown["by_status"] == {"200": 1}
