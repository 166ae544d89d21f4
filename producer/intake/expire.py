"""Expire what is still open of a batch, now: as if its deadline had passed. What was done is kept.

A job with a usable answer of an earlier rung keeps that as its result, as at a deadline. One that is being served
ends at once as well; the worker's own write then finds that it has moved, and touches nothing but the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass

from producer.intake.cancel import GROUP
from runtime.db.session import Database, clock, repeated
from runtime.db.stores import jobs, record, rescue
from schemas.job import Job
from schemas.lifecycle import JobState


@dataclass(frozen=True, slots=True)
class Ended:
    expired: int
    kept: int
    """Jobs that have an earlier answer as their result now."""
    in_flight: int
    """Of all of them, those that a slot held: a call may have been made for nothing."""


async def expire_batch(database: Database, tenant_id: str, batch_id: str, *, actor: str) -> Ended:
    """Safe to call again; a batch of which everything is final loses nothing."""
    expired = kept = in_flight = 0
    while (group := await repeated(lambda: _expire_group(database, tenant_id, batch_id, actor))) is not None:
        expired, kept, in_flight = expired + group.expired, kept + group.kept, in_flight + group.in_flight
    return Ended(expired, kept, in_flight)


async def _expire_group(database: Database, tenant_id: str, batch_id: str, actor: str) -> Ended | None:
    """None where nothing is open any more."""
    async with database.transaction() as connection:
        found = await jobs.open_of_batch(connection, tenant_id, batch_id, most=GROUP)
        if not found:
            return None
        now = await clock(connection)
        ends = [(job, expired(job)) for job in found]
        saved = await rescue.saved(connection, tenant_id, ends)
        moved = await jobs.move(
            connection,
            [
                jobs.move_of(
                    job,
                    saved[job.id].job if job.id in saved else after,
                    at=now,
                    actor=actor,
                    facts={"slot": job.slot_id},
                )
                for job, after in ends
            ],
        )
        results = [(one.job, one.result) for name, one in saved.items() if name in moved]
        await record.keep_results(connection, results)
    in_flight = sum(job.state is JobState.SERVING for job in found)
    return Ended(len(moved) - len(results), len(results), in_flight)


def expired(job: Job) -> Job:
    return job.moved(
        JobState.EXPIRED,
        slot_id=None,
        not_before=None,
        reason_code="expired",
        reason="It was expired by its submitter before it was done.",
    )
