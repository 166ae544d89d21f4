"""No job ends without anything while an answer of it is kept: of jobs that nobody will serve again, the best answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.db.session import Connection
from runtime.db.stores import rungs
from schemas.job import Job
from schemas.lifecycle import JobState
from schemas.result import Result
from schemas.rung import best, result_of

_GIVEN_UP = frozenset({JobState.FAILED, JobState.EXPIRED})


@dataclass(frozen=True, slots=True)
class Saved:
    job: Job
    """After the move that it makes instead."""
    result: Result


async def saved(connection: Connection, tenant_id: str, ends: Sequence[tuple[Job, Job]]) -> dict[str, Saved]:
    """By id, of jobs before and after a move that gives them up: those that have an answer. No query where no job was
    served before."""
    lost = [(job, after) for job, after in ends if after.state in _GIVEN_UP and job.attempts and _may(job)]
    found = await rungs.load(connection, tenant_id, [job.id for job, _ in lost])
    return {
        job.id: Saved(kept, result_of(answer, job, doubt=kept.reason))
        for job, after in lost
        if (answer := best(found.get(job.id, ()))) is not None
        for kept in [_kept(job, after)]
    }


def _may(job: Job) -> bool:
    """Only jobs that are bound may end with a result; see `schemas.lifecycle`."""
    return job.state in (JobState.ROUTED, JobState.SERVING)


def _kept(job: Job, after: Job) -> Job:
    return job.moved(
        JobState.SUCCEEDED,
        slot_id=None,
        not_before=None,
        interruptions=after.interruptions,
        reason_code="doubtful",
        reason=f"The best of the earlier answers is kept; no better one came. {after.reason}",
    )
