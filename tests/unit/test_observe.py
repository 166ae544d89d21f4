"""From rows to the picture of every provider that a decision sees."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router_worker.observe import depth, snapshot_of
from schemas.policy import BindLate
from schemas.snapshot import Assigned, Health, ProviderLoad, ProviderStatus
from tests.engine_values import NOON, a_model, a_provider
from tests.yard import a_catalog

BIND_LATE = BindLate(seconds=30, max_jobs=100)


def row(**changes: Any) -> dict[str, Any]:
    """As `capacity.loads` gives it: one living worker with four slots, idle."""
    fields: dict[str, Any] = {
        "name": "alpha",
        "ceiling": 8,
        "paused": False,
        "resting": None,
        "rests_until": None,
        "rest_reason": "",
        "slots": 4,
        "workers": 1,
        "keyless": 0,
        "detail": "",
        "job_ms_p50": None,
        "in_flight": 0,
        "waiting_jobs": 0,
        "waiting_tokens": 0,
    }
    return fields | changes


RESTS: dict[str, Any] = {
    "breaker": "open",
    "strikes": 3,
    "opened": 1,
    "breaker_until": NOON + timedelta(seconds=9),
    "probe_slot": None,
    "struck_at": NOON,
    "window_at": None,
    "window_good": 0,
    "window_bad": 0,
    "breaker_reason": "Its calls fail.",
    "probe_is_held": False,
    "cut_at": None,
    "cut_to": 0.0,
    "cut_level": 0.0,
    "now": NOON,
}


def test_a_breaker_that_is_not_closed_leaves_one_slot_and_429s_leave_what_they_leave() -> None:
    tries = load(row(**RESTS | {"breaker_until": NOON}))
    cut = load(row(**RESTS | {"breaker": "closed", "cut_at": NOON, "cut_to": 3.0, "cut_level": 6.0}))

    assert (tries.slots, tries.ceiling) == (1, 8)
    assert (cut.slots, cut.ceiling) == (3, 8)


def load(*rows: dict[str, Any], **provider: Any) -> ProviderLoad:
    catalog = a_catalog(a_provider("alpha", **provider))
    found = snapshot_of(catalog, "sha256:c", rows, BIND_LATE, taken_at=NOON).load("alpha")
    assert found is not None
    return found


@given(st.integers(0, 500), st.integers(0, 10**6), st.integers(1, 3600), st.integers(1, 10_000))
@settings(max_examples=100)
def test_what_may_be_bound_grows_with_slots_and_shrinks_with_slowness(
    slots: int, job_ms: int, seconds: int, max_jobs: int
) -> None:
    bind_late = BindLate(seconds=seconds, max_jobs=max_jobs)

    here = depth(slots, job_ms, bind_late)

    assert 0 <= here <= max_jobs
    assert here <= depth(slots + 1, job_ms, bind_late)
    assert here >= depth(slots, job_ms + 100, bind_late)
    assert here >= min(max_jobs, 2 * slots)


def test_a_queue_is_as_deep_as_half_a_minute_of_work_and_two_jobs_a_slot_at_least() -> None:
    assert depth(4, 2_000, BindLate(seconds=30)) == 60
    assert depth(4, 60_000, BindLate(seconds=30)) == 8
    assert depth(0, 10, BindLate(seconds=30)) == 0


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        (row(), ProviderStatus.READY, ""),
        (row(paused=True), ProviderStatus.PAUSED, "alpha is paused by an operator."),
        (row(paused=True, workers=0), ProviderStatus.PAUSED, "alpha is paused by an operator."),
        (
            row(paused=True, switched_by="ann@yard", switch_reason="It costs too much."),
            ProviderStatus.PAUSED,
            "alpha is paused by ann@yard: It costs too much.",
        ),
        (row(draining=True), ProviderStatus.DRAINED, "alpha is being drained by an operator."),
        (row(**RESTS), ProviderStatus.DOWN, "Its calls fail."),
        (row(**RESTS | {"breaker_until": NOON}), ProviderStatus.READY, ""),
        (row(**RESTS | {"breaker": "half_open"}), ProviderStatus.READY, ""),
        (
            row(**RESTS | {"breaker": "half_open", "probe_is_held": True}),
            ProviderStatus.DOWN,
            "Its calls fail.",
        ),
        (row(workers=0, slots=0), ProviderStatus.NO_WORKER, "No worker of alpha has been heard of lately."),
        (row(workers=0, keyless=1, detail="No key."), ProviderStatus.NO_KEY, "No key."),
        (row(workers=0, keyless=1), ProviderStatus.NO_KEY, "The workers of alpha have no key."),
        (row(keyless=1), ProviderStatus.READY, ""),
        (row(resting=True, rest_reason="It said so."), ProviderStatus.DOWN, "It said so."),
        (row(resting=True), ProviderStatus.DOWN, "alpha rests after faults."),
        (row(resting=False), ProviderStatus.READY, ""),
    ],
)
def test_a_provider_is_ready_or_says_why_not(
    said: dict[str, Any], status: ProviderStatus, reason: str
) -> None:
    found = load(said)

    assert (found.status, found.reason) == (status, reason)


def test_a_provider_of_which_nothing_is_known_has_no_worker_and_no_room() -> None:
    found = load()

    assert (found.status, found.slots, found.headroom_jobs) == (ProviderStatus.NO_WORKER, 0, 0)
    assert found.reason == "No worker of alpha has started."


def test_slots_beyond_the_ceiling_do_not_count() -> None:
    assert load(row(slots=40)).slots == 8


def test_the_operator_s_ceiling_overrules_the_catalog_s() -> None:
    assert load(row(ceiling=2), ceiling=8).ceiling == 2


def test_headroom_is_the_depth_less_what_waits_and_never_below_zero() -> None:
    assert load(row(job_ms_p50=10_000, waiting_jobs=5)).headroom_jobs == 7
    assert load(row(job_ms_p50=10_000, waiting_jobs=50)).headroom_jobs == 0


def test_urgent_jobs_have_room_for_one_a_slot_beyond_the_headroom() -> None:
    most = BIND_LATE.max_jobs
    rooms = [load(row(job_ms_p50=10_000, waiting_jobs=each)) for each in (5, 12, 50, 2 * most - 1, 2 * most)]

    assert [one.headroom_jobs for one in rooms] == [7, 0, 0, 0, 0]
    assert [one.urgent_room_jobs for one in rooms] == [7 + 4, 4, 4, 1, 0]


def test_before_observations_the_catalog_s_fastest_model_is_the_guess() -> None:
    """The model's prior is a second: 4 slots do 120 jobs in half a minute, and 100 is the most."""
    assert load(row(job_ms_p50=None)).headroom_jobs == 100
    assert load(row(job_ms_p50=None)).job_ms_p50 is None


