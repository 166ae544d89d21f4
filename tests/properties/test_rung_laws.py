"""The laws of a ladder's worker side: what stands, what goes on, and that no answer is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from provider_workers.moves import Weighed, next_move
from provider_workers.rungs import agrees, evidence_on, labels_of, standing_one, weigh
from schemas.attempt import Fault, FaultKind
from schemas.decision import NOT_KEPT, Step, StepRole
from schemas.job import Job
from schemas.lifecycle import FINAL, JobState
from schemas.policy import PlanLimits
from schemas.result import CheckReport, QuoteCheck, QuoteMatch, Standing
from schemas.rung import RungAnswer, best, result_of
from tests.yard import a_job

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIMITS = PlanLimits(attempts_per_step=2, max_attempts=12)

scores = st.integers(0, 1_000_000)
thresholds = st.none() | st.sampled_from([0, 1, 600_000, 1_000_000, NOT_KEPT])


@st.composite
def plans(draw: st.DrawFn) -> tuple[Step, ...]:
    """A ladder of one to four rungs, the last of which keeps, with or without a fallback."""
    kept = draw(st.lists(thresholds, max_size=3))
    rungs = [Step(f"p{n}", "one", 1_000, StepRole.RUNG, each) for n, each in enumerate([*kept, None])]
    return (*rungs, *draw(st.sampled_from([(), (Step("spare", "one", 1_000),)])))


@st.composite
def climbing(draw: st.DrawFn) -> Job:
    plan = draw(plans())
    step = draw(st.integers(0, len(plan) - 1))
    return a_job(
        state=JobState.SERVING,
        version=5,
        lease_token=2,
        slot_id="s",
        provider=plan[step].provider,
        model=plan[step].model,
        plan=plan,
        step=step,
        step_attempts=draw(st.integers(1, 2)),
        attempts=step + draw(st.integers(1, 12)),
        plans=1,
        cost_usd_micros=draw(st.sampled_from([0, 3_000])),
        max_cost_usd_micros=draw(st.sampled_from([None, 3_500, 100_000])),
        deadline_at=draw(st.sampled_from([None, NOON - timedelta(seconds=1), NOON + timedelta(hours=1)])),
    )


@st.composite
def reports(draw: st.DrawFn) -> CheckReport:
    found = draw(st.lists(st.sampled_from(QuoteMatch), max_size=4))
    quotes = tuple(QuoteCheck(index, match) for index, match in enumerate(found))
    sound = all(quote.verified for quote in quotes)
    standing, why = (Standing.SOUND, "") if sound else (Standing.DOUBTFUL, "Quotes do not stand.")
    return CheckReport(standing, why, parsed=True, schema_valid=True, quotes=quotes)


@st.composite
def answers(draw: st.DrawFn, attempt: int = 1) -> RungAnswer:
    output: dict[str, Any] = {
        "verdict": draw(st.sampled_from(["acceptable", "unacceptable"])),
        "findings": [{"id": each} for each in draw(st.lists(st.sampled_from("abcd"), max_size=3))],
    }
    report = draw(reports())
    provider = draw(st.sampled_from(["p0", "p1", "p2"]))
    names = {"tenant_id": "default", "job_id": "j", "model_version": "v", "model_reported": "v"}
    return RungAnswer(
        **names,
        attempt=attempt,
        lease_token=1,
        provider=provider,
        model="one",
        simulated=True,
        sample=1,
        keep_from=None,
        score=draw(scores),
        output=output,
        report=report,
        mean_logprob=draw(st.sampled_from([None, -0.1, -2.0])),
    )


earlier_answers = st.lists(st.none(), max_size=4).flatmap(
    lambda found: st.tuples(*(answers(attempt=n) for n in range(1, len(found) + 1)))
)

ways = [FaultKind.OVERLOAD, FaultKind.BAD_REQUEST, FaultKind.UNUSABLE, FaultKind.RATE, FaultKind.AUTH]
faults = st.builds(Fault, st.sampled_from(ways), st.just("It went wrong."))


@given(climbing(), reports(), scores)
def test_an_answer_stands_exactly_where_its_evidence_reaches_what_is_asked(
    job: Job, report: CheckReport, score: int
) -> None:
    after = next_move(job, report, limits=LIMITS, now=NOON, jitter=0.0, weighed=Weighed(score, "told"))
    step = job.plan[job.step]

    enough = report.standing is Standing.SOUND if step.keep_from is None else score >= step.keep_from
    event("stands" if enough else "does not stand")
    assert after.stands == enough
    if enough:
        assert after.job.state is JobState.SUCCEEDED
    elif after.job.state is JobState.ROUTED:
        assert (after.job.step, after.job.reason_code) == (job.step + 1, "escalated")
    else:
        assert (after.job.state, after.job.reason_code) == (JobState.SUCCEEDED, "doubtful")


@given(climbing(), reports(), scores)
def test_nothing_is_escalated_past_ceiling_deadline_or_the_last_call(
    job: Job, report: CheckReport, score: int
) -> None:
    after = next_move(job, report, limits=LIMITS, now=NOON, jitter=0.0, weighed=Weighed(score, "told")).job

    if after.state is JobState.ROUTED:
        assert job.deadline_at is None or job.deadline_at > NOON
        assert job.attempts < LIMITS.max_attempts
        worst = job.plan[after.step].worst_cost_usd_micros
        assert job.max_cost_usd_micros is None or job.cost_usd_micros + worst <= job.max_cost_usd_micros


@given(climbing(), reports() | faults)
def test_with_an_answer_in_hand_no_job_ends_without_one(job: Job, ending: CheckReport | Fault) -> None:
    after = next_move(job, ending, limits=LIMITS, now=NOON, jitter=0.0, has_earlier=True)

    event(after.job.state.value)
    assert after.job.state is JobState.ROUTED or (after.keep_result and after.job.state is JobState.SUCCEEDED)
    without = next_move(job, ending, limits=LIMITS, now=NOON, jitter=0.0)
    if without.job.state not in FINAL | {JobState.ACCEPTED}:
        assert after == without, "an earlier answer ends nothing that would go on"


@given(earlier_answers, answers(attempt=9), climbing())
def test_the_result_agrees_with_the_answer_that_stands(
    earlier: tuple[RungAnswer, ...], answer: RungAnswer, job: Job
) -> None:
    chosen = standing_one(job, answer, earlier)

    assert chosen is answer or chosen in earlier
    assert agrees(chosen.output or {}, answer.output or {})
    if job.plan[job.step].keep_from is None:
        assert chosen.name == answer.name


@given(earlier_answers)
def test_what_is_kept_at_the_end_has_the_most_evidence(found: tuple[RungAnswer, ...]) -> None:
    chosen = best(found)

    assert (chosen is None) == (not found)
    if chosen is not None:
        assert all(each.score <= chosen.score for each in found)
        result = result_of(chosen, a_job(lease_token=7), doubt="It ended.")
        assert (result.lease_token, result.attempt) == (7, chosen.attempt)
        assert (result.report.standing, result.report.evidence) == (Standing.DOUBTFUL, chosen.score)


@given(answers(attempt=9), earlier_answers)
def test_an_answer_that_says_the_same_never_lowers_the_evidence(
    answer: RungAnswer, earlier: tuple[RungAnswer, ...]
) -> None:
    assert answer.output is not None
    without = weigh(evidence_on(answer.report, answer.output, answer.mean_logprob, earlier))
    echoed = weigh(
        evidence_on(answer.report, answer.output, answer.mean_logprob, (*earlier, replace(answer, attempt=8)))
    )
    assert echoed >= without


@given(climbing(), earlier_answers, answers(attempt=9))
def test_labels_come_from_the_last_rung_and_are_unbiased_only_where_nothing_could_be_kept(
    job: Job, earlier: tuple[RungAnswer, ...], answer: RungAnswer
) -> None:
    step = job.plan[job.step]
    answer = replace(answer, provider=step.provider, model=step.model)
    found = labels_of(job, answer, earlier)
    rungs = [each for each in job.plan if each.role is StepRole.RUNG]

    event(f"{len(found)} labels")
    if step is not rungs[-1] or answer.report.standing is not Standing.SOUND:
        assert found == ()
    for label in found:
        assert label.judged_by == answer.name != label.model
        assert label.unbiased == all(each.keep_from == NOT_KEPT for each in rungs[:-1])
        newest = [each for each in earlier if each.name == label.model][-1]
        assert label.score == newest.score
    assert len({label.model for label in found}) == len(found)
