"""Jobs in the database: read as they were written, and moved together with their audit events or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.db.session import Connection, Database
from runtime.db.stores import jobs, record
from schemas.audit import first_flaw
from schemas.decision import Step
from schemas.features import JobFeatures
from schemas.job import Job
from schemas.lifecycle import JobState
from schemas.sensitivity import Quality, Sensitivity
from tests.engine_values import NOON
from tests.invariants import check_invariants
from tests.yard import TENANT, a_result, an_attempt, counted, some_features, yard

pytestmark = pytest.mark.services


async def write(database: Database, *moves: jobs.Move) -> frozenset[str]:
    async with database.transaction() as connection:
        return await jobs.move(connection, moves)


def to_serving(job: Job, token: int | None = None) -> jobs.Move:
    after = job.moved(JobState.SERVING, lease_token=job.lease_token + 1 if token is None else token)
    return jobs.move_of(job, after, at=NOON, actor="test", facts={"why": "a test"})


@pytest.mark.asyncio
async def test_a_move_writes_the_row_and_its_event(database_url: str) -> None:
    async with yard(database_url) as here:
        (job,) = await here.routed(1)
        move = to_serving(job)

        moved = await write(here.database, move)

        assert moved == {job.id}
        assert await here.job(job.id) == move.after
        async with here.database.transaction() as connection:
            events = await record.events(connection, TENANT, [job.id])
        assert [event.version for event in events] == [1, 2, 3]
        assert first_flaw(events) is None
        assert orjson.loads(events[-1].body)["facts"] == {"why": "a test"}
        assert events[-1].hash == move.after.audit_head
    check_invariants(database_url)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "stale", [{"version": 1}, {"version": 3}, {"lease_token": 7}, {"tenant_id": "other"}], ids=str
)
async def test_a_stale_version_token_or_tenant_touches_nothing_and_writes_no_event(
    database_url: str, stale: dict[str, int]
) -> None:
    async with yard(database_url) as here:
        (job,) = await here.routed(1)

        moved = await write(here.database, to_serving(replace(job, **stale)))  # type: ignore[arg-type]

        assert moved == frozenset()
        assert await here.job(job.id) == job
        assert await here.count("audit_events") == 2
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_of_a_group_the_fenced_ones_stay_and_the_others_move(database_url: str) -> None:
    async with yard(database_url) as here:
        found = await here.routed(6)
        stale = {job.id for job in found[::2]}
        seen = [replace(job, version=1) if job.id in stale else job for job in found]

        moved = await write(here.database, *map(to_serving, seen))

        assert moved == {job.id for job in found} - stale
        assert await here.states() == {"routed": 3, "serving": 3}
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_of_many_movers_of_the_same_job_one_wins(database_url: str) -> None:
    async with yard(database_url, connections=8) as here:
        (job,) = await here.routed(1)
        movers = [write(here.database, to_serving(job, token)) for token in range(1, 9)]

        moved = await asyncio.gather(*movers)

        assert sorted(map(len, moved)) == [0] * 7 + [1]
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_two_moves_of_one_job_in_one_group_are_both_refused(database_url: str) -> None:
    """A group in which one job comes twice is a bug; nothing of it is written, rather than one event too many."""
    async with yard(database_url) as here:
        (job,) = await here.routed(1)

        with pytest.raises(Exception, match="audit_events_pkey"):
            await write(here.database, to_serving(job, 1), to_serving(job, 2))

        assert await here.job(job.id) == job
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_move_of_nothing_is_nothing(database_url: str) -> None:
    async with yard(database_url) as here:
        assert await write(here.database) == frozenset()


@pytest.mark.asyncio
async def test_a_job_of_another_tenant_is_not_found(database_url: str) -> None:
    async with yard(database_url) as here:
        (job,) = await here.routed(1)

        async with here.database.transaction() as connection:
            assert await jobs.find(connection, "other", job.id) is None


@pytest.mark.asyncio
async def test_what_the_router_learned_is_kept_without_a_move(database_url: str) -> None:
    async with yard(database_url) as here:
        accepted = await here.submit(2)
        first, second = await here.jobs(accepted.batch_id)
        learned = [
            replace(first, route_class="c1", features=some_features(tokens=77)),
            replace(second, route_class="c2", version=9),
        ]

        async with here.database.transaction() as connection:
            await jobs.classify(connection, learned)

        assert await here.job(first.id) == learned[0]
        assert await here.job(second.id) == second, "of another version, so left alone"
    check_invariants(database_url)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("harm", "found"),
    [
        ("update jobs set state = 'failed'", "I1: .* has 1 results"),
        ("delete from results", "I1: .* has 0 results"),
        ("update results set lease_token = 9", "I4: .* of token 9"),
        ("update jobs set version = version + 1", "I3: .* is at version 5 and has 4 events"),
        ("delete from audit_events where version = 2", "I3: .* has 3 events"),
        ("update audit_events set body = 'x' where version = 2", "I3: .* was changed after it was written"),
        ("update jobs set state = 'serving', lease_token = 2", "I3: .* and its last event says succeeded"),
        ("update jobs set audit_head = 'x'", "I3: the head of"),
        ("update batches set accepted = 5", "I9: .* accepted 5 and has 1 jobs"),
        ("update batches set rejected = 1", "I9: .* rejected 1 and shows 0"),
        ("update jobs set cost_usd_micros = 1", "I10: .* cost 1, and its attempts 7"),
        ("update attempts set fenced = true", "I10: .* cost 7, and its attempts 0"),
    ],
    ids=lambda value: value if "=" in value or "delete" in value else "",
)
async def test_the_checker_of_the_invariants_sees_each_of_them_broken(
    database_url: str, harm: str, found: str
) -> None:
    async with yard(database_url) as here:
        (job,) = await here.serving(1)
        called = counted(job)
        async with here.database.transaction() as connection:
            after = replace(called, cost_usd_micros=7).moved(JobState.SUCCEEDED)
            moved = await jobs.move(connection, [jobs.move_of(called, after, at=NOON, actor="t", facts={})])
            await record.keep_attempts(connection, [(called, an_attempt(called))], moved)
            await record.keep_results(connection, [(called, a_result(called))])
        check_invariants(database_url)
        await here.do("alter table jobs disable trigger user")
        await here.do("alter table audit_events disable trigger user")

        await here.do(harm)

        with pytest.raises(AssertionError, match=found):
            check_invariants(database_url)


_words = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
_counts = st.integers(0, 2**31 - 1)
_small = st.integers(0, 2**15 - 1)
_instants = st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))

_features = st.none() | st.builds(
    JobFeatures,
    tokens=_counts,
    prompt_tokens=_counts,
    expected_output_tokens=_counts,
    max_output_tokens=_counts,
    characters=_counts,
    language=_words,
    modalities=st.lists(_words, max_size=2).map(tuple),
    needs_json_schema=st.booleans(),
    sensitivity=st.sampled_from(Sensitivity),
    residency=st.lists(_words, max_size=2).map(tuple),
    quality=st.sampled_from(Quality),
    time_left_ms=st.none() | st.integers(-(2**31), 2**31),
    max_cost_usd_micros=st.none() | st.integers(0, 2**53),
    closed_by=st.lists(_words, max_size=2).map(tuple),
)

_moving = st.fixed_dictionaries(
    {},
    optional={
        "lease_token": st.integers(0, 2**63 - 1),
        "slot_id": st.none() | st.uuids().map(str),
        "features": _features,
        "route_class": _words,
        "provider": st.none() | _words,
        "model": st.none() | _words,
        "plan": st.lists(st.builds(Step, _words, _words, st.integers(0, 2**53)), max_size=3).map(tuple),
        "step": _small,
        "attempts": _counts,
        "step_attempts": _small,
        "interruptions": _small,
        "plans": _small,
        "not_before": st.none() | _instants,
        "reason_code": _words,
        "reason": _words,
        "cost_usd_micros": st.integers(0, 2**63 - 1),
    },
)


@pytest.mark.asyncio
async def test_whatever_a_group_changes_is_read_back_as_it_was_written(database_url: str) -> None:
    """Each job something else: only what changes is sent. In one transaction that is taken back after each example, so
    that all of them begin with the same rows."""
    async with yard(database_url) as here:
        found = await here.routed(2)
        async with here.database.transaction() as connection:
            loop = asyncio.get_running_loop()
            await asyncio.to_thread(_round_trips, loop, connection, found)


def _round_trips(loop: asyncio.AbstractEventLoop, connection: Connection, stored: list[Job]) -> None:
    ends = st.sampled_from([JobState.SERVING, JobState.ACCEPTED, JobState.EXPIRED])

    @given(st.tuples(*[st.tuples(ends, _moving) for _ in stored]))
    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
    def holds(changes: tuple[tuple[JobState, dict[str, object]], ...]) -> None:
        after = [job.moved(to, **changed) for job, (to, changed) in zip(stored, changes, strict=True)]

        found = asyncio.run_coroutine_threadsafe(_stored(connection, stored, after), loop).result(10)

        for job, new, read in zip(stored, after, found, strict=True):
            kept = job.features if new.features is None else new.features
            assert read == replace(new, audit_head=read.audit_head, features=kept)

    holds()


async def _stored(connection: Connection, before: list[Job], after: list[Job]) -> list[Job]:
    await connection.execute("savepoint example")
    moves = [
        jobs.move_of(old, new, at=NOON, actor="test", facts={})
        for old, new in zip(before, after, strict=True)
    ]
    await jobs.move(connection, moves)
    found = [await jobs.find(connection, TENANT, job.id) for job in before]
    await connection.execute("rollback to savepoint example")
    return [job for job in found if job is not None]
