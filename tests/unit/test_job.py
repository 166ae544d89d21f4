"""A job as a value: it moves along the table, one version at a time, and nothing else changes by itself."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from schemas.errors import IllegalTransition
from schemas.job import MAX_INTERRUPTIONS, Job
from schemas.lifecycle import EDGES, JobState
from tests.yard import a_job, a_plan, a_serving_job


@pytest.mark.parametrize("before", JobState)
@pytest.mark.parametrize("after", JobState)
def test_a_move_raises_the_version_by_one_or_is_refused(before: JobState, after: JobState) -> None:
    job = a_job(state=before, version=7)

    if after in EDGES[before]:
        moved = job.moved(after)
        assert (moved.state, moved.version) == (after, 8)
    else:
        with pytest.raises(IllegalTransition):
            job.moved(after)


def test_a_move_leaves_everything_else_as_it_was() -> None:
    job = a_job()

    moved = job.moved(JobState.ROUTED, provider="alpha")

    changed = {each.name for each in fields(Job) if getattr(job, each.name) != getattr(moved, each.name)}
    assert changed == {"state", "version", "provider"}


def test_a_job_is_never_changed_in_place() -> None:
    job = a_job()

    with pytest.raises(FrozenInstanceError):
        job.state = JobState.FAILED  # type: ignore[misc]


def test_a_job_taken_from_a_lost_worker_goes_back_to_its_provider_and_keeps_its_token() -> None:
    job = a_serving_job(lease_token=4)

    taken = job.interrupted("worker_lost", "It went silent.")

    assert (taken.state, taken.provider, taken.slot_id) == (JobState.ROUTED, "alpha", None)
    assert (taken.interruptions, taken.lease_token) == (1, 4)
    assert (taken.reason_code, taken.reason) == ("worker_lost", "It went silent.")


def test_a_job_that_was_interrupted_too_often_fails() -> None:
    job = a_serving_job(interruptions=MAX_INTERRUPTIONS - 1)

    taken = job.interrupted("worker_lost", "It went silent.")

    assert (taken.state, taken.interruptions) == (JobState.FAILED, MAX_INTERRUPTIONS)
    assert taken.reason


def test_the_current_step_is_the_one_of_the_plan_and_none_without_a_plan() -> None:
    plan = a_plan("alpha", "beta")

    assert a_job(plan=plan, step=1).current_step == plan[1]
    assert a_job().current_step is None


def test_the_head_of_the_chain_is_not_shown() -> None:
    assert "audit_head" not in repr(a_job())
