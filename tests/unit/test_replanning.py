"""Which bound work goes back when a provider changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from runtime.replanning import excesses
from tests.engine_values import NOON


def row(name: str, **changes: Any) -> dict[str, Any]:
    """Two slots, up since an hour, always well."""
    fields: dict[str, Any] = {
        "name": name,
        "ceiling": 8,
        "slots": 2,
        "pace_millionths": None,
        "health": "well",
        "health_since": None,
        "up_since": NOON - timedelta(hours=1),
    }
    return fields | changes


def test_a_slow_provider_keeps_what_its_new_pace_does_in_the_window() -> None:
    slow = row("alpha", health="slow", health_since=NOON, pace_millionths=3_000_000)

    (found,) = excesses([slow], window_s=30)

    assert (found.provider, found.before, found.keep_work_ms) == ("alpha", NOON, 20_000)
    assert found.why == "alpha is slow now"


def test_a_failing_provider_keeps_one_job_a_slot() -> None:
    (found,) = excesses([row("alpha", health="failing", health_since=NOON)], window_s=30)

    assert (found.keep_work_ms, found.keep_jobs) == (0, 2)


def test_one_that_comes_up_or_is_well_again_lets_the_others_share() -> None:
    came = row("beta", up_since=NOON)
    recovered = row("beta", health_since=NOON)

    for other in (came, recovered):
        found = {each.provider: each for each in excesses([row("alpha"), other], window_s=30)}
        assert (found["alpha"].before, found["alpha"].keep_work_ms) == (NOON, 30_000)
        assert found["alpha"].why == "beta can serve again"
        assert found["beta"].before == NOON - timedelta(hours=1), "what came later stays"


def test_a_single_provider_that_is_well_gives_nothing_back() -> None:
    assert excesses([row("alpha")], window_s=30) == []
