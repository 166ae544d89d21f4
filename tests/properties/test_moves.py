"""The laws of what comes after a call: total, legal, inside the plan, bounded, and the same every time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from provider_workers.moves import (
    LONGEST_PAUSE_S,
    OUT_REST_S,
    RATE_TRIES,
    Ending,
    Next,
    is_outage,
    next_move,
)
from schemas.attempt import PROVIDER_IS_OUT, Fault, FaultKind
from schemas.decision import Step
from schemas.job import Job
from schemas.lifecycle import EDGES, FINAL, JobState
from schemas.policy import PlanLimits
from schemas.result import CheckReport, Standing
from tests.yard import a_job

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OUTAGES = frozenset({FaultKind.OVERLOAD, FaultKind.TIMEOUT, FaultKind.CONNECTION})
PROVIDERS = ("alpha", "beta", "gamma")

_waits = st.none() | st.sampled_from([0.0, 0.5, 1.0, 20.0, 120.0, 86_400.0])

faults = st.builds(Fault, st.sampled_from(FaultKind), st.just("It went wrong."), st.none(), _waits)
reports = st.sampled_from(Standing).map(
    lambda standing: CheckReport(standing, "why", parsed=True, schema_valid=True)
)
endings = faults | reports
limits = st.builds(
    PlanLimits,
    max_steps=st.integers(1, 8),
    attempts_per_step=st.integers(1, 4),
    max_plans=st.integers(1, 4),
    max_attempts=st.integers(1, 20),
)
jitters = st.floats(0, 1)
plans = st.lists(
    st.builds(Step, st.sampled_from(PROVIDERS), st.sampled_from(["one", "two"]), st.just(1)),
    min_size=1,
    max_size=5,
).map(tuple)
deadlines = st.none() | st.sampled_from([-3600, -1, 0, 1, 3600]).map(lambda s: NOON + timedelta(seconds=s))


@st.composite
def serving(draw: st.DrawFn) -> Job:
    """A job after a call, at any step of any plan, with any past."""
    plan = draw(plans)
    step, tries = draw(st.integers(0, len(plan) - 1)), draw(st.integers(1, 12))
    return a_job(
        state=JobState.SERVING,
        version=draw(st.integers(3, 90)),
        lease_token=draw(st.integers(1, 30)),
        slot_id="s",
        provider=plan[step].provider,
        model=plan[step].model,
        plan=plan,
        step=step,
        step_attempts=tries,
        attempts=tries + draw(st.integers(0, 30)),
        plans=draw(st.integers(1, 6)),
        interruptions=draw(st.integers(0, 2)),
        deadline_at=draw(deadlines),
    )


def _moved(job: Job, ending: Ending, bounds: PlanLimits, jitter: float) -> Next:
    return next_move(job, ending, limits=bounds, now=NOON, jitter=jitter)


@given(serving(), endings, limits, jitters)
@settings(max_examples=200)
def test_every_ending_has_a_move_along_the_table_that_frees_the_slot(
    job: Job, ending: Ending, bounds: PlanLimits, jitter: float
) -> None:
    after = _moved(job, ending, bounds, jitter).job

    assert after.state in EDGES[JobState.SERVING]
    assert after.state in {JobState.ROUTED, JobState.ACCEPTED} | FINAL
    assert after.version == job.version + 1
    assert after.slot_id is None
    assert after.lease_token == job.lease_token


@given(serving(), endings, limits, jitters)
@settings(max_examples=100)
def test_the_same_values_give_the_same_move(
    job: Job, ending: Ending, bounds: PlanLimits, jitter: float
) -> None:
    assert _moved(job, ending, bounds, jitter) == _moved(replace(job), ending, bounds, jitter)


@given(serving(), endings, limits, jitters)
@settings(max_examples=200)
def test_a_job_never_leaves_its_plan(job: Job, ending: Ending, bounds: PlanLimits, jitter: float) -> None:
    after = _moved(job, ending, bounds, jitter).job

    if after.state is JobState.ROUTED:
        assert after.plan == job.plan
        assert after.step in (job.step, job.step + 1)
        assert after.current_step is not None
        assert (after.provider, after.model) == (after.current_step.provider, after.current_step.model)
        assert after.step_attempts == (job.step_attempts if after.step == job.step else 0)
    if after.state is JobState.ACCEPTED:
        assert (after.provider, after.model, after.plan, after.step) == (None, None, (), 0)
        assert after.step_attempts == 0
        assert after.not_before is None


@given(serving(), endings, limits, jitters)
@settings(max_examples=200)
def test_a_result_is_kept_exactly_where_the_job_succeeds_and_never_an_unusable_one(
    job: Job, ending: Ending, bounds: PlanLimits, jitter: float
) -> None:
    after = _moved(job, ending, bounds, jitter)

    assert after.keep_result == (after.job.state is JobState.SUCCEEDED)
    if after.keep_result:
        assert isinstance(ending, CheckReport)
        assert ending.standing is not Standing.UNUSABLE


@given(serving(), endings, limits, jitters)
@settings(max_examples=100)
def test_what_is_not_a_plain_success_says_why(
    job: Job, ending: Ending, bounds: PlanLimits, jitter: float
) -> None:
    after = _moved(job, ending, bounds, jitter).job

    if not (isinstance(ending, CheckReport) and ending.standing is Standing.SOUND):
        assert after.reason_code
        assert after.reason


@given(serving(), endings, limits, jitters)
@settings(max_examples=200)
def test_a_pause_is_never_negative_and_never_longer_than_the_longest(
    job: Job, ending: Ending, bounds: PlanLimits, jitter: float
) -> None:
    after = _moved(job, ending, bounds, jitter).job

    if after.not_before is not None:
        assert after.state is JobState.ROUTED
        assert NOON <= after.not_before <= NOON + timedelta(seconds=LONGEST_PAUSE_S)


@given(serving(), endings, limits, jitters)
@settings(max_examples=200)
def test_a_provider_rests_for_its_own_faults_only_and_not_for_ever(
    job: Job, ending: Ending, bounds: PlanLimits, jitter: float
) -> None:
    rest = _moved(job, ending, bounds, jitter).rest

    resting = PROVIDER_IS_OUT | {FaultKind.RATE}
    assert (rest is not None) == (isinstance(ending, Fault) and ending.kind in resting)
    if rest is not None:
        assert 0 <= rest.seconds <= max(OUT_REST_S, LONGEST_PAUSE_S)
        assert job.provider is not None
        assert rest.reason.startswith(job.provider)


@given(serving(), endings, limits, jitters)
@settings(max_examples=200)
def test_a_job_expires_only_after_its_deadline_and_then_is_never_called_again(
    job: Job, ending: Ending, bounds: PlanLimits, jitter: float
) -> None:
    state = _moved(job, ending, bounds, jitter).job.state

    if job.deadline_at is None or job.deadline_at > NOON:
        assert state is not JobState.EXPIRED
    else:
        assert state in {JobState.EXPIRED, JobState.SUCCEEDED}


@given(plans, st.lists(endings, min_size=1, max_size=8), limits, st.data())
@settings(max_examples=100)
def test_whatever_the_calls_come_to_a_job_comes_to_an_end(
    plan: tuple[Step, ...], adverse: list[Ending], bounds: PlanLimits, data: st.DataObject
) -> None:
    """The endings come again and again, and each time the job is decided anew it gets the same plan. Only a key or
    money that is refused is waited out for as long as it takes."""
    adverse = [each for each in adverse if not _is_out(each)] or [Fault(FaultKind.TIMEOUT, "Again.")]
    plan = plan[: bounds.max_steps]
    job, calls, told_to_slow_down = a_job(), 0, 0
    while job.state not in FINAL:
        if job.state is JobState.ACCEPTED:
            job = _decided(job, plan)
        ending = adverse[calls % len(adverse)]
        calls += 1
        told_to_slow_down += isinstance(ending, Fault) and ending.kind is FaultKind.RATE
        job = _moved(_called(job), ending, bounds, 0.5).job
        assert calls <= _most_calls(bounds), "it circles"

    assert calls - told_to_slow_down - job.interruptions <= bounds.max_attempts


def _is_out(ending: Ending) -> bool:
    return isinstance(ending, Fault) and ending.kind in PROVIDER_IS_OUT


@given(
    plans,
    limits,
    st.sampled_from(sorted(set(FaultKind) - PROVIDER_IS_OUT - {FaultKind.RATE, FaultKind.TAKEN_BACK})),
)
@settings(max_examples=100)
def test_no_fault_but_slow_down_is_met_more_often_than_the_policy_says(
    plan: tuple[Step, ...], bounds: PlanLimits, kind: FaultKind
) -> None:
    job, calls = a_job(), 0
    while job.state not in FINAL:
        if job.state is JobState.ACCEPTED:
            job = _decided(job, plan)
        job = _moved(_called(job), Fault(kind, "Again."), bounds, 0.0).job
        calls += 1
        assert calls <= bounds.max_attempts

    assert job.state is JobState.FAILED


@given(serving(), st.sampled_from(sorted(OUTAGES | PROVIDER_IS_OUT)), limits, jitters)
@settings(max_examples=200)
def test_a_provider_that_is_out_fails_no_job(
    job: Job, kind: FaultKind, bounds: PlanLimits, jitter: float
) -> None:
    """However many calls it has behind it: it waits, or goes to another provider of its plan."""
    ending = Fault(kind, "It is out.")

    after = next_move(job, ending, limits=bounds, now=NOON, jitter=jitter, breaker_closed=False).job

    if after.state is JobState.EXPIRED:
        assert job.deadline_at is not None
        assert job.deadline_at <= NOON
        return
    assert after.state in (JobState.ROUTED, JobState.ACCEPTED)
    assert after.attempts - after.excused == job.attempts - job.excused - 1
    if kind in OUTAGES and after.state is JobState.ROUTED:
        assert after.provider != job.provider


@given(endings)
@settings(max_examples=50)
def test_only_a_provider_in_trouble_is_an_outage(ending: Ending) -> None:
    troubles = {FaultKind.OVERLOAD, FaultKind.TIMEOUT, FaultKind.CONNECTION}

    assert is_outage(ending) == (isinstance(ending, Fault) and ending.kind in troubles)


def _most_calls(bounds: PlanLimits) -> int:
    """Every step of every plan that a wait at a throttled provider may lead to, and the calls in all."""
    tries = max(RATE_TRIES, bounds.attempts_per_step)
    return bounds.max_attempts + (bounds.max_plans + bounds.max_attempts) * bounds.max_steps * tries


def _decided(job: Job, plan: tuple[Step, ...]) -> Job:
    return job.moved(
        JobState.ROUTED,
        provider=plan[0].provider,
        model=plan[0].model,
        plan=plan,
        step=0,
        step_attempts=0,
        plans=job.plans + 1,
    )


def _called(job: Job) -> Job:
    claimed = job.moved(JobState.SERVING, slot_id="s", lease_token=job.lease_token + 1)
    return replace(claimed, attempts=job.attempts + 1, step_attempts=job.step_attempts + 1)
