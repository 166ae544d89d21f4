"""Budgets over a real database: reserved before the call, settled after it, and work goes on when one is raised."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from provider_workers.parcels import Parcel, Parcels, counted, next_call_usd_micros
from provider_workers.writer import Finished, Writer
from router_worker.stage import Stage
from runtime.db.stores import budgets, capacity
from runtime.ids import new_id
from runtime.keeper import Keeper
from runtime.metrics import Metrics
from schemas.budget import Account, Budgets
from schemas.lifecycle import JobState
from tests.engine_values import a_policy
from tests.invariants import check_invariants
from tests.yard import STEADY_MS, TENANT, Yard, a_catalog, a_result, an_attempt, fake_bells, yard

pytestmark = pytest.mark.services

ATTEMPTS = a_policy().plan.attempts_per_step


async def stage_of(here: Yard, limits: Budgets | None = None) -> Stage:
    policy = a_policy().model_copy(update={"budgets": limits or Budgets()})
    stage = here.stage(a_catalog("alpha"), policy)
    stage.ticks = itertools.count(step=10).__next__
    await stage.publish()
    await here.provider_up("alpha", ceiling=40, slots=40)
    return stage


def taker(here: Yard) -> Parcels:
    return Parcels(
        here.database, here.settings, provider="alpha", worker_id=new_id(), ids=new_id, attempts=ATTEMPTS
    )


async def accounts(here: Yard) -> dict[tuple[str, str], Account]:
    async with here.database.transaction() as connection:
        return {(one.scope, one.subject): one for one in await budgets.every(connection, TENANT)}


async def raise_to(here: Yard, key: budgets.Key, limit: int | None) -> None:
    async with here.database.transaction() as connection:
        await budgets.set_limit(connection, TENANT, key, own=True, limit_usd_micros=limit)


async def worst_of_one(here: Yard) -> int:
    """What one call of the yard's documents may cost; learnt from one that is bound without budgets."""
    stage = await stage_of(here)
    await here.submit(1)
    await stage.route()
    (job,) = await here.jobs()
    return next_call_usd_micros(job, ATTEMPTS)


async def finish(here: Yard, parcel: Parcel, cost: int) -> None:
    writer = Writer(here.database, Metrics(), actor="test")
    writer.start()
    for job in parcel.jobs:
        before = counted(job)
        after = before.moved(JobState.SUCCEEDED, slot_id=None, cost_usd_micros=job.cost_usd_micros + cost)
        attempt = an_attempt(before, cost_usd_micros=cost)
        writer.write(Finished(before, after, {}, attempt, a_result(before)))
    writer.write(Finished(release_slot=parcel.slot_id))
    await writer.close()


async def states(here: Yard) -> dict[str, int]:
    rows = await here.database.rows("select state, count(*) as n from jobs group by state")
    return {row["state"]: row["n"] for row in rows}


