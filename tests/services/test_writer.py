"""The writer: many slots share a commit, and no fault of one of them, of the network or of the database loses a result
or records one twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from provider_workers import writer as writers
from provider_workers.serve import storable
from provider_workers.writer import Finished, Writer
from runtime.db.session import Connection, Database
from runtime.ids import new_id
from runtime.metrics import Metrics
from schemas.errors import ServiceUnreachable
from schemas.job import Job
from schemas.lifecycle import JobState
from tests.invariants import check_invariants
from tests.yard import Yard, a_result, an_attempt, counted, yard

pytestmark = pytest.mark.services


class Wire(Database):
    """A database whose network can be made to fail, before a transaction begins or after it was committed."""

    transactions = 0
    away_for = 0
    """So many transactions are not begun."""
    silent_for = 0
    """So many commits are applied, and reported as failed."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        self.transactions += 1
        if self.away_for:
            self.away_for -= 1
            raise ServiceUnreachable("away") from psycopg.OperationalError("refused")
        async with super().transaction() as connection:
            yield connection
        if self.silent_for:
            self.silent_for -= 1
            raise ServiceUnreachable("silent") from psycopg.OperationalError("server closed the connection")


@asynccontextmanager
async def writing(here: Yard, database_url: str) -> AsyncIterator[tuple[Writer, Wire]]:
    wire = Wire(database_url)
    await wire.open()
    writer = Writer(wire, here.metrics, actor="worker-1")
    writer.start()
    try:
        yield writer, wire
    finally:
        await writer.close()
        await wire.close()


def done(job: Job, **changes: Any) -> Finished:
    """The job succeeded at its first call."""
    called = counted(job)
    after = replace(called, cost_usd_micros=7).moved(JobState.SUCCEEDED, slot_id=None)
    return Finished(
        before=called,
        after=after,
        facts={"n": 1},
        attempt=an_attempt(called),
        result=a_result(called, **changes),
    )


def fenced_commits(metrics: Metrics) -> float:
    return metrics.fenced._value.get()


@pytest.mark.asyncio
async def test_what_many_slots_hand_in_together_is_committed_together(database_url: str) -> None:
    async with yard(database_url) as here, writing(here, database_url) as (writer, wire):
        found = await here.serving(30)

        applied = await asyncio.gather(*(writer.write(done(job)) for job in found))

        assert applied == [True] * 30
        assert wire.transactions == 1
        assert await here.states() == {"succeeded": 30}
        assert (await here.count("results"), await here.count("attempts")) == (30, 30)
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_one_commit_takes_no_more_than_so_many(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "MOST", 4)
    async with yard(database_url) as here, writing(here, database_url) as (writer, wire):
        found = await here.serving(10)

        await asyncio.gather(*(writer.write(done(job)) for job in found))

        assert wire.transactions == 3
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_slot_is_given_back_in_the_same_way(database_url: str) -> None:
    async with yard(database_url) as here, writing(here, database_url) as (writer, _):
        (job,) = await here.serving(1)

        assert await writer.write(Finished(release_slot=job.slot_id))

        assert await here.count("slots") == 0


@pytest.mark.asyncio
async def test_a_job_that_somebody_else_holds_by_now_is_fenced_and_its_call_stays_in_the_ledger(
    database_url: str,
) -> None:
    async with yard(database_url) as here, writing(here, database_url) as (writer, _):
        mine, lost = await here.serving(2)
        (taken,) = await here.move([(lost, lost.interrupted("worker_lost", "It went silent."))])

        applied = await asyncio.gather(writer.write(done(mine)), writer.write(done(lost)))

        assert applied == [True, False]
        assert await here.job(lost.id) == taken
        rows = await here.database.rows("select fenced from attempts where job_id = %s", (lost.id,))
        assert [row["fenced"] for row in rows] == [True]
        assert await here.count("results") == 1
        assert fenced_commits(here.metrics) == 1
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_without_the_token_in_the_write_a_stale_worker_would_overwrite_a_fresh_one(
    database_url: str,
) -> None:
    """The stale commit of the test above, as a plain update would do it: the row guard alone lets it through."""
    async with yard(database_url) as here:
        (lost,) = await here.serving(1)
        (back,) = await here.move([(lost, lost.interrupted("worker_lost", "It went silent."))])
        await here.move([(back, back.moved(JobState.SERVING, lease_token=2, slot_id=new_id()))])

        await here.do("update jobs set state = 'failed', version = version + 1 where id = %s", (lost.id,))

        assert (await here.job(lost.id)).state is JobState.FAILED


