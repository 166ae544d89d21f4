"""The breaker and the switches over several workers of one provider: what one sees, all mind."""

from __future__ import annotations

import asyncio
import time

import pytest

from runtime import switching
from runtime.db.stores import breakers, capacity, switches
from runtime.db.stores.switches import Switch
from runtime.heartbeat import stop
from runtime.keeper import Keeper
from schemas.lifecycle import JobState
from schemas.policy import PlanLimits
from tests.services.test_provider_service import Serving, serving
from tests.yard import STEADY_MS, TENANT, OpenRoom, a_catalog, fake_bells, until

pytestmark = pytest.mark.services

FEW = PlanLimits(attempts_per_step=1, max_attempts=2)


async def breaker(yards: Serving) -> breakers.Standing:
    async with yards.here.database.transaction() as connection:
        found = await breakers.standing(connection, TENANT, "alpha")
    assert found is not None
    return found


async def history(yards: Serving) -> list[str]:
    async with yards.here.database.transaction() as connection:
        return [row["event"] for row in await switches.history(connection, TENANT, "alpha")][::-1]


async def rest_is_over(yards: Serving) -> None:
    await yards.here.do("update providers set breaker_until = now() - interval '1 ms'")


@pytest.mark.asyncio
async def test_outages_are_counted_over_all_workers_and_all_leave_it_alone(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url, alpha="instant:rate_503=1") as yards:
        one, other = await yards.worker(), await yards.worker()
        await yards.here.routed(8)

        for worker in (one, other, one, other, other, one):
            await worker.answer()

        assert await yards.calls() == 3
        assert (await breaker(yards)).breaker.state == "open"
        assert await history(yards) == ["opened"]


@pytest.mark.asyncio
async def test_one_call_over_all_workers_tries_whether_it_is_back(database_url: str, redis_url: str) -> None:
    async with serving(
        database_url, redis_url, alpha="instant:rate_503=1,base_ms=100", slow="instant"
    ) as yards:
        workers = [await yards.worker() for _ in range(3)]
        await yards.here.routed(12)
        for worker in workers:
            await worker.answer()
        before = await yards.calls()

        for tries in (1, 2):
            await rest_is_over(yards)
            await asyncio.gather(*(worker.answer() for worker in workers for _ in range(4)))

            assert await yards.calls() == before + tries, "one probe a rest"
            assert (await breaker(yards)).breaker.opened == 1 + tries


@pytest.mark.asyncio
async def test_an_answered_probe_closes_it_for_all(database_url: str, redis_url: str) -> None:
    async with serving(database_url, redis_url, alpha="instant") as yards:
        workers = [await yards.worker() for _ in range(2)]
        await yards.here.routed(6)
        await yards.here.do("update providers set breaker = 'open', opened = 2, breaker_until = now()")

        for _ in range(6):
            await asyncio.gather(*(worker.answer() for worker in workers))

        assert await yards.here.states() == {"succeeded": 6}
        assert (await breaker(yards)).breaker.is_clean
        assert await history(yards) == ["closed"]


@pytest.mark.asyncio
async def test_a_probe_that_is_lost_with_its_worker_is_followed_by_another(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url, alpha="instant") as yards:
        worker = await yards.worker()
        await yards.here.routed(3)
        await yards.here.do("update providers set breaker = 'open', opened = 1, breaker_until = now()")
        probe = await worker._parcels.take(STEADY_MS)
        assert probe is not None
        assert len(probe.jobs) == 1
        assert await worker._parcels.take(STEADY_MS) is None

        await yards.here.do("delete from slots")

        assert await worker._parcels.take(STEADY_MS) is not None
        await yards.here.do("delete from slots")


