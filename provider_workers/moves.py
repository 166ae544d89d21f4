"""What comes after a call: the one place that decides whether a job is done, tried again, handed on or given up.

Pure: the same job, ending, limits, time and jitter give the same move.

    sound answer                      → SUCCEEDED
    doubtful answer                   → the next step of the plan; SUCCEEDED, marked doubtful, where there is none
    on a rung, too little evidence    → the next rung, if it fits into what is left of the job's ceiling
    past the deadline, no answer      → EXPIRED
    the slot was taken back           → ROUTED to the same step, counted as an interruption
    outage, its breaker not closed    → ROUTED to the next step at another provider, else ACCEPTED
    no call left                      → FAILED, with the last reason
    worth repeating, tries left       → ROUTED to the same step, after a pause
    anything else, a step left        → ROUTED to the next step
    plan used up, provider's outage   → ACCEPTED: decided anew when the provider is back
    plan used up, told to slow down   → ACCEPTED: decided anew, up to a number of plans
    otherwise                         → FAILED, with the last reason

By kind of fault:

    kind              tries at one step    pause before the next        then                      the provider
    rate              10, none counted     as told, else 5 s            next step, decided anew   rests as told; fewer
                                                                                                  calls at once
    overload          as the policy says   as told, else 1, 2, 4 … s    next step, decided anew   a strike
    timeout           as the policy says   1, 2, 4 … s                  next step, decided anew   a strike
    connection        as the policy says   1, 2, 4 … s                  next step, decided anew   a strike
    malformed         as the policy says   none                         next step, FAILED         –
    unusable          as the policy says   none                         next step, FAILED         –
    auth, quota       1, not counted       –                            next step, decided anew   rests for 5 minutes
    bad_request       1                    –                            next step, FAILED         –
    content_refused   1                    –                            next step, FAILED         –
    cut_short         1                    –                            next step, FAILED         –
    taken_back        –                    –                            the same step             –

Every pause has up to half of it again as jitter. A step is always one of the plan, and a plan is always inside the set
of candidates that its decision allowed.

A doubtful answer is kept as well where no other call may follow: past the deadline, or with no call left. Where the
last call brings nothing and an earlier answer of the job is kept, that one is the result, marked doubtful: no job ends
with an answer in hand and without a result.

Calls that ended by the provider's own state are *excused*: told to slow down, its key or money refused, or an outage
while its breaker is not closed. They do not use up the calls that a job has: such a job waits or goes elsewhere, and
fails of something else or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from schemas.attempt import PROVIDER_IS_OUT, WORTH_REPEATING, Fault, FaultKind
from schemas.decision import NOT_KEPT, StepRole
from schemas.job import Job
from schemas.lifecycle import JobState
from schemas.policy import PlanLimits
from schemas.result import CheckReport, Standing
from schemas.rung import ESCALATED

RATE_TRIES = 10
"""Times that a job waits out "too many at once" on one step; each is after a pause that the provider asked for."""

RATE_PAUSE_S = 5.0
"""Where the provider does not say how long."""

LONGEST_PAUSE_S = 120.0
"""No single pause is longer, whatever a provider asks for: the work can go elsewhere meanwhile."""

RATE_REST_S = 1.0
"""How long a provider rests that asks to slow down and does not say how long; the number of its calls is halved too."""

OUT_REST_S = 300.0
"""How long a provider rests whose key or money is at fault; an operator has to act."""

_OUTAGE = frozenset({FaultKind.OVERLOAD, FaultKind.TIMEOUT, FaultKind.CONNECTION})
_EXCUSED = PROVIDER_IS_OUT | {FaultKind.RATE}
_AT_ONCE = frozenset({FaultKind.UNUSABLE, FaultKind.MALFORMED})


@dataclass(frozen=True, slots=True)
class Rest:
    """The provider takes no claims for so long, over all workers."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Next:
    job: Job
    """After the move."""
    keep_result: bool = False
    """Of this call, or of an earlier one where this call gave none."""
    stands: bool = False
    """Whether this call's answer ended the job as one that may stand; else the best answer is looked for."""
    rest: Rest | None = None


@dataclass(frozen=True, slots=True)
class Weighed:
    """The evidence on an answer."""

    score: int
    """In millionths."""
    told: str
    """In words."""


Ending = Fault | CheckReport
"""What a call came to: a fault, or an answer with the checks' report."""


