"""The gate of a provider: its ceiling holds over all claimers, and a closed gate lets nobody in."""

from __future__ import annotations

import asyncio

import pytest

from provider_workers.parcels import Parcel, Parcels
from runtime.db.stores import capacity, upkeep
from runtime.ids import new_id
from schemas.catalog import Limits
from schemas.lifecycle import JobState
from tests.invariants import check_invariants
from tests.yard import STEADY_MS, TENANT, Yard, contract, yard

pytestmark = pytest.mark.services


def taker(here: Yard, provider: str = "alpha", **settings: object) -> Parcels:
    changed = here.settings.model_copy(update=settings)
    return Parcels(here.database, changed, provider=provider, worker_id=new_id(), ids=new_id)


async def slots(here: Yard) -> int:
    return await here.count("slots")


@pytest.mark.asyncio
async def test_twenty_claimers_at_once_never_hold_more_slots_than_the_ceiling(database_url: str) -> None:
    async with yard(database_url, connections=20) as here:
        await here.provider_up(ceiling=3)
        await here.routed(40)
        takers = [taker(here, parcel=2) for _ in range(20)]

        taken = [
            parcel for parcel in await asyncio.gather(*(each.take(STEADY_MS) for each in takers)) if parcel
        ]

        assert len(taken) == await slots(here) == 3
        held = [job.id for parcel in taken for job in parcel.jobs]
        assert len(held) == len(set(held))
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_without_the_gate_s_lock_the_ceiling_would_not_hold(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting and taking in step, as claimers at once would: the lock is what makes them take turns."""
    arrived = asyncio.Barrier(4)
    real = capacity.gate

    async def unlocked(connection: object, *asked: object, **more: object) -> object:
        rows = await capacity.fetch(
            connection, capacity._GATE, {"tenant": TENANT, "provider": "alpha", "most": 9}
        )  # type: ignore[arg-type]
        await arrived.wait()
        return capacity.gate_of(rows[0])

    async with yard(database_url, connections=4) as here:
        await here.provider_up(ceiling=1)
        await here.routed(8)
        monkeypatch.setattr(capacity, "gate", unlocked)

        taken = await asyncio.gather(*(taker(here, parcel=1).take(STEADY_MS) for _ in range(4)))

        assert sum(parcel is not None for parcel in taken) > 1
        assert real is not capacity.gate


@pytest.mark.asyncio
async def test_who_asks_at_the_same_moment_is_claimed_for_together_below_the_ceiling(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        await here.provider_up(ceiling=3)
        await here.routed(40)
        parcels = taker(here, parcel=2)

        taken = [
            found for found in await asyncio.gather(*(parcels.take(STEADY_MS) for _ in range(20))) if found
        ]

        assert len(taken) == await slots(here) == 3
        held = [job.id for parcel in taken for job in parcel.jobs]
        assert len(held) == len(set(held)) == 6
        assert all({job.document_digest for job in found.jobs} == found.texts.keys() for found in taken)
        rows = await here.database.rows(
            "select count(distinct xmin::text) as claims from audit_events where version = 3"
        )
        assert rows[0]["claims"] == 1
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_slot_goes_on_unless_it_was_taken_back_or_the_ceiling_was_lowered(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up(ceiling=2)
        await here.routed(20)
        parcels = taker(here, parcel=1)
        one, other = [await parcels.take(STEADY_MS) for _ in range(2)]
        assert one is not None and other is not None

        more = await parcels.refill(one.slot_id, None)
        await here.do("update providers set set_ceiling = 1")
        too_many = await parcels.refill(other.slot_id, None)
        await here.do("delete from slots where id = %s", (other.slot_id,))
        gone, last = await asyncio.gather(
            parcels.refill(other.slot_id, None), parcels.refill(one.slot_id, None)
        )

        assert more is not None and last is not None
        assert {job.slot_id for job in (*more.jobs, *last.jobs)} == {one.slot_id}
        assert (too_many, gone) == (None, None)
        assert await slots(here) == 1


@pytest.mark.asyncio
async def test_a_job_to_be_served_alone_gets_a_slot_that_would_have_gone_on(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up(ceiling=1)
        await here.routed(4)
        parcels = taker(here, parcel=1)
        first = await parcels.take(STEADY_MS)
        assert first is not None
        await here.do("update jobs set interruptions = 1 where id = (select max(id::text)::uuid from jobs)")
        await here.do("update jobs set lane = 0 where interruptions = 1")

        refilled = await parcels.refill(first.slot_id, None)
        async with here.database.transaction() as connection:
            await capacity.release(connection, [first.slot_id])
        alone = await parcels.take(STEADY_MS)

        assert refilled is None
        assert alone is not None
        assert [job.interruptions for job in alone.jobs] == [1]


@pytest.mark.asyncio
async def test_what_was_claimed_for_somebody_who_is_gone_is_handed_out_at_the_end(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up()
        await here.routed(2)
        parcels = taker(here, parcel=1)
        asking = asyncio.create_task(parcels.take(STEADY_MS))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking.cancel()

        unwanted = await parcels.close()

        assert sum(len(parcel.jobs) for parcel in unwanted) == await slots(here) <= 1
        assert asking.cancelled()


@pytest.mark.asyncio
async def test_a_slot_that_is_given_back_makes_room_for_one_more(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up(ceiling=1)
        await here.routed(2)
        parcels = taker(here, parcel=1)
        first = await parcels.take(STEADY_MS)
        assert first is not None
        assert await parcels.take(STEADY_MS) is None

        async with here.database.transaction() as connection:
            await capacity.release(connection, [first.slot_id])

        assert await parcels.take(STEADY_MS) is not None


@pytest.mark.asyncio
async def test_a_lowered_ceiling_lets_nobody_in_until_enough_have_left(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up(ceiling=2)
        await here.routed(4)
        parcels = taker(here, parcel=1)
        first, second = await parcels.take(STEADY_MS), await parcels.take(STEADY_MS)
        assert first is not None
        assert second is not None

        async with here.database.transaction() as connection:
            await capacity.register_provider(connection, TENANT, "alpha", 1)
            await capacity.release(connection, [first.slot_id])
        assert await parcels.take(STEADY_MS) is None

        async with here.database.transaction() as connection:
            await capacity.release(connection, [second.slot_id])
        assert await parcels.take(STEADY_MS) is not None


@pytest.mark.asyncio
async def test_a_paused_or_resting_provider_is_not_claimed_from(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up()
        await here.routed(1)
        parcels = taker(here)

        await here.do("update providers set paused = true")
        assert await parcels.take(STEADY_MS) is None

        await here.do("update providers set paused = false, rests_until = now() + interval '1 minute'")
        assert await parcels.take(STEADY_MS) is None

        await here.do("update providers set rests_until = now() - interval '1 second'")
        assert await parcels.take(STEADY_MS) is not None


@pytest.mark.asyncio
async def test_a_longer_rest_stays_and_a_shorter_one_does_not_end_it(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up()
        for seconds, reason in ((60.0, "long"), (5.0, "short")):
            async with here.database.transaction() as connection:
                await capacity.rest(connection, TENANT, "alpha", seconds=seconds, reason=reason)

        (row,) = await here.database.rows(
            "select rest_reason, rests_until > now() + interval '50 seconds' as long from providers"
        )
        assert (row["rest_reason"], row["long"]) == ("long", True)


@pytest.mark.asyncio
async def test_a_provider_that_was_never_registered_has_no_gate(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.routed(1)

        assert await taker(here).take(STEADY_MS) is None


@pytest.mark.asyncio
async def test_a_job_that_waits_for_its_time_is_not_claimed_and_does_not_count(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up()
        now, later = await here.routed(2)
        await here.do("update jobs set not_before = now() + interval '1 minute' where id = %s", (later.id,))

        parcel = await taker(here).take(STEADY_MS)

        assert parcel is not None
        assert [job.id for job in parcel.jobs] == [now.id]
        assert parcel.more == 0


@pytest.mark.asyncio
async def test_a_parcel_holds_its_jobs_with_fresh_tokens_texts_and_the_lease_of_its_slot(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        await here.provider_up(ceiling=1)
        await here.routed(4)

        parcel = await taker(here).take(STEADY_MS)

        assert isinstance(parcel, Parcel)
        assert len(parcel.jobs) == 2, "half of the backlog stays for others"
        assert parcel.more == 2
        assert {(job.state, job.lease_token, job.slot_id) for job in parcel.jobs} == {
            (JobState.SERVING, 1, parcel.slot_id)
        }
        assert set(parcel.texts.values()) == {contract(1), contract(2)}
        (row,) = await here.database.rows(
            "select lease_until - now() between interval '25 s' and interval '31 s' as fresh from slots"
        )
        assert row["fresh"]
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_the_most_urgent_go_first_into_a_parcel(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up()
        for requirements in (
            {"lane": "bulk"},
            {"lane": "normal"},
            {"lane": "normal", "deadline_s": 60},
            {"lane": "urgent"},
        ):
            await here.routed(1, **requirements)  # type: ignore[arg-type]
        bulk, normal, soon, urgent = [job.id for job in await here.jobs()]
        parcels = taker(here, parcel=1)

        order = []
        for _ in range(4):
            parcel = await parcels.take(STEADY_MS)
            assert parcel is not None
            order += [job.id for job in parcel.jobs]

        assert order == [urgent, soon, normal, bulk]


@pytest.mark.asyncio
async def test_a_renewed_lease_lasts_and_one_that_was_taken_back_is_missed(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up()
        await here.routed(2)
        first, second = [await taker(here, parcel=1, lease_s=2).take(STEADY_MS) for _ in range(2)]
        assert first is not None
        assert second is not None
        await here.do(
            "update slots set lease_until = now() - interval '1 second' where id = %s", (second.slot_id,)
        )
        async with here.database.transaction() as connection:
            dropped = await upkeep.drop_ended_slots(connection, TENANT)

        async with here.database.transaction() as connection:
            held = await capacity.renew(connection, [first.slot_id, second.slot_id], lease_s=60)

        assert [row["id"] for row in dropped] == [second.slot_id]
        assert held == {first.slot_id}
        (row,) = await here.database.rows(
            "select lease_until > now() + interval '50 s' as renewed from slots"
        )
        assert row["renewed"]


@pytest.mark.asyncio
async def test_the_catalog_s_ceiling_becomes_the_gate_s_and_a_pause_stays(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up(ceiling=8)
        await here.do("update providers set paused = true")

        await here.provider_up(ceiling=5)

        (row,) = await here.database.rows("select ceiling, paused from providers")
        assert (row["ceiling"], row["paused"]) == (5, True)


@pytest.mark.asyncio
async def test_loads_count_living_workers_with_a_key_and_what_is_bound_and_in_flight(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        await here.provider_up("alpha", ceiling=8, slots=3, job_ms_p50=100)
        await here.provider_up("alpha", slots=2, job_ms_p50=300)
        await here.provider_up("alpha", slots=5, key_found=False, detail="No key.")
        silent = await here.provider_up("alpha", slots=7)
        await here.do("update workers set seen_at = now() - interval '1 minute' where id = %s", (silent,))
        await here.provider_up("beta", slots=1)
        await here.routed(2, "alpha")
        await here.serving(1, "alpha")

        async with here.database.transaction() as connection:
            alpha, beta = await capacity.loads(connection, TENANT)

        assert (alpha["slots"], alpha["workers"], alpha["keyless"]) == (5, 2, 1)
        assert (alpha["waiting_jobs"], alpha["waiting_tokens"], alpha["in_flight"]) == (2, 240, 1)
        assert alpha["job_ms_p50"] == 100
        assert (beta["slots"], beta["waiting_jobs"], beta["in_flight"]) == (1, 0, 0)
        assert (alpha["waiting_work_ms"], alpha["in_flight_tokens"], alpha["health"]) == (0, 120, "well")


@pytest.mark.asyncio
async def test_health_has_a_since_that_stays_while_it_stays(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.provider_up()
        found = []
        for health in ("well", "slow", "slow", "well"):
            async with here.database.transaction() as connection:
                assert await capacity.seen(connection, TENANT, "alpha") is not None
                shown = capacity.Shown({"x": 1}, 2_000_000, 1_000_000, 5, 6, 7, health)
                await capacity.keep_seen(connection, TENANT, "alpha", shown)
            async with here.database.transaction() as connection:
                (row,) = await capacity.loads(connection, TENANT)
            found.append(row["health_since"])

        assert found[0] is None
        assert found[1] == found[2] < found[3]
        assert (row["pace_millionths"], row["faults_millionths"], row["latency_ms_p95"]) == (2_000_000, 7, 5)


@pytest.mark.asyncio
async def test_a_worker_that_leaves_is_not_counted(database_url: str) -> None:
    async with yard(database_url) as here:
        worker_id = await here.provider_up()
        async with here.database.transaction() as connection:
            await capacity.leave(connection, worker_id)
            (row,) = await capacity.loads(connection, TENANT)

        assert row["workers"] == 0


@pytest.mark.asyncio
async def test_requests_a_minute_hold_over_all_workers_and_flow_again_with_time(database_url: str) -> None:
    """120 a minute: six at once, whoever claims; after a second, nearly two more."""
    async with yard(database_url) as here:
        async with here.database.transaction() as connection:
            await capacity.register_provider(connection, TENANT, "alpha", 64, Limits(requests_per_minute=120))
        await here.routed(40)

        async def claimed() -> int:
            parcels = Parcels(here.database, here.settings, provider="alpha", worker_id=new_id(), ids=new_id)
            found = [await parcels.take(STEADY_MS) for _ in range(20)]
            return sum(len(parcel.jobs) for parcel in found if parcel)

        first, second = await claimed(), await claimed()
        await here.do("update providers set drawn_at = drawn_at - interval '1.5 seconds'")
        third = await claimed()

        assert (first, second) == (6, 0)
        assert 2 <= third <= 4