@pytest.mark.asyncio
async def test_a_job_waits_out_a_provider_that_is_down_however_many_calls_that_takes(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url, alpha="instant:rate_503=1") as yards:
        worker = await yards.worker(limits=FEW)
        stage = yards.here.stage(a_catalog("alpha"))
        await stage.publish()
        await yards.here.submit(1)
        await yards.here.do("update providers set breaker = 'open', opened = 1")
        for _ in range(6):
            await rest_is_over(yards)
            await until(lambda: _routed(yards, stage))
            await worker.answer()

        (job,) = await yards.here.jobs()
        assert (job.attempts, job.excused) == (6, 6)
        assert job.state in (JobState.ACCEPTED, JobState.HELD)


async def _routed(yards: Serving, stage: object) -> bool:
    await stage.route()  # type: ignore[attr-defined]
    return (await yards.here.states()).get("routed", 0) == 1


@pytest.mark.asyncio
async def test_a_provider_without_trouble_costs_no_write(database_url: str, redis_url: str) -> None:
    async with serving(database_url, redis_url) as yards:
        worker = await yards.worker()
        await yards.here.routed(6)
        # What was seen is folded into the row with a heartbeat; none comes while this is measured.
        await stop(*worker._tasks)
        (before,) = await yards.here.database.rows("select xmin::text from providers")

        for _ in range(6):
            await worker.answer()

        # A claim locks the row, which leaves its mark in xmax; only a write gives it a new xmin.
        assert (await yards.here.database.rows("select xmin::text from providers")) == [before]
        assert await yards.here.states() == {"succeeded": 6}


@pytest.mark.asyncio
async def test_a_kill_gives_up_the_calls_in_flight_within_a_heartbeat(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url, alpha="instant:rate_hang=1") as yards:
        worker = await yards.worker(ceiling=2)
        await yards.here.routed(5, "alpha", "beta")
        calls = [asyncio.create_task(worker.answer()) for _ in range(2)]
        await until(lambda: _in_flight(yards, 2))

        begun = time.monotonic()
        taken = await switching.turn(
            yards.here.database, TENANT, "alpha", Switch.KILL, actor="me", reason="it leaks"
        )
        await asyncio.gather(*calls)

        assert time.monotonic() - begun < 5
        assert taken == 5
        assert await yards.here.states() == {"accepted": 5}
        assert {job.interruptions for job in await yards.here.jobs()} == {0}
        rows = await yards.here.database.rows("select outcome, fenced from attempts")
        assert {(row["outcome"], row["fenced"]) for row in rows} == {("taken_back", True)}
        assert await history(yards) == ["killed"]


async def _in_flight(yards: Serving, count: int) -> bool:
    return await yards.here.count("slots") == count


@pytest.mark.asyncio
async def test_a_paused_one_is_left_by_its_parcels_and_serves_again_when_resumed(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url, alpha="instant:base_ms=60") as yards:
        worker = await yards.worker(ceiling=1)
        await yards.here.routed(16)
        busy = asyncio.create_task(worker.answer())
        await until(lambda: _in_flight(yards, 1))

        await switching.turn(yards.here.database, TENANT, "alpha", Switch.PAUSE, actor="me", reason="")
        await busy
        served = await yards.calls()
        await worker.answer()

        assert served < 8, "its parcel held eight"
        assert await yards.calls() == served
        await switching.turn(yards.here.database, TENANT, "alpha", Switch.RESUME, actor="me", reason="")
        await until(lambda: _serves(yards, worker, served + 1))


async def _serves(yards: Serving, worker: object, calls: int) -> bool:
    await worker.answer()  # type: ignore[attr-defined]
    return await yards.calls() >= calls


@pytest.mark.asyncio
async def test_a_drained_one_serves_what_is_bound_and_is_paused_then(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url) as yards:
        worker = await yards.worker()
        await yards.here.routed(3)
        keeper = Keeper(yards.here.settings, yards.here.database, fake_bells()[0], yards.here.metrics)
        await switching.turn(
            yards.here.database, TENANT, "alpha", Switch.DRAIN, actor="me", reason="new version"
        )

        await keeper.round()
        assert (await breaker(yards)).paused is False
        for _ in range(3):
            await worker.answer()
        await keeper.round()

        assert await yards.here.states() == {"succeeded": 3}
        assert (await breaker(yards)).paused is True
        assert await history(yards) == ["draining", "drained"]