@pytest.mark.asyncio
async def test_a_call_is_reserved_in_every_budget_and_settled_with_what_it_cost(database_url: str) -> None:
    async with yard(database_url) as here:
        stage = await stage_of(
            here, Budgets(batch_usd_micros=10**9, day_usd_micros=10**9, tenant_usd_micros=10**9)
        )
        await here.submit(3)
        await stage.route()

        parcel = await taker(here).take(STEADY_MS)

        assert parcel is not None
        reserved = sum(job.reserved_usd_micros for job in parcel.jobs)
        assert reserved > 0
        open_ = [one for key, one in (await accounts(here)).items() if key[1] or key[0] == "tenant"]
        assert [(one.scope, one.reserved_usd_micros) for one in open_] == [
            ("batch", reserved),
            ("day", reserved),
            ("tenant", reserved),
        ]
        check_invariants(database_url)

        await finish(here, parcel, 5)

        open_ = [one for key, one in (await accounts(here)).items() if key[1] or key[0] == "tenant"]
        assert {(one.spent_usd_micros, one.reserved_usd_micros) for one in open_} == {
            (5 * len(parcel.jobs), 0)
        }
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_held_jobs_are_not_looked_at_until_the_budget_is_raised_and_then_all_go_on(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        one = await worst_of_one(here)
        stage = await stage_of(here, Budgets(tenant_usd_micros=2 * one))
        await here.submit(8)

        assert (await stage.route())[0] == 8

        assert await states(here) == {"routed": 2, "held": 7}
        held = [job for job in await here.jobs() if job.state is JobState.HELD]
        assert {job.reason_code for job in held} == {"budget"}
        assert "classyard budget set tenant AMOUNT" in held[0].reason
        assert [(await stage.route())[0] for _ in range(5)] == [0] * 5

        await raise_to(here, ("tenant", ""), 100 * one)
        while (await stage.route())[0]:
            pass
        assert await states(here) == {"routed": 9}
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_what_a_call_did_not_cost_lets_the_next_one_go(database_url: str) -> None:
    async with yard(database_url) as here:
        one = await worst_of_one(here)
        stage = await stage_of(here, Budgets(tenant_usd_micros=one))
        await here.submit(3)
        for _ in range(40):
            await stage.route()
            parcel = await taker(here).take(STEADY_MS)
            if parcel is not None:
                await finish(here, parcel, 0)

        assert await states(here) == {"succeeded": 4}
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_claimers_at_once_never_reserve_more_than_there_is(database_url: str) -> None:
    async with yard(database_url, connections=12) as here:
        one = await worst_of_one(here)
        stage = await stage_of(here)
        await here.submit(30)
        while (await stage.route())[0]:
            pass
        await raise_to(here, ("tenant", ""), 5 * one + one // 2)

        taken = await asyncio.gather(*(taker(here).take(STEADY_MS) for _ in range(12)))

        reserved = sum(job.reserved_usd_micros for parcel in taken if parcel for job in parcel.jobs)
        account = (await accounts(here))["tenant", ""]
        assert account.reserved_usd_micros == reserved <= 5 * one + one // 2
        assert reserved >= 3 * one
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_what_a_lost_worker_had_reserved_comes_back_and_its_late_call_is_money_spent(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        stage = await stage_of(here, Budgets(tenant_usd_micros=10**9))
        await here.submit(1)
        await stage.route()
        parcel = await taker(here).take(STEADY_MS)
        assert parcel is not None
        async with here.database.transaction() as connection:
            await capacity.release(connection, [parcel.slot_id])

        await Keeper(here.settings, here.database, fake_bells()[0], Metrics()).round()

        assert (await accounts(here))["tenant", ""].reserved_usd_micros == 0
        check_invariants(database_url)
        await finish(here, parcel, 9)
        account = (await accounts(here))["tenant", ""]
        assert (account.spent_usd_micros, account.reserved_usd_micros) == (9, 0)
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_budget_that_is_set_later_begins_with_what_was_spent_and_off_lifts_it(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        stage = await stage_of(here)
        accepted = await here.submit(1)
        await stage.route()
        parcel = await taker(here).take(STEADY_MS)
        assert parcel is not None
        await finish(here, parcel, 77)

        await raise_to(here, ("batch", parcel.jobs[0].batch_id), 100)

        account = (await accounts(here))["batch", parcel.jobs[0].batch_id]
        assert (account.spent_usd_micros, account.left_usd_micros) == (77, 23)
        await raise_to(here, ("batch", parcel.jobs[0].batch_id), None)
        assert (await accounts(here))["batch", parcel.jobs[0].batch_id].left_usd_micros is None
        assert accepted
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_yard_without_budgets_has_no_rows_and_reserves_nothing(database_url: str) -> None:
    async with yard(database_url) as here:
        stage = await stage_of(here)
        await here.submit(2)
        await stage.route()
        parcel = await taker(here).take(STEADY_MS)
        assert parcel is not None
        assert [job.reserved_usd_micros for job in parcel.jobs] == [0] * len(parcel.jobs)
        assert await accounts(here) == {}
