"""The keeper: it finds everything that stands still and sets it right, and may run at any time, or twice at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import fakeredis
import pytest
from redis.exceptions import ConnectionError as BrokerDown

from runtime.db.stores import capacity
from runtime.doorbells import RedisDoorbells
from runtime.ids import new_id
from runtime.keeper import Keeper
from runtime.redis_client import make_redis
from runtime.topology import KEY_PREFIX
from schemas.job import MAX_INTERRUPTIONS, Job
from schemas.lifecycle import JobState
from schemas.messages import CLASSIFIER_QUEUE, provider_queue
from schemas.sensitivity import Lane
from tests.invariants import check_invariants
from tests.yard import TENANT, Yard, fake_bells, until, yard

pytestmark = pytest.mark.services


def keeper_of(here: Yard, bells: Any = None, **settings: Any) -> Keeper:
    found = here.settings.model_copy(update={"keep_s": 0.02, **settings})
    return Keeper(found, here.database, bells or fake_bells(here.metrics)[0], here.metrics)


async def bells_on(broker: Any, queue: str) -> int:
    return int(await broker.llen(KEY_PREFIX + queue))


async def claimed(here: Yard, job: Job, *, lease_s: float = -1.0) -> Job:
    """Held by a slot whose lease has ended already."""
    slot_id = new_id()
    async with here.database.transaction() as connection:
        await capacity.take_slot(connection, TENANT, "alpha", new_id(), slot_id, lease_s=lease_s)
    held = job.moved(JobState.SERVING, slot_id=slot_id, lease_token=job.lease_token + 1)
    return (await here.move([(job, held)]))[0]


# -- work that stands still


@pytest.mark.asyncio
async def test_a_quiet_yard_is_left_as_it_is(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up()
        await here.routed(2)
        await here.serving(2)

        done = await keeper_of(here).round()

        assert not any(done.values())
        assert await here.states() == {"routed": 2, "serving": 2}
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_the_jobs_of_a_slot_whose_lease_ended_are_bound_again_and_say_so(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up()
        lost = await here.serving(5, lease_s=-1)
        kept = await here.serving(1, lease_s=30)

        done = await keeper_of(here).round()

        assert (done["slots"], done["recovered"], done["not_begun"]) == (1, 2, 3)
        found = [await here.job(job.id) for job in lost]
        assert {(job.state, job.provider, job.slot_id) for job in found} == {(JobState.ROUTED, "alpha", None)}
        # The first may have been called, and the second too, where a commit was late; the others had no turn yet.
        assert [(job.interruptions, job.reason_code) for job in found] == [
            *[(1, "worker_lost")] * 2,
            *[(0, "not_begun")] * 3,
        ]
        assert await here.job(kept[0].id) == kept[0]
        assert here.metrics.recovered._value.get() == 5
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_open_jobs_are_counted_as_rarely_as_it_takes_long(database_url: str) -> None:
    async with yard(database_url) as here:
        keeper, moments = keeper_of(here), iter([0.0, 2.0, 201.9, 202.0, 202.5])
        keeper.ticks = lambda: next(moments)
        waiting = here.metrics.jobs.labels("accepted")._value

        await keeper.round()  # from 0 to 2 s: it took two seconds
        await here.submit(3)
        await keeper.round()  # at 201.9 s
        too_early = waiting.get()
        await keeper.round()  # at 202 s

        assert (too_early, waiting.get()) == (0, 3)


@pytest.mark.asyncio
async def test_what_a_slot_had_claimed_ahead_had_no_turn_however_urgent_it_is(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up()
        urgent = await here.routed(3, lane=Lane.URGENT)
        first = await here.serving(2, lease_s=-1)
        slot = first[0].slot_id
        ahead = [(job, job.moved(JobState.SERVING, slot_id=slot, lease_token=1)) for job in urgent]
        await here.move(ahead)

        await keeper_of(here).round()

        assert [(await here.job(job.id)).reason_code for job in first] == ["worker_lost"] * 2
        assert [(await here.job(job.id)).reason_code for job in urgent] == ["not_begun"] * 3
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_job_whose_worker_is_lost_again_and_again_fails(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up()
        (job,) = await here.routed(1)
        keeper, states = keeper_of(here), []

        for _ in range(MAX_INTERRUPTIONS):
            await claimed(here, job)
            await keeper.round()
            job = await here.job(job.id)
            states.append(job.state)

        assert states == [JobState.ROUTED, JobState.ROUTED, JobState.FAILED]
        assert (job.reason_code, job.interruptions) == ("worker_lost", 3)
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_without_the_keeper_such_jobs_would_stand_still_for_ever(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up()
        await here.serving(1, lease_s=-1)

        async with here.database.transaction() as connection:
            gate = await capacity.gate(connection, TENANT, "alpha")

        assert gate is not None
        assert gate.backlog == 0, "no slot can claim it"


@pytest.mark.asyncio
async def test_what_is_past_its_deadline_expires_unless_it_is_being_served(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up()
        await here.submit(1, deadline_s=60)
        (accepted,) = await here.jobs()
        (routed,) = await here.routed(1, deadline_s=60)
        (other,) = await here.routed(1, deadline_s=60)
        served = await claimed(here, other, lease_s=30)
        (later,) = await here.routed(1, deadline_s=60)
        overdue = [accepted.id, routed.id, served.id]
        await here.do(
            "update jobs set deadline_at = now() - interval '1 s' where id = any(%s::uuid[])", (overdue,)
        )

        done = await keeper_of(here).round()

        found = {job.id: job.state for job in await here.jobs()}
        assert done["expired"] == 2
        assert found == {
            accepted.id: JobState.EXPIRED,
            routed.id: JobState.EXPIRED,
            served.id: JobState.SERVING,
            later.id: JobState.ROUTED,
        }
        expired = await here.job(accepted.id)
        assert (expired.reason_code, expired.reason) == (
            "deadline",
            "The deadline passed before it was served.",
        )
    check_invariants(database_url)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "shut",
    [
        "update providers set paused = true",
        "update providers set rests_until = now() + interval '1 minute'",
        "update workers set seen_at = now() - interval '1 minute'",
        "update workers set key_found = false",
    ],
    ids=["paused", "resting", "no worker", "no key"],
)
async def test_what_is_bound_to_a_provider_that_does_not_serve_is_taken_back(
    database_url: str, shut: str
) -> None:
    async with yard(database_url) as here:
        await here.provider_up("alpha")
        await here.provider_up("beta")
        mine, other = (await here.routed(2, "alpha", "beta")), (await here.routed(1, "beta"))
        await here.do(f"{shut} where {'provider' if 'workers' in shut else 'name'} = 'alpha'")

        done = await keeper_of(here).round()

        assert done["unbound"] == 2
        for job in mine:
            found = await here.job(job.id)
            assert (found.state, found.provider, found.plan, found.step) == (JobState.ACCEPTED, None, (), 0)
            assert (found.reason_code, found.features) == ("taken_back", job.features)
        assert await here.job(other[0].id) == other[0]
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_provider_that_rests_for_a_moment_keeps_its_work(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up()
        await here.routed(2)
        await here.do("update providers set rests_until = now() + interval '3 s'")

        assert (await keeper_of(here).round())["unbound"] == 0
        assert await here.states() == {"routed": 2}


@pytest.mark.asyncio
async def test_a_call_in_flight_at_a_provider_that_shut_is_left_to_its_worker(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up()
        await here.serving(1)
        await here.do("update providers set paused = true")

        await keeper_of(here).round()

        assert await here.states() == {"serving": 1}


@pytest.mark.asyncio
async def test_a_batch_is_finished_once_when_its_last_job_is(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.submit(2)
        first, second = await here.jobs()
        keeper = keeper_of(here)
        await here.move([(first, first.moved(JobState.REFUSED, reason_code="boundary"))])
        await keeper.round()
        rows = await here.database.rows("select finished_at from batches")
        assert rows[0]["finished_at"] is None

        await here.move([(second, second.moved(JobState.CANCELLED))])
        await keeper.round()
        (once,) = await here.database.rows("select finished_at from batches")
        await keeper.round()
        (twice,) = await here.database.rows("select finished_at from batches")

        assert once["finished_at"] is not None
        assert once == twice
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_rounds_at_once_do_each_thing_once(database_url: str) -> None:
    async with yard(database_url, connections=8) as here:
        await here.provider_up()
        await here.serving(30, lease_s=-1)
        keepers = [keeper_of(here) for _ in range(4)]

        done = await asyncio.gather(*(keeper.round() for keeper in keepers))

        assert sum(each["recovered"] + each["not_begun"] for each in done) == 30
        assert sorted(job.interruptions for job in await here.jobs()) == [0] * 28 + [1] * 2
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_another_tenant_s_work_is_another_keeper_s(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up()
        await here.serving(1, lease_s=-1)

        done = await keeper_of(here, tenant="other").round()

        assert not any(done.values())
        assert await here.states() == {"serving": 1}


@pytest.mark.asyncio
async def test_workers_that_were_silent_for_long_are_forgotten(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up("alpha")
        living = await here.provider_up("beta")
        await here.do("update workers set seen_at = now() - interval '10 minutes' where provider = 'alpha'")

        await keeper_of(here).round()

        rows = await here.database.rows("select id::text from workers where role = 'provider'")
        assert [row["id"] for row in rows] == [living]


# -- bells


@pytest.mark.asyncio
async def test_bells_are_topped_up_to_what_slots_and_router_can_use(database_url: str) -> None:
    async with yard(database_url) as here:
        bells, broker = fake_bells()
        await here.provider_up("alpha", ceiling=3)
        await here.provider_up("beta", ceiling=8)
        await here.routed(5, "alpha")
        await here.routed(2, "beta")
        await here.submit(4)
        keeper = keeper_of(here, bells)

        for _ in range(2):
            await keeper.round()

            queues = (provider_queue("alpha"), provider_queue("beta"), CLASSIFIER_QUEUE)
            assert [await bells_on(broker, queue) for queue in queues] == [3, 2, 1]


@pytest.mark.asyncio
async def test_no_bell_is_rung_for_work_that_cannot_start(database_url: str) -> None:
    async with yard(database_url) as here:
        bells, broker = fake_bells()
        await here.provider_up("alpha")
        await here.routed(2, "alpha")
        await here.do("update jobs set not_before = now() + interval '1 minute'")

        await keeper_of(here, bells).round()

        assert await bells_on(broker, provider_queue("alpha")) == 0
        assert await bells_on(broker, CLASSIFIER_QUEUE) == 0


@pytest.mark.asyncio
async def test_after_the_broker_was_wiped_one_round_brings_the_bells_back(
    database_url: str, redis_url: str
) -> None:
    async with yard(database_url) as here:
        broker = make_redis(redis_url)
        bells = RedisDoorbells(broker, here.metrics)
        keeper = keeper_of(here, bells)
        await here.provider_up(ceiling=2)
        await here.routed(4)
        await here.submit(1)
        await keeper.round()

        await broker.flushall()
        assert await bells_on(broker, provider_queue("alpha")) == 0
        await keeper.round()

        assert await bells_on(broker, provider_queue("alpha")) == 2
        assert await bells_on(broker, CLASSIFIER_QUEUE) == 1
        await bells.close()


@pytest.mark.asyncio
async def test_a_broker_that_is_down_keeps_no_work_from_being_set_right(database_url: str) -> None:
    down = fakeredis.FakeServer()
    down.connected = False

    async with yard(database_url) as here:
        broker = fakeredis.FakeAsyncRedis(server=down)
        await here.provider_up()
        await here.serving(2, lease_s=-1)

        done = await keeper_of(here, RedisDoorbells(broker, here.metrics)).round()

        assert done["recovered"] == 2
        with pytest.raises(BrokerDown):
            await broker.ping()


# -- who leads


@asynccontextmanager
async def keeping(keeper: Keeper) -> AsyncIterator[asyncio.Event]:
    stopping = asyncio.Event()
    task = asyncio.create_task(keeper.keep(stopping))
    try:
        yield stopping
    finally:
        stopping.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(task, 5)


async def says(here: Yard, keeper: Keeper) -> str | None:
    rows = await here.database.rows("select detail from workers where id = %s", (keeper.keeper_id,))
    return rows[0]["detail"] if rows else None


@pytest.mark.asyncio
async def test_of_two_keepers_one_leads_and_the_other_takes_over_when_it_stops(database_url: str) -> None:
    async with yard(database_url, connections=8) as here:
        first, second = keeper_of(here), keeper_of(here)
        async with keeping(first) as stopping:
            await until(lambda: _is(here, first, "leads"))
            async with keeping(second):
                await until(lambda: _is(here, second, "stands by"))
                await asyncio.sleep(0.1)
                assert (await says(here, first), await says(here, second)) == ("leads", "stands by")

                stopping.set()

                await until(lambda: _is(here, second, "leads"))


@pytest.mark.asyncio
async def test_a_keeper_that_loses_its_connection_loses_the_lead_and_goes_on(database_url: str) -> None:
    async with yard(database_url, connections=8) as here:
        keeper = keeper_of(here)
        async with keeping(keeper):
            await until(lambda: _is(here, keeper, "leads"))
            await here.do("delete from workers")

            await here.do(
                "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'"
                " and pid <> pg_backend_pid()"
            )

            await until(lambda: _is(here, keeper, "leads"))


@pytest.mark.asyncio
async def test_a_round_that_breaks_is_not_the_last(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with yard(database_url) as here:
        keeper, rounds = keeper_of(here), 0
        real = keeper.round

        async def breaking() -> dict[str, int]:
            nonlocal rounds
            rounds += 1
            if rounds == 1:
                raise RuntimeError("it breaks")
            return await real()

        monkeypatch.setattr(keeper, "round", breaking)
        async with keeping(keeper):

            async def went_on() -> bool:
                return rounds > 2

            await until(went_on)


async def _is(here: Yard, keeper: Keeper, detail: str) -> bool:
    return await says(here, keeper) == detail


# -- work that was bound to a provider as it was before


async def bound(here: Yard, count: int, *, work_ms: int = 10_000) -> list[Job]:
    found = await here.routed(count)
    await here.do("update jobs set work_ms = %s where state = 'routed'", (work_ms,))
    return found


async def turns(here: Yard, health: str, pace_millionths: int) -> None:
    shown = capacity.Shown({}, pace_millionths, 1_000_000, None, None, 0, health)
    async with here.database.transaction() as connection:
        await capacity.keep_seen(connection, TENANT, "alpha", shown)


@pytest.mark.asyncio
async def test_a_provider_that_turned_slow_keeps_what_it_can_do_and_nothing_swings(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up(ceiling=1)
        jobs = await bound(here, 8)
        await turns(here, "slow", 3_000_000)
        keeper = keeper_of(here)

        done = await keeper.round()

        assert done["replanned"] == 7, "half a minute at a third of the speed is one such job"
        assert (await here.job(jobs[0].id)).state is JobState.ROUTED
        last = await here.job(jobs[-1].id)
        assert (last.state, last.provider, last.work_ms) == (JobState.ACCEPTED, None, 0)
        assert (last.reason_code, last.reason) == (
            "replanned",
            "Taken back from alpha, since alpha is slow now; it is decided anew.",
        )
        assert here.metrics.health.labels("alpha")._value.get() == 1
        assert here.metrics.replanned.labels("alpha")._value.get() == 7

        await bound(here, 8)  # decided after the change, knowing of it
        assert (await keeper.round())["replanned"] == 0
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_one_that_comes_up_gets_its_share_once(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up(ceiling=1)
        await bound(here, 6)
        keeper = keeper_of(here)
        assert (await keeper.round())["replanned"] == 0

        await here.provider_up("beta", ceiling=1)

        assert (await keeper.round())["replanned"] == 4
        assert (await keeper.round())["replanned"] == 0
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_job_on_its_way_through_its_plan_stays_where_it_is(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up(ceiling=1)
        await bound(here, 6)
        await here.do("update jobs set step_attempts = 1 where state = 'routed'")
        await turns(here, "failing", 1_000_000)

        assert (await keeper_of(here).round())["replanned"] == 0