@pytest.mark.asyncio
async def test_an_operator_s_ceiling_stands_until_it_is_given_back(database_url: str, redis_url: str) -> None:
    async with serving(database_url, redis_url) as yards:
        worker = await yards.worker(ceiling=8)
        for asked, found in ((2, 2), (20, 20), (None, 8)):
            async with yards.here.database.transaction() as connection:
                await switches.set_ceiling(connection, TENANT, "alpha", asked, actor="me", reason="")
                await capacity.register_provider(connection, TENANT, "alpha", 8)
                gate = await capacity.gate(connection, TENANT, "alpha")
            assert gate is not None
            assert gate.ceiling == found
        assert worker.provider.ceiling == 8


@pytest.mark.asyncio
async def test_a_provider_that_says_its_limit_is_used_up_is_left_alone_until_its_reset(
    database_url: str, redis_url: str
) -> None:
    profile = "instant:requests_per_minute=60,burst_requests=3,tells_limits=1"
    async with serving(database_url, redis_url, alpha=profile) as yards:
        worker = await yards.worker(ceiling=1)
        await yards.here.routed(8)

        for _ in range(5):
            await worker.answer()

        (row,) = await yards.here.database.rows(
            "select rest_reason, extract(epoch from rests_until - now())::float8 as rest_s from providers"
        )
        assert await yards.outcomes() == ["answered"] * 3, "the fourth would have been a 429"
        assert 1 < row["rest_s"] <= 3
        assert row["rest_reason"].startswith("alpha: it says that its limits are used up")


@pytest.mark.asyncio
async def test_a_refused_document_goes_elsewhere_and_fails_with_that_reason_where_all_refuse(
    database_url: str, redis_url: str
) -> None:
    declines = "instant:rate_content_refused=1"
    async with serving(database_url, redis_url, alpha=declines, beta=declines) as yards:
        alpha, beta = await yards.worker("alpha"), await yards.worker("beta")
        (job,) = await yards.here.routed(1, "alpha", "beta")

        await alpha.answer()
        assert (await yards.here.job(job.id)).provider == "beta"
        await beta.answer()

        found = await yards.here.job(job.id)
        assert (found.state, found.reason_code) == (JobState.FAILED, "content_refused")


@pytest.mark.asyncio
async def test_the_load_settles_at_what_a_provider_takes_at_once(database_url: str, redis_url: str) -> None:
    """It takes four calls of 250 ms at once, and its ceiling says sixteen."""
    profile = "instant:base_ms=250,max_concurrency=4,tells_wait=0"
    async with serving(database_url, redis_url, alpha=profile) as yards:
        room = OpenRoom()
        worker = await yards.worker(ceiling=16, room=room)
        await yards.here.routed(300)

        async def slot() -> None:
            while room.stop_after is None:
                await worker.answer()
                await asyncio.sleep(0.05)

        slots = [asyncio.create_task(slot()) for _ in range(16)]
        await until(lambda: _succeeded(yards, 40), within_s=30)
        begun = time.monotonic()
        await until(lambda: _succeeded(yards, 200), within_s=60)
        seconds = time.monotonic() - begun
        room.stop_after = 0
        await asyncio.gather(*slots)

        rows = await yards.here.database.rows("select outcome, count(*) as n from attempts group by 1")
        ends = {row["outcome"]: row["n"] for row in rows}
        assert ends["rate"] <= 0.2 * ends["answered"], "twelve of them at the first rush"
        assert (await breaker(yards)).allowed <= 8
        # Nine tenths on an idle machine; the laws of `runtime.congestion` hold it to more, without a clock on a wall.
        assert 160 / seconds >= 0.6 * 4 / 0.25, f"{ends}; 160 in {seconds:.1f} s"


async def _succeeded(yards: Serving, jobs: int) -> bool:
    return (await yards.here.states()).get("succeeded", 0) >= jobs
