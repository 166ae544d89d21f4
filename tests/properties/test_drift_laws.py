"""The detectors: quiet while nothing changed, quick when it did, and armed again afterwards."""

from __future__ import annotations

import random
from math import exp

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.drift.faults import Faults
from governance.drift.pace import LEARNED_FROM, Pace
from governance.drift.seen import KEPT, Observation, Seen, seen_of, stored
from schemas.snapshot import Health

observations = st.builds(
    Observation,
    latency_ms=st.integers(0, 10**6),
    expected_ms=st.sampled_from([0, 1, 900, 40_000]),
    tokens=st.integers(0, 10**6),
    fault=st.booleans(),
)


def paced(chance: random.Random, slower: float = 1.0) -> Observation:
    return Observation(round(2_000 * slower * exp(chance.gauss(0.2, 0.4))), 2_000, 700, False)


@given(st.lists(observations, max_size=150), st.integers(0, 150))
@settings(max_examples=60, deadline=None)
def test_folding_in_two_goes_is_folding_in_one_and_what_is_stored_is_read_back(
    seen: list[Observation], cut: int
) -> None:
    """Workers tell what they saw in turns, and the row keeps it between them."""
    whole = Seen().after(seen)

    first = seen_of(orjson.loads(orjson.dumps(stored(Seen().after(seen[:cut])))))

    assert first.after(seen[cut:]) == whole
    assert len(whole.paces) == len(whole.latencies_ms) == len(whole.tokens) <= KEPT
    assert 0 <= whole.faults_millionths <= 1_000_000
    assert (whole.pace_millionths is None) == (not whole.paces)
    assert whole.pace_millionths is None or whole.pace_millionths > 0


@given(st.lists(st.floats(0.01, 100), max_size=LEARNED_FROM))
def test_nothing_is_slow_before_usual_is_learned(paces: list[float]) -> None:
    found = Pace()
    for each in paces:
        found = found.after(each)

    assert not found.raised


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_three_times_as_slow_is_seen_within_twenty_calls_and_forgiven_soon(seed: int) -> None:
    chance = random.Random(seed)
    seen = Seen().after(paced(chance) for _ in range(300))
    assert seen.health is Health.WELL
    usual = seen.pace_millionths
    assert usual is not None

    slow = seen.after(paced(chance, 3.0) for _ in range(20))

    assert slow.health is Health.SLOW
    assert slow.pace_millionths is not None
    assert slow.pace_millionths > 2 * usual, "what it was before counts no more"
    again = slow.after(paced(chance) for _ in range(40))
    assert again.health is Health.WELL
    assert again.after(paced(chance, 3.0) for _ in range(20)).health is Health.SLOW


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_one_call_in_three_failing_is_seen_and_ends(seed: int) -> None:
    chance = random.Random(seed)
    seen = Seen().after(Observation(900, 900, 10, chance.random() < 0.03) for _ in range(150))

    failing = seen.after(Observation(900, 900, 10, index % 3 == 0) for index in range(90))
    well = failing.after(Observation(900, 900, 10, False) for _ in range(120))

    assert failing.health is Health.FAILING
    assert well.health is Health.WELL


def test_a_provider_that_always_fails_too_much_is_failing_though_it_never_changed() -> None:
    found = Faults()
    for index in range(600):
        found = found.after(fault=index % 8 == 0)

    assert found.raised


def test_a_pace_that_lasts_becomes_the_usual_one() -> None:
    found = Pace()
    for _ in range(100):
        found = found.after(1.0)
    for _ in range(10):
        found = found.after(4.0)
    assert found.raised

    for _ in range(600):
        found = found.after(4.0)

    assert not found.raised
    assert round(found.usual, 1) == 4.0


def test_what_another_version_stored_counts_as_nothing_seen() -> None:
    assert seen_of({}) == Seen() == seen_of({"paces": [1]})
