"""Cancel what is still open of a batch, or one job. What is final stays as it is; what was done is kept.

A job that is being served is cancelled at once as well: the worker's own write then finds that the job has moved, and
touches nothing but the ledger. So a cancelled job never gets a result, whenever the cancel comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.db.session import Connection, Database, clock, repeated
from runtime.db.stores import batches, jobs
from schemas.job import Job
from schemas.lifecycle import FINAL, JobState

GROUP = 500
"""Jobs in one transaction, so that a large batch does not hold its rows for long."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    jobs: int
    in_flight: int
    """Of them, those that a slot held: a call may have been made for nothing."""


async def cancel_batch(database: Database, tenant_id: str, batch_id: str, *, actor: str) -> Cancelled:
    """Safe to call again; a batch of which everything is final loses nothing."""
    total = in_flight = 0
    while group := await repeated(lambda: _cancel_group(database, tenant_id, batch_id, actor)):
        total += len(group)
        in_flight += sum(job.state is JobState.SERVING for job in group)
    async with database.transaction() as connection:
        await batches.mark_cancelled(connection, tenant_id, batch_id)
    return Cancelled(total, in_flight)


async def cancel_job(database: Database, tenant_id: str, job_id: str, *, actor: str) -> Job | None:
    """The job as it was before; None where it was final already."""

    async def once() -> Job | None:
        async with database.transaction() as connection:
            job = await jobs.find(connection, tenant_id, job_id, lock=True)
            if job is None or job.state in FINAL:
                return None
            await _cancel(connection, [job], actor)
            return job

    found: Job | None = await repeated(once)
    return found


async def _cancel_group(database: Database, tenant_id: str, batch_id: str, actor: str) -> list[Job]:
    """As they were before; empty where nothing is open any more."""
    async with database.transaction() as connection:
        found = await jobs.open_of_batch(connection, tenant_id, batch_id, most=GROUP)
        await _cancel(connection, found, actor)
    return found


async def _cancel(connection: Connection, found: Sequence[Job], actor: str) -> None:
    now = await clock(connection)
    await jobs.move(
        connection,
        [
            jobs.move_of(job, cancelled(job), at=now, actor=actor, facts={"slot": job.slot_id})
            for job in found
        ],
    )


def cancelled(job: Job) -> Job:
    return job.moved(
        JobState.CANCELLED,
        slot_id=None,
        not_before=None,
        reason_code="cancelled",
        reason="It was cancelled before it was done.",
    )