def test_room_is_work_at_today_s_pace_and_two_jobs_a_slot_at_least() -> None:
    """Four slots, half a minute, three times as slow: 40 seconds of work at the catalog's speed."""
    slow = load(row(pace_millionths=3_000_000, waiting_jobs=9, waiting_work_ms=27_000))
    assert (slow.room_work_ms, slow.headroom_jobs) == (13_000, 5)

    full = load(row(pace_millionths=3_000_000, waiting_jobs=9, waiting_work_ms=45_000))
    assert full.headroom_jobs == 0
    few = load(row(pace_millionths=3_000_000, waiting_jobs=3, waiting_work_ms=45_000))
    assert few.headroom_jobs == 5


def test_work_that_is_assigned_takes_room_by_its_size() -> None:
    snapshot = snapshot_of(a_catalog("alpha"), "d", [row(slots=1)], BIND_LATE, taken_at=NOON)

    (after,) = snapshot.plus({"alpha": Assigned(jobs=2, tokens=0, work_ms=31_000)}).loads

    assert (after.room_work_ms, after.headroom_jobs) == (-1_000, 0)


def test_a_slow_provider_that_nobody_called_for_a_minute_is_tried_again() -> None:
    slow = {"health": "slow", "pace_millionths": 4_000_000, "usual_millionths": 900_000}

    assert load(row(**slow, unseen_s=5.0)).health is Health.SLOW
    again = load(row(**slow, unseen_s=61.0))
    assert (again.health, again.pace_millionths) == (Health.WELL, 900_000)


def test_the_snapshot_has_one_load_a_provider_of_the_catalog_by_name_and_no_other() -> None:
    catalog = a_catalog("beta", a_provider("alpha", a_model()), "gamma")
    rows = [row(name="gamma"), row(name="stranger")]

    snapshot = snapshot_of(catalog, "sha256:c", rows, BIND_LATE, taken_at=NOON)

    assert [each.provider for each in snapshot.loads] == ["alpha", "beta", "gamma"]
    assert snapshot.facts()["catalog"] == "sha256:c"


def test_what_was_assigned_is_added_and_headroom_ends_at_zero() -> None:
    snapshot = snapshot_of(
        a_catalog("alpha", "beta"), "d", [row(job_ms_p50=10_000)], BIND_LATE, taken_at=NOON
    )

    after = snapshot.plus({"alpha": Assigned(jobs=20, tokens=500)})

    alpha, beta = after.loads
    assert (alpha.waiting_jobs, alpha.waiting_tokens, alpha.headroom_jobs) == (20, 500, 0)
    assert beta == snapshot.load("beta")
    assert snapshot.plus({}) == snapshot
