"""What comes after a call, by example: the table at the top of the module, line by line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from provider_workers.moves import LONGEST_PAUSE_S, OUT_REST_S, Ending, Next, next_move
from schemas.attempt import Fault, FaultKind
from schemas.job import Job
from schemas.lifecycle import JobState
from schemas.policy import PlanLimits
from tests.yard import DOUBTFUL, SOUND, UNUSABLE, a_serving_job

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIMITS = PlanLimits(max_steps=3, attempts_per_step=2, max_plans=3, max_attempts=12)
OVERLOAD = Fault(FaultKind.OVERLOAD, "It cannot serve at the moment.")
RATE = Fault(FaultKind.RATE, "It asks us to slow down.")


def move(job: Job, ending: Ending, *, limits: PlanLimits = LIMITS, jitter: float = 0.0) -> Next:
    return next_move(job, ending, limits=limits, now=NOON, jitter=jitter)


def pause_s(after: Next) -> float:
    assert after.job.not_before is not None
    return (after.job.not_before - NOON).total_seconds()


def test_a_sound_answer_is_a_success_without_a_reason() -> None:
    after = move(a_serving_job(), SOUND)

    assert (after.job.state, after.keep_result) == (JobState.SUCCEEDED, True)
    assert (after.job.reason_code, after.job.reason) == ("", "")


def test_a_doubtful_answer_escalates_to_the_next_step_at_once() -> None:
    after = move(a_serving_job("alpha", "beta"), DOUBTFUL)

    assert (after.job.state, after.job.provider, after.job.step) == (JobState.ROUTED, "beta", 1)
    assert (after.job.reason_code, after.job.not_before) == ("escalated", None)
    assert not after.keep_result


def test_a_doubtful_answer_at_the_last_step_is_kept_and_marked() -> None:
    after = move(a_serving_job("alpha"), DOUBTFUL)

    assert (after.job.state, after.keep_result) == (JobState.SUCCEEDED, True)
    assert (after.job.reason_code, after.job.reason) == ("doubtful", DOUBTFUL.sentence)


def test_a_doubtful_answer_is_kept_where_another_call_would_come_too_late() -> None:
    """Escalated, the job would only expire, and the answer that there is would be lost."""
    after = move(a_serving_job("alpha", "beta", deadline_at=NOON), DOUBTFUL)

    assert (after.job.state, after.keep_result, after.job.reason_code) == (
        JobState.SUCCEEDED,
        True,
        "doubtful",
    )


def test_a_doubtful_answer_is_kept_where_the_job_has_no_call_left() -> None:
    after = move(a_serving_job("alpha", "beta", attempts=12), DOUBTFUL)

    assert (after.job.state, after.keep_result) == (JobState.SUCCEEDED, True)


def test_a_late_sound_answer_is_kept() -> None:
    after = move(a_serving_job(deadline_at=NOON - timedelta(hours=1)), SOUND)

    assert after.job.state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    "ending", [UNUSABLE, Fault(FaultKind.MALFORMED, "It is not the wire.")], ids=["unusable", "malformed"]
)
def test_an_answer_that_cannot_be_used_is_asked_for_again_at_once(ending: Ending) -> None:
    after = move(a_serving_job(), ending)

    assert (after.job.state, after.job.provider, pause_s(after)) == (JobState.ROUTED, "alpha", 0.0)


def test_an_overloaded_provider_is_tried_again_after_pauses_that_double() -> None:
    limits = PlanLimits(attempts_per_step=5)

    pauses = [
        pause_s(move(a_serving_job(step_attempts=n, attempts=n), OVERLOAD, limits=limits))
        for n in (1, 2, 3, 4)
    ]

    assert pauses == [1.0, 2.0, 4.0, 8.0]


def test_jitter_adds_up_to_half_of_the_pause() -> None:
    assert pause_s(move(a_serving_job(), OVERLOAD, jitter=1.0)) == 1.5


def test_a_provider_s_own_wait_is_kept_up_to_the_longest_pause() -> None:
    asked = Fault(FaultKind.OVERLOAD, "Later.", 503, retry_after_s=7.0)
    long = Fault(FaultKind.OVERLOAD, "Tomorrow.", 503, retry_after_s=86_400.0)

    assert pause_s(move(a_serving_job(), asked)) == 7.0
    assert pause_s(move(a_serving_job(), long)) == LONGEST_PAUSE_S


def test_when_the_tries_of_a_step_are_used_up_the_next_one_follows() -> None:
    after = move(a_serving_job("alpha", "beta", step_attempts=2, attempts=2), OVERLOAD)

    assert (after.job.provider, after.job.step, after.job.step_attempts) == ("beta", 1, 0)
    assert after.job.reason_code == "overload"


@pytest.mark.parametrize(
    "kind",
    [FaultKind.BAD_REQUEST, FaultKind.CONTENT_REFUSED, FaultKind.CUT_SHORT, FaultKind.AUTH, FaultKind.QUOTA],
)
def test_what_would_end_the_same_again_goes_to_the_next_step_at_once(kind: FaultKind) -> None:
    after = move(a_serving_job("alpha", "beta"), Fault(kind, "No."))

    assert (after.job.state, after.job.provider, after.job.reason_code) == (
        JobState.ROUTED,
        "beta",
        kind.value,
    )


@pytest.mark.parametrize("kind", [FaultKind.BAD_REQUEST, FaultKind.CONTENT_REFUSED, FaultKind.CUT_SHORT])
def test_what_no_step_could_do_fails_with_the_last_reason(kind: FaultKind) -> None:
    after = move(a_serving_job("alpha"), Fault(kind, "No."))

    assert (after.job.state, after.job.reason_code, after.job.reason) == (JobState.FAILED, kind.value, "No.")


def test_unusable_to_the_end_of_the_plan_fails() -> None:
    after = move(a_serving_job("alpha", step_attempts=2, attempts=2), UNUSABLE)

    assert (after.job.state, after.job.reason_code) == (JobState.FAILED, "unusable")


def test_an_outage_of_every_provider_is_decided_anew_while_there_are_calls_left() -> None:
    after = move(a_serving_job("alpha", step_attempts=2, attempts=11), OVERLOAD)
    last = move(a_serving_job("alpha", step_attempts=2, attempts=12), OVERLOAD)

    assert (after.job.state, after.job.plan, after.job.provider) == (JobState.ACCEPTED, (), None)
    assert (last.job.state, last.job.reason_code) == (JobState.FAILED, "overload")


def test_the_last_call_is_the_last_even_with_tries_and_steps_left() -> None:
    after = move(a_serving_job("alpha", "beta", "gamma", attempts=12), OVERLOAD)

    assert (after.job.state, after.job.reason_code) == (JobState.FAILED, "overload")


def test_slow_down_is_waited_out_on_the_same_step_and_rests_the_provider() -> None:
    after = move(a_serving_job("alpha", "beta", step_attempts=9, attempts=9), RATE)

    assert (after.job.provider, pause_s(after)) == ("alpha", 5.0)
    assert after.rest is not None
    assert after.rest.seconds == 1.0


def test_slow_down_is_waited_out_beyond_the_calls_in_all() -> None:
    """It costs nothing, and a job that waits for a throttled provider has not failed."""
    after = move(a_serving_job("alpha", attempts=40, step_attempts=3), RATE)

    assert (after.job.state, after.job.provider) == (JobState.ROUTED, "alpha")


def test_slow_down_to_the_end_is_decided_anew_up_to_a_number_of_plans() -> None:
    again = move(a_serving_job("alpha", step_attempts=10, attempts=10, plans=2), RATE)
    last = move(a_serving_job("alpha", step_attempts=10, attempts=10, plans=3), RATE)

    assert again.job.state is JobState.ACCEPTED
    assert (last.job.state, last.job.reason_code) == (JobState.FAILED, "rate")


@pytest.mark.parametrize("kind", [FaultKind.AUTH, FaultKind.QUOTA])
def test_a_key_or_an_account_at_fault_rests_the_provider_until_an_operator_can_act(kind: FaultKind) -> None:
    after = move(a_serving_job("alpha"), Fault(kind, "It does not accept our key."))

    assert after.rest is not None
    assert after.rest.seconds == OUT_REST_S
    assert after.rest.reason == "alpha: It does not accept our key."
    assert after.job.state is JobState.ACCEPTED


def test_after_the_deadline_a_fault_expires_the_job_and_says_how_the_last_try_ended() -> None:
    after = move(a_serving_job(deadline_at=NOON), OVERLOAD)

    assert (after.job.state, after.job.reason_code) == (JobState.EXPIRED, "deadline")
    assert after.job.reason.endswith("It cannot serve at the moment.")
