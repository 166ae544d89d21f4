"""A job before and after its decision. Pure; called by the stage, and by whoever decides again what it decided."""

from __future__ import annotations

from datetime import datetime, timedelta

from router_worker.engine.decide import Prepared
from router_worker.features.extract import money_left, time_left_ms
from schemas.changing import changed
from schemas.decision import Decision, Outcome
from schemas.features import JobFeatures
from schemas.job import Job
from schemas.lifecycle import JobState


def at_this_moment(
    features: JobFeatures, job: Job, now: datetime, *, ceiling_usd_micros: int | None = None
) -> JobFeatures:
    """Time and money as they are now: features are extracted once, and these two run out. The ceiling is the policy's
    for any one document; the lower one of it and the job's own holds."""
    left = money_left(job, ceiling_usd_micros)
    return changed(features, time_left_ms=time_left_ms(job, now), max_cost_usd_micros=left)


def moved_by(job: Job, decision: Decision) -> Job | None:
    """The job after the decision; None where it stays where it is."""
    why = {"reason_code": decision.reason_code, "reason": decision.reason}
    if decision.outcome is Outcome.ROUTED:
        first = decision.plan[0]
        return job.moved(
            JobState.ROUTED,
            provider=first.provider,
            model=first.model,
            plan=decision.plan,
            step=0,
            step_attempts=0,
            plans=job.plans + 1,
            not_before=None,
            **why,
        )
    if decision.outcome is Outcome.REFUSED:
        return job.moved(JobState.REFUSED, **why)
    if decision.outcome is Outcome.HELD and job.state is JobState.ACCEPTED:
        return job.moved(JobState.HELD, **why)
    return None


def with_work(job: Job | None, features: JobFeatures, prepared: Prepared) -> Job | None:
    """A job that was bound carries what its call is expected to take there, so that queues can be summed."""
    if job is None or job.provider is None or job.model is None:
        return job
    return changed(job, work_ms=prepared.work_ms(features, job.provider, job.model))


def start_by(job: Job, decision: Decision) -> datetime | None:
    """When its call must start at the latest to end in time, where it would be fastest of all that may serve it."""
    calls = [each.estimate.latency_ms for each in decision.candidates if each.estimate is not None]
    if job.deadline_at is None or not calls:
        return None
    return job.deadline_at - timedelta(milliseconds=min(calls))