def next_move(
    job: Job,
    ending: Ending,
    *,
    limits: PlanLimits,
    now: datetime,
    jitter: float,
    breaker_closed: bool = True,
    weighed: Weighed | None = None,
    has_earlier: bool = False,
) -> Next:
    """The move of a job in SERVING, after one call. `job.attempts` and `step_attempts` count that call already, and
    `job.cost_usd_micros` its cost. `weighed` is the evidence on its answer; `has_earlier`, whether an earlier answer of
    the job is kept.

    `jitter` is 0..1, drawn once a call, so that many jobs that failed together do not come back together.
    `breaker_closed`: whether the provider's is, after this call.
    """
    fault = _as_fault(ending)
    if fault is None:
        assert isinstance(ending, CheckReport)
        return _answered(job, ending, weighed, _end_of_calls(job, limits, now))
    shut = is_outage(ending) and not breaker_closed
    found = _without_answer(job, fault, limits, now, jitter, shut=shut)
    ended = found.job.state in (JobState.FAILED, JobState.EXPIRED, JobState.ACCEPTED)
    if has_earlier and ended:
        excused = found.job.excused
        return replace(found, job=_ended_with_earlier(replace(job, excused=excused), fault), keep_result=True)
    return found


def _without_answer(
    job: Job, fault: Fault, limits: PlanLimits, now: datetime, jitter: float, *, shut: bool
) -> Next:
    rest = _rest(fault, job)
    if shut or fault.kind in _EXCUSED:
        job = replace(job, excused=job.excused + 1)
    if _is_late(job, now):
        expired = job.moved(
            JobState.EXPIRED,
            slot_id=None,
            reason_code="deadline",
            reason=f"The deadline passed; the last try ended so: {fault.sentence}",
        )
        return Next(expired, rest=rest)
    if fault.kind is FaultKind.TAKEN_BACK:
        return Next(job.interrupted(fault.kind.value, fault.sentence))
    if shut:
        return Next(_elsewhere(job, fault))
    return Next(_after_fault(job, fault, limits, now, jitter), rest=rest)


def _ended_with_earlier(job: Job, fault: Fault) -> Job:
    return job.moved(
        JobState.SUCCEEDED,
        slot_id=None,
        not_before=None,
        reason_code="doubtful",
        reason=f"The best of the earlier answers is kept; no better one came. Last: {fault.sentence}",
    )


def _elsewhere(job: Job, fault: Fault) -> Job:
    """To the next step at another provider; where the plan has none, back to be decided when there is one."""
    step = next(
        (n for n in range(job.step + 1, len(job.plan)) if job.plan[n].provider != job.provider),
        None,
    )
    if step is not None:
        return _to_step(job, step, fault.kind.value, fault.sentence)
    return _decided_anew(job, fault, f"{job.provider} is left alone for a while; it is decided anew.")


def _as_fault(ending: Ending) -> Fault | None:
    """None where the answer can be kept."""
    if isinstance(ending, Fault):
        return ending
    if ending.standing is Standing.UNUSABLE:
        return Fault(FaultKind.UNUSABLE, ending.sentence)
    return None


def _is_late(job: Job, now: datetime) -> bool:
    return job.deadline_at is not None and now >= job.deadline_at


def _is_last_call(job: Job, limits: PlanLimits) -> bool:
    return job.attempts - job.excused >= limits.max_attempts


def _answered(job: Job, report: CheckReport, weighed: Weighed | None, ended: str) -> Next:
    """`ended` says why no other call may follow; empty: one may."""
    lacking = _lacking(job, report, weighed)
    if lacking:
        ended = ended or _unaffordable(job)
        if not ended and _has_next_step(job):
            return Next(_to_step(job, job.step + 1, ESCALATED, lacking))
    doubt = lacking or (report.sentence if report.standing is Standing.DOUBTFUL else "")
    done = job.moved(
        JobState.SUCCEEDED,
        slot_id=None,
        reason_code="doubtful" if doubt else "",
        reason=f"{doubt} {ended}".strip() if lacking else doubt,
        not_before=None,
    )
    return Next(done, keep_result=True, stands=not lacking)


