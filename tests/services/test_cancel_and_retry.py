"""What is open can be ended at any moment, and what did not succeed can be taken up again; final rows never change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from producer.intake.cancel import cancel_batch, cancel_job
from producer.intake.retry import Which, retry
from provider_workers.writer import Finished, Writer
from schemas.errors import BadInput, UnknownName
from schemas.job import Job
from schemas.lifecycle import JobState
from schemas.sensitivity import Sensitivity
from schemas.submission import Requirements
from tests.invariants import check_invariants
from tests.yard import TENANT, Yard, a_result, an_attempt, counted, yard

pytestmark = [pytest.mark.services, pytest.mark.asyncio]


async def ended(here: Yard, job: Job, state: JobState, reason: str) -> Job:
    (after,) = await here.move(
        [(job, job.moved(state, slot_id=None, reason_code=reason, reason="So it ended."))]
    )
    return after


# -- cancel


async def test_everything_open_of_a_batch_is_cancelled_and_what_is_final_stays(database_url: str) -> None:
    async with yard(database_url) as here:
        (serving, *_) = await here.serving(1)
        (routed, refused) = [*await here.routed(1), *(await here.jobs((await here.submit(1)).batch_id))]
        await ended(here, refused, JobState.REFUSED, "boundary")

        found = [
            await cancel_batch(here.database, TENANT, job.batch_id, actor="a person")
            for job in (serving, routed, refused)
        ]

        assert [(one.jobs, one.in_flight) for one in found] == [(1, 1), (1, 0), (0, 0)]
        assert await here.states() == {"cancelled": 2, "refused": 1}
        again = await cancel_batch(here.database, TENANT, serving.batch_id, actor="a person")
        assert again.jobs == 0
        rows = await here.database.rows("select cancelled_at from batches where id = %s", (serving.batch_id,))
        assert rows[0]["cancelled_at"] is not None
    check_invariants(database_url)


async def test_a_cancel_in_the_middle_of_a_call_leaves_no_result_and_the_call_in_the_ledger(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        (held,) = await here.serving(1)
        job = counted(held)
        await cancel_job(here.database, TENANT, job.id, actor="a person")

        writer = Writer(here.database, here.metrics, actor="a worker")
        writer.start()
        after = replace(job, cost_usd_micros=7).moved(JobState.SUCCEEDED, slot_id=None)
        kept = await writer.write(
            Finished(before=job, after=after, attempt=an_attempt(job), result=a_result(job))
        )
        await writer.close()

        assert kept is False
        assert (await here.job(job.id)).state is JobState.CANCELLED
        assert await here.count("results") == 0
        fenced = await here.database.rows("select fenced, cost_usd_micros from attempts")
        assert [(row["fenced"], row["cost_usd_micros"]) for row in fenced] == [(True, 7)]
    check_invariants(database_url)


async def test_a_job_that_is_final_or_unknown_is_not_cancelled(database_url: str) -> None:
    async with yard(database_url) as here:
        (job,) = await here.jobs((await here.submit(1)).batch_id)
        was = await cancel_job(here.database, TENANT, job.id, actor="a person")

        assert was is not None and was.state is JobState.ACCEPTED
        assert await cancel_job(here.database, TENANT, job.id, actor="a person") is None
        assert await cancel_job(here.database, "somebody-else", job.id, actor="a person") is None
        assert await here.count("audit_events") == 2


# -- retry


async def test_what_did_not_succeed_is_taken_up_in_a_new_batch(database_url: str) -> None:
    async with yard(database_url) as here:
        old = await here.submit(4, sensitivity=Sensitivity.CONFIDENTIAL, residency=("eu",))
        late, refused, cancelled, _open = await here.jobs(old.batch_id)
        await ended(here, late, JobState.EXPIRED, "deadline")
        await ended(here, refused, JobState.REFUSED, "boundary")
        await ended(here, cancelled, JobState.CANCELLED, "cancelled")

        new = await retry(here.database, TENANT, old.batch_id, Which())

        found = await here.jobs(new.batch_id)
        assert [job.custom_id for job in found] == ["contract-1", "contract-2"]
        assert {(job.state, job.version, job.sensitivity, job.residency) for job in found} == {
            (JobState.ACCEPTED, 1, Sensitivity.CONFIDENTIAL, ("eu",))
        }
        assert [job.document_digest for job in found] == [late.document_digest, refused.document_digest]
        rows = await here.database.rows("select retry_of::text from batches where id = %s", (new.batch_id,))
        assert rows[0]["retry_of"] == old.batch_id
        assert (await here.job(late.id)).state is JobState.EXPIRED
    check_invariants(database_url)


async def test_only_the_asked_for_states_and_reasons_are_taken_up(database_url: str) -> None:
    async with yard(database_url) as here:
        old = await here.submit(3)
        one, two, three = await here.jobs(old.batch_id)
        await ended(here, one, JobState.REFUSED, "boundary")
        await ended(here, two, JobState.REFUSED, "context")
        await ended(here, three, JobState.CANCELLED, "cancelled")

        too_long = await retry(here.database, TENANT, old.batch_id, Which(reasons=("context",)))
        ended_by_hand = await retry(here.database, TENANT, old.batch_id, Which(states=(JobState.CANCELLED,)))

        assert [job.custom_id for job in await here.jobs(too_long.batch_id)] == [two.custom_id]
        assert [job.custom_id for job in await here.jobs(ended_by_hand.batch_id)] == [three.custom_id]


async def test_a_deadline_counts_anew_and_care_is_never_lowered(database_url: str) -> None:
    async with yard(database_url) as here:
        old = await here.submit(1, sensitivity=Sensitivity.RESTRICTED, residency=("eu", "uk"), deadline_s=1)
        (job,) = await here.jobs(old.batch_id)
        await ended(here, job, JobState.EXPIRED, "deadline")
        careless = Requirements(sensitivity=Sensitivity.PUBLIC, residency=("us", "uk"), deadline_s=3_600)

        new = await retry(here.database, TENANT, old.batch_id, Which(), requirements=careless)

        (found,) = await here.jobs(new.batch_id)
        assert (found.sensitivity, found.residency) == (Sensitivity.RESTRICTED, ("uk",))
        assert found.deadline_at is not None and job.deadline_at is not None
        assert (found.deadline_at - job.deadline_at).total_seconds() > 3_590
        with pytest.raises(BadInput, match="none of us"):
            nowhere = careless.model_copy(update={"residency": ("us",)})
            await retry(here.database, TENANT, old.batch_id, Which(), requirements=nowhere)
        assert await here.count("batches") == 2


async def test_nothing_to_take_up_writes_nothing(database_url: str) -> None:
    async with yard(database_url) as here:
        old = await here.submit(2)

        with pytest.raises(BadInput, match="No document of the batch is failed or expired or refused"):
            await retry(here.database, TENANT, old.batch_id, Which())
        with pytest.raises(UnknownName):
            await retry(here.database, "somebody-else", old.batch_id, Which())
        with pytest.raises(BadInput, match="not taken up again"):
            Which(states=(JobState.SUCCEEDED,))

        assert await here.count("batches") == 1 and await here.count("jobs") == 2
