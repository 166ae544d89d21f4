"""Each guard of the code is taken away in turn, and the promise breaks: so it is the guard that keeps it, and the
checker sees it when it is not kept. (The keeper's turn is in `test_kill_run`, with real processes.)"""

from __future__ import annotations

import psycopg
import pytest

from provider_workers.parcels import Parcels
from provider_workers.writer import Finished, Writer
from runtime.db.stores import capacity, jobs, record
from runtime.ids import new_id
from schemas.job import Job
from schemas.lifecycle import JobState
from tests.faults.history import Verdict, check, read
from tests.yard import STEADY_MS, Yard, a_result, an_attempt, counted, yard

pytestmark = pytest.mark.services

TOKEN_CHECK = "and j.version = a.version and j.lease_token = a.token"


def verdict(here: Yard, *promised: Job) -> Verdict:
    return check([job.id for job in promised], read(here.settings.database_url), calls_known=False)


def finished(job: Job, state: JobState = JobState.SUCCEEDED) -> Finished:
    called = counted(job)
    succeeds = state is JobState.SUCCEEDED
    return Finished(
        before=called,
        after=called.moved(state, slot_id=None),
        attempt=an_attempt(called, cost_usd_micros=0),
        result=a_result(called) if succeeds else None,
    )


async def zombie(here: Yard) -> tuple[Job, Job]:
    """A job as a worker knows it that was stopped for too long, and as the worker holds it that has it now."""
    await here.provider_up()
    [stale] = await here.serving()
    [back] = await here.move([(stale, stale.interrupted("worker_lost", "It went silent."))])
    held = back.moved(JobState.SERVING, slot_id=stale.slot_id, lease_token=back.lease_token + 1)
    [fresh] = await here.move([(back, held)])
    return stale, fresh


async def write(here: Yard, *one: Finished) -> list[bool]:
    writer = Writer(here.database, here.metrics, actor="worker")
    writer.start()
    try:
        return [await writer.write(each) for each in one]
    finally:
        await writer.close()


@pytest.mark.asyncio
async def test_a_worker_that_wakes_too_late_is_fenced(database_url: str) -> None:
    async with yard(database_url) as here:
        stale, fresh = await zombie(here)

        applied = await write(here, finished(stale), finished(fresh))

        assert applied == [False, True]
        assert verdict(here, stale).told() == "kept"
        fenced = await here.database.rows("select lease_token from attempts where fenced")
        assert [row["lease_token"] for row in fenced] == [stale.lease_token]


@pytest.mark.asyncio
async def test_without_the_check_of_version_and_token_it_is_not(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert TOKEN_CHECK in jobs._FENCE
    monkeypatch.setattr(jobs, "_FENCE", jobs._FENCE.replace(TOKEN_CHECK, ""))
    async with yard(database_url) as here:
        stale, _ = await zombie(here)

        assert await write(here, finished(stale)) == [True]

        found = verdict(here, stale)
        assert found.stale_commits == (stale.id,) and not found.is_kept


@pytest.mark.asyncio
async def test_a_second_result_breaks_the_key_of_the_table(database_url: str) -> None:
    async with yard(database_url) as here:
        [job] = await here.serving()
        await write(here, finished(job))

        with pytest.raises(psycopg.errors.UniqueViolation):
            async with here.database.transaction() as connection:
                await record.keep_results(connection, [(job, a_result(counted(job)))])

        assert verdict(here, job).told() == "kept"


@pytest.mark.asyncio
async def test_without_that_key_there_are_two(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.do("alter table results drop constraint results_pkey")
        [job] = await here.serving()
        await write(here, finished(job))

        async with here.database.transaction() as connection:
            await record.keep_results(connection, [(job, a_result(counted(job)))])

        found = verdict(here, job)
        assert found.double_results == (job.id,) and not found.is_kept


async def slots_taken(here: Yard, tries: int) -> int:
    taking = Parcels(here.database, here.settings, provider="alpha", worker_id=new_id(), ids=new_id)
    parcels = [await taking.take(STEADY_MS) for _ in range(tries)]
    return sum(parcel is not None for parcel in parcels)


@pytest.mark.asyncio
async def test_no_slot_above_the_ceiling(database_url: str) -> None:
    async with yard(database_url, parcel=1) as here:
        await here.provider_up(ceiling=2)
        await here.routed(6)

        assert await slots_taken(here, 6) == 2


@pytest.mark.asyncio
async def test_without_the_gate_there_are_more(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity.Gate, "has_room", property(lambda gate: gate.backlog > 0))
    async with yard(database_url, parcel=1) as here:
        await here.provider_up(ceiling=2)
        await here.routed(6)

        assert await slots_taken(here, 6) == 6


@pytest.mark.asyncio
async def test_without_the_tables_own_guard_a_final_job_can_be_moved_and_the_checker_sees_it(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        [job] = await here.serving()
        await write(here, finished(job, JobState.FAILED))
        moved = "update jobs set state = 'routed' where id = %s"
        with pytest.raises(psycopg.errors.CheckViolation):
            await here.do(moved, (job.id,))

        await here.do("drop trigger jobs_guard on jobs")
        await here.do(moved, (job.id,))

        found = verdict(here, job)
        assert found.lost == (job.id,) and found.unaudited_transitions == (job.id,)
