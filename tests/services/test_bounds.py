"""Finished batches get their report, once, from their rows; and waiting work prices the slots that are scarce."""

from __future__ import annotations

import asyncio
import io

import orjson
import pytest
from rich.console import Console

from classyard.commands import report
from classyard.context import Context
from classyard.embedded.home import Home
from router_worker import reports
from router_worker.prices import Prices
from router_worker.replay import verify
from router_worker.reports import Reports
from router_worker.stage import Stage
from runtime.db.session import Row
from runtime.db.stores import batches, record
from schemas.job import Job
from schemas.lifecycle import JobState
from schemas.policy import BindLate, Objective, Weights
from schemas.sensitivity import Sensitivity
from tests.engine_values import a_model, a_policy, a_price, a_provider
from tests.invariants import check_invariants
from tests.yard import TENANT, Yard, a_catalog, a_result, an_attempt, counted, some_settings, yard

pytestmark = pytest.mark.services

CHEAP, DEAR = a_price(100_000, 400_000), a_price(1_000_000, 4_000_000)
CATALOG = a_catalog(
    a_provider("alpha", a_model("one", price=CHEAP)), a_provider("beta", a_model("one", price=DEAR))
)


async def finished(here: Yard, count: int = 4, *, dear: bool = True) -> str:
    """A batch of which every document is answered, at the dear provider or the cheap one."""
    stage = here.stage(CATALOG)
    await stage.publish()
    for name in ("alpha", "beta"):
        await here.provider_up(name)
    accepted = await here.submit(count)
    while (await stage.route())[0]:
        pass
    for job in await here.jobs(accepted.batch_id):
        await answered(here, job, "beta" if dear else "alpha")
    async with here.database.transaction() as connection:
        assert await batches.finish(connection, TENANT) == [accepted.batch_id]
    return accepted.batch_id


async def answered(here: Yard, job: Job, provider: str) -> None:
    (serving,) = await here.move([(job, job.moved(JobState.SERVING, lease_token=1, provider=provider))])
    called = counted(serving)
    price = DEAR if provider == "beta" else CHEAP
    cost = price.cost_usd_micros(1_000, 100)
    (done,) = await here.move([(serving, called.moved(JobState.SUCCEEDED, cost_usd_micros=cost))])
    async with here.database.transaction() as connection:
        await record.keep_attempts(
            connection,
            [(done, an_attempt(called, input_tokens=1_000, output_tokens=100, cost_usd_micros=cost))],
            frozenset({job.id}),
        )
        await record.keep_results(connection, [(done, a_result(called))])


async def bound_of(here: Yard, batch: str) -> Row:
    rows = await here.database.rows(
        "select cost_usd_micros, lp_lower_bound_usd_micros, gap, bound_note, bounded_at from batches where id = %s",
        (batch,),
    )
    return rows[0]


@pytest.mark.asyncio
async def test_a_finished_batch_is_bounded_once_from_its_rows(database_url: str) -> None:
    async with yard(database_url) as here:
        looks = Reports(here.database, TENANT)
        assert await looks.look() is None
        batch = await finished(here)

        assert await looks.look() == batch
        assert await looks.look() is None

        found = await bound_of(here, batch)
        assert found["cost_usd_micros"] == 4 * DEAR.cost_usd_micros(1_000, 100)
        assert found["lp_lower_bound_usd_micros"] == 4 * CHEAP.cost_usd_micros(1_000, 100)
        assert found["gap"] == pytest.approx(9.0)
        assert found["bound_note"].startswith("4 answered documents in 1 classes")
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_who_went_to_the_cheapest_has_no_gap(database_url: str) -> None:
    async with yard(database_url) as here:
        batch = await finished(here, dear=False)
        await Reports(here.database, TENANT).look()

        assert (await bound_of(here, batch))["gap"] == pytest.approx(0.0)


@pytest.mark.asyncio
async def test_several_routers_share_the_batches_and_one_that_dies_leaves_its_own(database_url: str) -> None:
    async with yard(database_url, connections=8) as here:
        made = [await finished(here, 2) for _ in range(3)]
        dying = Reports(here.database, TENANT)

        async def dies(*_: object) -> None:
            raise RuntimeError("killed")

        dying._bound = dies  # type: ignore[method-assign, assignment]
        with pytest.raises(RuntimeError, match="killed"):
            await dying.look()
        found = await asyncio.gather(*(Reports(here.database, TENANT).look() for _ in range(3)))

        assert sorted(filter(None, found)) == sorted(made)