def _lacking(job: Job, report: CheckReport, weighed: Weighed | None) -> str:
    """Why the answer may not stand, as a sentence; empty where it may."""
    step = job.current_step
    if step is None or step.role is not StepRole.RUNG or step.keep_from is None:
        return report.sentence if report.standing is Standing.DOUBTFUL else ""
    found = weighed or Weighed(0, "it was not weighed")
    if found.score >= step.keep_from:
        return ""
    name, share = f"{step.provider}/{step.model}", found.score / 1_000_000
    if step.keep_from >= NOT_KEPT:
        return f"{name} answered with evidence {share:.3f} ({found.told}), and the next one is asked in any case."
    asked = step.keep_from / 1_000_000
    return f"{name} answered with evidence {share:.3f}, and {asked:.3f} is asked of it: {found.told}."


def _end_of_calls(job: Job, limits: PlanLimits, now: datetime) -> str:
    if _is_late(job, now):
        return "The deadline has passed."
    return "No call is left." if _is_last_call(job, limits) else ""


def _unaffordable(job: Job) -> str:
    """Whether the next step may cost more than is left of the job's ceiling."""
    if job.max_cost_usd_micros is None or not _has_next_step(job):
        return ""
    worst = job.cost_usd_micros + job.plan[job.step + 1].worst_cost_usd_micros
    return "The next step may exceed the cost ceiling." if worst > job.max_cost_usd_micros else ""


def _after_fault(job: Job, fault: Fault, limits: PlanLimits, now: datetime, jitter: float) -> Job:
    if fault.kind not in _EXCUSED and _is_last_call(job, limits):
        return _failed(job, fault)
    if fault.kind in WORTH_REPEATING and job.step_attempts < _tries(fault, limits):
        again = now + timedelta(seconds=_pause_s(fault, job.step_attempts, jitter))
        return _to_step(job, job.step, fault.kind.value, fault.sentence, not_before=again)
    if _has_next_step(job):
        return _to_step(job, job.step + 1, fault.kind.value, fault.sentence)
    if _may_decide_anew(job, fault, limits):
        return _decided_anew(job, fault, "Every step of the plan was tried; it is decided anew.")
    return _failed(job, fault)


def _decided_anew(job: Job, fault: Fault, why: str) -> Job:
    return job.unbound(fault.kind.value, f"{why} Last: {fault.sentence}")


def _failed(job: Job, fault: Fault) -> Job:
    return job.moved(JobState.FAILED, slot_id=None, reason_code=fault.kind.value, reason=fault.sentence)


def _tries(fault: Fault, limits: PlanLimits) -> int:
    return RATE_TRIES if fault.kind is FaultKind.RATE else limits.attempts_per_step


def _pause_s(fault: Fault, tries_made: int, jitter: float) -> float:
    """Seconds. What the provider asked for, else doubling from one second; then up to half of it again as jitter."""
    if fault.kind in _AT_ONCE:
        return 0.0
    plain = RATE_PAUSE_S if fault.kind is FaultKind.RATE else float(2 ** max(0, tries_made - 1))
    asked = fault.retry_after_s if fault.retry_after_s is not None else plain
    return min(LONGEST_PAUSE_S, asked * (1 + jitter / 2))


def _has_next_step(job: Job) -> bool:
    return job.step + 1 < len(job.plan)


def _to_step(job: Job, step: int, code: str, reason: str, *, not_before: datetime | None = None) -> Job:
    target = job.plan[step]
    moved = job.moved(
        JobState.ROUTED,
        slot_id=None,
        provider=target.provider,
        model=target.model,
        step=step,
        not_before=not_before,
        reason_code=code,
        reason=reason,
    )
    return moved if step == job.step else replace(moved, step_attempts=0)


def _may_decide_anew(job: Job, fault: Fault, limits: PlanLimits) -> bool:
    if fault.kind in _OUTAGE or fault.kind in PROVIDER_IS_OUT:
        return True  # a call is left, or it would have failed above
    return fault.kind is FaultKind.RATE and job.plans < limits.max_plans


def _rest(fault: Fault, job: Job) -> Rest | None:
    if fault.kind in PROVIDER_IS_OUT:
        return Rest(OUT_REST_S, f"{job.provider}: {fault.sentence}")
    if fault.kind is FaultKind.RATE:
        asked = fault.retry_after_s if fault.retry_after_s is not None else RATE_REST_S
        return Rest(min(LONGEST_PAUSE_S, asked), f"{job.provider}: {fault.sentence}")
    return None


def is_outage(ending: Ending) -> bool:
    """Whether the call says that the provider itself is in trouble, and not this one job."""
    return isinstance(ending, Fault) and ending.kind in _OUTAGE
