"""Profiles: what ships, and how a string changes one."""

from __future__ import annotations

import pytest

from schemas.errors import BadConfiguration
from simulator.profiles import PROFILES, FaultKind, Profile, parse_profile


def test_the_six_profiles_ship() -> None:
    assert list(PROFILES) == ["instant", "fast-cheap", "strong-slow", "flaky", "throttled", "drifting"]


def test_instant_takes_no_time_and_has_no_fault() -> None:
    instant = PROFILES["instant"]

    assert (instant.base_ms, instant.jitter, instant.fault_ladder) == (0.0, 0.0, ())


def test_a_string_changes_a_profile_and_keeps_its_name() -> None:
    profile = parse_profile("flaky:rate_500=0.5, base_ms=0,max_concurrency=3,drift_after_s=none")

    assert profile.name == "flaky"
    assert (profile.rate_500, profile.base_ms, profile.max_concurrency) == (0.5, 0.0, 3)
    assert profile.drift_after_s is None
    assert profile.rate_503 == PROFILES["flaky"].rate_503


def test_a_changed_rate_changes_the_ladder() -> None:
    assert parse_profile("instant:rate_500=1").fault_ladder == ((FaultKind.SERVER_ERROR, 1.0),)


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("sluggish", "no profile 'sluggish'"),
        ("instant:colour=blue", "no 'colour'"),
        ("instant:fault_ladder=1", "no 'fault_ladder'"),
        ("instant:name=other", "no 'name'"),
        ("instant:base_ms", "not of the form key=value"),
        ("instant:base_ms=fast", "must be a number"),
        ("instant:max_concurrency=1.5", "must be a whole number"),
        ("instant:base_ms=none", "must be a number"),
        ("instant:base_ms=-1", "cannot be below 0"),
        ("instant:base_ms=nan", "cannot be below 0"),
        ("instant:rate_500=1.5", "a share, 0 to 1"),
        ("instant:quality=2", "a share, 0 to 1"),
        ("instant:rate_500=0.7,rate_503=0.7", "add up to 1.4"),
    ],
)
def test_a_wrong_string_is_answered_with_a_sentence(spec: str, part: str) -> None:
    with pytest.raises(BadConfiguration, match=part):
        parse_profile(spec)


def test_settings_can_be_given_back() -> None:
    flaky = PROFILES["flaky"]

    assert Profile(**flaky.settings()) == flaky  # type: ignore[arg-type]