@pytest.mark.asyncio
async def test_a_batch_without_answers_or_beyond_the_limit_says_so(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with yard(database_url) as here:
        refused = await here.submit(1, sensitivity=Sensitivity.RESTRICTED)
        stage = here.stage(CATALOG)
        await stage.publish()
        await here.provider_up("alpha")
        await stage.route()
        async with here.database.transaction() as connection:
            await batches.finish(connection, TENANT)
        looks = Reports(here.database, TENANT)
        await looks.look()
        large = await finished(here, 3)
        monkeypatch.setattr(reports, "MOST_JOBS", 2)
        await looks.look()

        told = await bound_of(here, refused.batch_id)
        assert (told["cost_usd_micros"], told["lp_lower_bound_usd_micros"]) == (0, None)
        assert "No document has an answer" in told["bound_note"]
        told = await bound_of(here, large)
        assert told["bounded_at"]
        assert told["lp_lower_bound_usd_micros"] is None
        assert "3 documents are more than 2" in told["bound_note"]


def test_the_report_tells_cost_bound_and_gap(database_url: str, tmp_path: object) -> None:
    async def filled() -> str:
        async with yard(database_url) as here:
            batch = await finished(here)
            await Reports(here.database, TENANT).look()
            return batch

    batch = asyncio.run(filled())
    context = Context(some_settings(database_url, "redis://unused"), Home(tmp_path), {})  # type: ignore[arg-type]
    screens = [Console(file=io.StringIO(), width=100) for _ in range(2)]
    asyncio.run(report.tell(context, batch, to=screens[0]))
    asyncio.run(report.tell(context, "latest", as_json=True, to=screens[1]))

    text, line = (screen.file.getvalue() for screen in screens)  # type: ignore[attr-defined]
    assert "Cost $0.0056; the least possible was $0.0006: 900.0 % above it." in text
    assert "beta" in text
    told = orjson.loads(line)
    assert told["gap"] == pytest.approx(9.0)
    assert told["states"] == {"succeeded": 4}
    assert told["providers"][0]["cost_usd_micros"] == 5_600


# -- shadow prices


JOINT = a_policy(
    objective=Objective.JOINT,
    weights=Weights(cost=1, quality=0, latency=0, load=0),
    bind_late=BindLate(seconds=1, max_jobs=2),
)
SCARCE = a_catalog(
    a_provider("cheap", a_model("one", price=CHEAP), boundary="internal", ceiling=1),
    a_provider("dear", a_model("one", price=a_price(9_000_000, 9_000_000)), boundary="internal", ceiling=50),
    a_provider("near", a_model("one", price=a_price(120_000, 480_000)), boundary="public", ceiling=50),
)


async def waits(here: Yard, stage: Stage) -> None:
    """The cheap provider is full; twenty public documents and twenty internal ones have been looked at, and wait."""
    await stage.publish()
    await here.provider_up("cheap", ceiling=1, job_ms_p50=1_000)
    await here.routed(2, "cheap")
    await here.submit(20, sensitivity=Sensitivity.PUBLIC)
    await here.submit(20, sensitivity=Sensitivity.INTERNAL)
    while (await stage.route())[0]:
        if not await here.database.rows("select 1 from jobs where state = 'accepted' and route_class = ''"):
            break
    for name in ("dear", "near"):
        await here.provider_up(name, ceiling=50, job_ms_p50=1_000)


@pytest.mark.asyncio
async def test_waiting_work_prices_the_scarce_slot_and_decisions_carry_it(database_url: str) -> None:
    async with yard(database_url) as here:
        stage = here.stage(SCARCE, JOINT, chunk=10)
        ticking = iter(range(10_000))
        stage.ticks = lambda: float(next(ticking))
        await waits(here, stage)

        prices = Prices(here.database, TENANT, stage.rules)
        stage.shadows = await prices.look()
        assert set(stage.shadows) == {"cheap"}
        assert stage.shadows["cheap"] > 10
        await stage.route()

        rows = await here.database.rows(
            "select body from decisions where outcome = 'routed' order by decided_at desc limit 1"
        )
        estimates = {
            each["provider"]: each["estimate"] for each in orjson.loads(bytes(rows[0]["body"]))["candidates"]
        }
        assert estimates["cheap"]["shadow_usd_micros"] > 0
        assert "shadow_usd_micros" not in estimates["dear"]
        found = await verify(here.database, TENANT, (await here.jobs())[-1].batch_id)
        assert found.is_sound
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_where_nothing_waits_nothing_has_a_price(database_url: str) -> None:
    async with yard(database_url) as here:
        stage = here.stage(SCARCE, JOINT)
        await stage.publish()
        await here.provider_up("cheap", ceiling=1)

        assert await Prices(here.database, TENANT, stage.rules).look() == {}