@pytest.mark.asyncio
async def test_a_commit_that_was_applied_and_reported_as_failed_is_recognised(database_url: str) -> None:
    async with yard(database_url) as here, writing(here, database_url) as (writer, wire):
        found = await here.serving(3)
        wire.silent_for = 1

        applied = await asyncio.gather(*(writer.write(done(job)) for job in found))

        assert applied == [True] * 3
        assert await here.states() == {"succeeded": 3}
        assert (await here.count("results"), await here.count("attempts")) == (3, 3)
        rows = await here.database.rows("select 1 from attempts where fenced")
        assert rows == []
        assert fenced_commits(here.metrics) == 0
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_an_unclear_commit_with_a_fenced_job_in_it_is_recognised_as_it_was(database_url: str) -> None:
    async with yard(database_url) as here, writing(here, database_url) as (writer, wire):
        mine, lost = await here.serving(2)
        await here.move([(lost, lost.interrupted("worker_lost", "It went silent."))])
        wire.silent_for = 2

        applied = await asyncio.gather(writer.write(done(mine)), writer.write(done(lost)))

        assert applied == [True, False]
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_database_that_is_away_for_a_moment_is_waited_for(database_url: str) -> None:
    async with yard(database_url) as here, writing(here, database_url) as (writer, wire):
        (job,) = await here.serving(1)
        wire.away_for = 2

        assert await writer.write(done(job))

        assert await here.states() == {"succeeded": 1}
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_database_that_stays_away_is_given_up_and_the_lease_decides(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "TRIES", 2)
    async with yard(database_url) as here, writing(here, database_url) as (writer, wire):
        job, other = await here.serving(2)
        wire.away_for = 2

        with pytest.raises(ServiceUnreachable):
            await writer.write(done(job))

        assert await writer.write(done(other)), "the writer itself goes on"
        assert await here.states() == {"serving": 1, "succeeded": 1}
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_an_answer_with_nul_characters_is_stored(database_url: str) -> None:
    async with yard(database_url) as here, writing(here, database_url) as (writer, _):
        (job,) = await here.serving(1)
        said = {"summary": "a\x00b", "findings": [{"quote\x00": ["\x00"]}]}

        assert await writer.write(done(job, output=storable(said)))

        (row,) = await here.database.rows("select output from results")
        assert row["output"] == {"summary": "a\ufffdb", "findings": [{"quote\ufffd": ["\ufffd"]}]}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "poison",
    [
        {"output": {"summary": "a\x00b"}},
        {"model_reported": "a\x00b"},
        {"output": {"n": object()}},
        {"job_id": new_id()},
    ],
    ids=["nul in json", "nul in text", "no json", "no such job"],
)
async def test_one_that_cannot_be_stored_does_not_lose_the_others(
    database_url: str, poison: dict[str, Any]
) -> None:
    async with yard(database_url) as here, writing(here, database_url) as (writer, _):
        first, bad, last = await here.serving(3)
        handed_in = [writer.write(done(first)), writer.write(done(bad, **poison)), writer.write(done(last))]

        outcomes = await asyncio.gather(*handed_in, return_exceptions=True)

        assert [outcomes[0], outcomes[2]] == [True, True]
        assert isinstance(outcomes[1], Exception)
        assert await here.states() == {"succeeded": 2, "serving": 1}
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_job_that_comes_twice_in_one_group_moves_once(database_url: str) -> None:
    """As when a slot that was thought lost and its successor, in one process, finish in the same moment."""
    async with yard(database_url) as here, writing(here, database_url) as (writer, _):
        job, other = await here.serving(2)

        applied = await asyncio.gather(*(writer.write(done(each)) for each in (job, other, job)))

        assert applied == [True, True, False]
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_closing_commits_what_is_still_waiting(database_url: str) -> None:
    async with yard(database_url) as here, writing(here, database_url) as (writer, _):
        first, second = await here.serving(2)
        early = writer.write(done(first))
        await asyncio.sleep(0)  # the writer has taken it, and waits for company
        late = writer.write(done(second))

        await writer.close()

        assert (early.done(), late.done()) == (True, True)
        assert await here.states() == {"succeeded": 2}
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_closing_waits_for_a_commit_that_is_under_way(database_url: str) -> None:
    async with yard(database_url) as here, writing(here, database_url) as (writer, wire):
        (job,) = await here.serving(1)
        wire.away_for = 1
        committed = writer.write(done(job))
        await asyncio.sleep(0.05)  # the first try has failed by now, and the second has not begun
        assert not committed.done()

        await writer.close()

        assert committed.done()
        assert await here.states() == {"succeeded": 1}


@pytest.mark.asyncio
async def test_a_writer_that_was_never_started_closes(database_url: str) -> None:
    async with yard(database_url) as here:
        await Writer(here.database, here.metrics, actor="w").close()
