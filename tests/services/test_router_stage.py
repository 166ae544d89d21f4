"""The router's stage over a real database: every waiting job is decided, bound late, and its decision can be derived
again from what is stored."""

from __future__ import annotations

import asyncio
import itertools
from datetime import datetime

import orjson
import pytest

from router_worker import stage as stages
from router_worker.engine.decide import decide
from router_worker.shelf import features_of
from router_worker.stage import Stage
from runtime.db.session import Row
from runtime.db.stores import artifacts, capacity, jobs
from schemas.canonical import canonical, digest
from schemas.catalog import Catalog
from schemas.decision import Decision
from schemas.lifecycle import JobState
from schemas.policy import BindLate, RoutingPolicy
from schemas.sensitivity import Lane, Quality, Sensitivity
from schemas.snapshot import Assigned, ProviderLoad, ProviderSnapshot, ProviderStatus
from schemas.submission import SourceDocument
from tests.engine_values import a_policy, a_provider
from tests.invariants import check_invariants
from tests.yard import TENANT, Yard, a_catalog, sources, yard

pytestmark = pytest.mark.services


def fresh(stage: Stage) -> Stage:
    """The stage with a clock on which every look at the providers is a new one."""
    stage.ticks = itertools.count(step=10).__next__
    return stage


async def published(
    here: Yard, catalog: Catalog, policy: RoutingPolicy | None = None, **settings: int
) -> Stage:
    stage = fresh(here.stage(catalog, policy, **settings))
    await stage.publish()
    return stage


async def decisions(here: Yard) -> list[Row]:
    return await here.database.rows("select *, job_id::text as job from decisions order by job_id, number")


@pytest.mark.asyncio
async def test_a_job_is_bound_to_the_best_provider_with_its_plan_andfeatures_of(database_url: str) -> None:
    async with yard(database_url) as here:
        stage = await published(here, a_catalog("alpha", "beta"))
        await here.provider_up("alpha")
        await here.provider_up("beta")
        await here.submit(1)

        looked, bound = await stage.route()

        (job,) = await here.jobs()
        assert (looked, bound) == (1, {"alpha": 1})
        assert (job.state, job.provider, job.model, job.plans) == (JobState.ROUTED, "alpha", "one", 1)
        assert [step.provider for step in job.plan] == ["alpha", "beta"]
        assert job.features is not None
        assert job.features.tokens > 0
        assert job.reason_code == "best"
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_where_nothing_waits_nothing_is_looked_at(database_url: str) -> None:
    async with yard(database_url) as here:
        stage = await published(here, a_catalog())

        assert await stage.route() == (0, {})


@pytest.mark.asyncio
async def test_a_document_that_nobody_may_see_is_refused_by_the_rule(database_url: str) -> None:
    async with yard(database_url) as here:
        stage = await published(here, a_catalog(boundary=Sensitivity.INTERNAL))
        await here.provider_up()
        await here.submit(1, sensitivity=Sensitivity.RESTRICTED)

        await stage.route()

        (job,) = await here.jobs()
        assert (job.state, job.reason_code) == (JobState.REFUSED, "boundary")
        assert [row["outcome"] for row in await decisions(here)] == ["refused"]
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_document_that_says_it_is_confidential_goes_to_nobody_who_may_not_see_that(
    database_url: str,
) -> None:
    marked = SourceDocument("memo", "memo.txt", "STRICTLY CONFIDENTIAL\n\nOn the merger.\n" * 2, "utf-8")
    async with yard(database_url) as here:
        stage = await published(here, a_catalog(boundary=Sensitivity.INTERNAL))
        await here.provider_up()
        await here.submit([marked], sensitivity=Sensitivity.INTERNAL)

        await stage.route()

        (job,) = await here.jobs()
        assert (job.state, job.reason_code) == (JobState.REFUSED, "boundary")
        assert job.features is not None
        assert job.features.raised_by == ("marking:strictly_confidential",)
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_job_is_held_while_its_provider_is_down_and_decided_again_when_it_is_ready(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        stage = await published(here, a_catalog())
        await here.submit(2)

        assert await stage.route() == (2, {})
        assert {(job.state, job.reason_code) for job in await here.jobs()} == {(JobState.HELD, "no_worker")}
        assert await stage.route() == (0, {}), "its class is shut, so it is not looked at again and again"

        await here.provider_up()
        assert await stage.route() == (2, {"alpha": 2})
        assert await here.states() == {"routed": 2}
        assert [row["outcome"] for row in await decisions(here)] == ["held", "routed"] * 2
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_held_job_whose_provider_is_up_and_full_waits_without_a_further_event(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        stage = await published(here, a_catalog(), a_policy(bind_late=BindLate(max_jobs=1)))
        await here.submit(2)
        await stage.route()
        await here.provider_up()

        await stage.route()
        await stage.route()

        assert await here.states() == {"routed": 1, "held": 1}
        assert sorted(job.version for job in await here.jobs()) == [2, 3]
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_where_every_provider_is_full_a_job_waits_unbound_and_unmoved(database_url: str) -> None:
    async with yard(database_url) as here:
        stage = await published(here, a_catalog(), a_policy(bind_late=BindLate(max_jobs=3)))
        await here.provider_up()
        await here.submit(5)

        assert await stage.route() == (5, {"alpha": 3})

        waiting = [job for job in await here.jobs() if job.state is JobState.ACCEPTED]
        assert [(job.version, job.route_class != "", job.features is not None) for job in waiting] == [
            (1, True, True)
        ] * 2
        assert len(await decisions(here)) == 3
        assert await stage.route() == (0, {})
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_no_more_is_ever_bound_than_there_is_room_for(database_url: str) -> None:
    """Over small chunks and pictures that are used twice; room comes as work is done, and is then used."""
    async with yard(database_url) as here:
        policy = a_policy(bind_late=BindLate(seconds=10, max_jobs=100))
        stage = await published(here, a_catalog("alpha", "beta"), policy, chunk=3)
        stage.ticks = itertools.count(step=0.3).__next__
        await here.provider_up("alpha", ceiling=2, job_ms_p50=5_000)
        await here.provider_up("beta", ceiling=1, job_ms_p50=2_500)
        await here.submit(30)

        for _ in range(30):
            await stage.route()
            routed = await here.database.rows(
                "select provider, count(*) as n from jobs where state = 'routed' group by provider"
            )
            assert all(row["n"] <= 4 for row in routed)
        assert {row["provider"]: row["n"] for row in routed} == {"alpha": 4, "beta": 4}

        first = next(job for job in await here.jobs() if job.provider == "alpha")
        await here.move([(first, first.moved(JobState.CANCELLED))])
        for _ in range(3):
            await stage.route()
        assert await here.states() == {"routed": 8, "accepted": 21, "cancelled": 1}
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_what_is_bound_is_counted_in_work_over_all_routers(database_url: str) -> None:
    """A second at the catalog's speed each, and ten seconds a queue; at half the speed half as many."""
    async with yard(database_url) as here:
        policy = a_policy(bind_late=BindLate(seconds=10, max_jobs=100))
        stage = await published(here, a_catalog(), policy)
        await here.provider_up(ceiling=1)
        async with here.database.transaction() as connection:
            shown = capacity.Shown({}, 2_000_000, 1_000_000, None, None, 0, "well")
            await capacity.keep_seen(connection, TENANT, "alpha", shown)
        await here.submit(30, deadline_s=600)

        await stage.route()

        routed = [job for job in await here.jobs() if job.state is JobState.ROUTED]
        assert [job.work_ms for job in routed] == [1_000] * 5
        assert all(
            job.deadline_at and job.start_by and (job.deadline_at - job.start_by).total_seconds() == 2
            for job in routed
        )
        other = await published(here, a_catalog(), policy)
        await other.route()
        assert await here.states() == {"routed": 5, "accepted": 25}
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_urgent_work_that_comes_later_takes_the_room(database_url: str) -> None:
    async with yard(database_url) as here:
        stage = await published(here, a_catalog(), a_policy(bind_late=BindLate(max_jobs=2)))
        await here.provider_up()
        await here.submit(10, lane="bulk")
        await here.submit(2, lane="urgent")

        await stage.route()

        assert {job.lane for job in await here.jobs() if job.state is JobState.ROUTED} == {"urgent"}


@pytest.mark.asyncio
async def test_every_decision_can_be_derived_again_byte_by_byte_from_what_is_stored(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        catalog = a_catalog("alpha", a_provider("beta", boundary=Sensitivity.RESTRICTED), "gamma")
        policy = a_policy(bind_late=BindLate(max_jobs=4))
        stage = await published(here, catalog, policy, chunk=5)
        await here.provider_up("alpha", job_ms_p50=400)
        await here.provider_up("beta")
        await here.submit(sources(7))
        await here.submit(
            2, sensitivity=Sensitivity.CONFIDENTIAL, deadline_s=3_600, max_cost_usd_micros=10**6
        )
        await here.submit(2, quality=Quality.HIGH)
        while (await stage.route())[0]:
            pass

        rows = await decisions(here)

        assert {row["outcome"] for row in rows} == {"routed", "refused"}
        assert any(row["assigned"] for row in rows), "what a chunk had assigned is part of some of them"
        for row in rows:
            assert digest(bytes(row["body"])) == row["digest"]
            again = await replayed(here, row)
            assert canonical(again) == bytes(row["body"])
    check_invariants(database_url)


async def replayed(here: Yard, row: Row) -> Decision:
    named = [row["policy_digest"], row["catalog_digest"], row["snapshot_digest"]]
    async with here.database.transaction() as connection:
        stored = await artifacts.load(connection, TENANT, named)
    assert set(stored) == set(named)
    policy, catalog = (
        RoutingPolicy.model_validate(stored[named[0]]),
        Catalog.model_validate(stored[named[1]]),
    )
    told = stored[named[2]]
    loads = tuple(
        ProviderLoad(**{**load, "status": ProviderStatus(load["status"])}) for load in told["loads"]
    )
    snapshot = ProviderSnapshot(catalog, told["catalog"], loads, datetime.fromisoformat(told["taken_at"]))
    assert (digest(policy), digest(catalog), digest(snapshot.facts())) == tuple(named)
    assigned = {name: Assigned(**extra) for name, extra in row["assigned"].items()}
    return decide(features_of(bytes(row["features"])), policy, snapshot.plus(assigned))


@pytest.mark.asyncio
async def test_the_event_of_a_decision_names_it_by_digest(database_url: str) -> None:
    async with yard(database_url) as here:
        stage = await published(here, a_catalog())
        await here.provider_up()
        await here.submit(1)
        await stage.route()

        (row,) = await decisions(here)
        (event,) = await here.database.rows("select body from audit_events where version = 2")
        facts = orjson.loads(event["body"])["facts"]
        assert facts["decision"] == row["digest"]
        assert (facts["policy"], facts["catalog"]) == (row["policy_digest"], row["catalog_digest"])
        assert (facts["provider"], facts["model"]) == ("alpha", "one")


@pytest.mark.asyncio
async def test_one_picture_is_stored_once_for_all_decisions_made_from_it(database_url: str) -> None:
    async with yard(database_url) as here:
        stage = await published(here, a_catalog(), chunk=2)
        stage.ticks = lambda: 0.0
        await here.provider_up()
        await here.submit(6)
        while (await stage.route())[0]:
            pass

        assert len({row["snapshot_digest"] for row in await decisions(here)}) == 1
        rows = await here.database.rows("select count(*) as n from artifacts where kind = 'snapshot'")
        assert rows[0]["n"] == 1


@pytest.mark.asyncio
async def test_a_picture_is_stored_also_where_its_first_chunk_decided_nothing(database_url: str) -> None:
    """The first chunk finds everything full and keeps nothing; the next one, from the same picture, refuses a job."""
    async with yard(database_url) as here:
        policy = a_policy(bind_late=BindLate(max_jobs=1))
        stage = await published(here, a_catalog(), policy, chunk=1)
        await here.provider_up()
        await here.routed(1)
        await here.submit(1)
        await here.submit(1, sensitivity=Sensitivity.RESTRICTED, lane="bulk")
        stage.ticks = lambda: 0.0

        assert await stage.route() == (1, {})
        assert await decisions(here) == []
        assert await stage.route() == (1, {})

        (row,) = await decisions(here)
        assert row["outcome"] == "refused"
        assert canonical(await replayed(here, row)) == bytes(row["body"])


@pytest.mark.asyncio
async def test_under_other_rules_what_waits_is_looked_at_anew(database_url: str) -> None:
    async with yard(database_url) as here:
        before = await published(here, a_catalog("alpha"))
        await here.submit(2)
        await before.route()
        assert await here.states() == {"held": 2}

        after = await published(here, a_catalog("alpha", "beta"))
        await here.provider_up("beta")

        assert await after.route() == (2, {"beta": 2})
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_two_routers_at_once_decide_every_job_once(database_url: str) -> None:
    async with yard(database_url, connections=6) as here:
        routers = [await published(here, a_catalog(), chunk=7) for _ in range(3)]
        await here.provider_up(ceiling=100)
        await here.submit(60)

        async def all_of(stage: Stage) -> int:
            return sum([(await stage.route())[0] for _ in range(12)])

        looked = await asyncio.gather(*map(all_of, routers))

        assert sum(looked) == 60
        assert await here.states() == {"routed": 60}
        assert len(await decisions(here)) == 60
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_chunk_of_long_documents_is_shorter(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with yard(database_url) as here:
        stage = await published(here, a_catalog())
        await here.provider_up()
        await here.submit(5)
        monkeypatch.setattr(stages, "CHUNK_BYTES", 400)  # each contract has about 170

        assert [(await stage.route())[0] for _ in range(4)] == [2, 2, 1, 0]
        assert await here.states() == {"routed": 5}


@pytest.mark.asyncio
async def test_a_chunk_that_could_not_be_written_bound_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had assigned is forgotten with it, and the next chunk has the whole room."""
    async with yard(database_url) as here:
        stage = await published(here, a_catalog(), a_policy(bind_late=BindLate(max_jobs=3)))
        stage.ticks = lambda: 0.0
        await here.provider_up()
        await here.submit(3)

        async def broken(*_: object) -> frozenset[str]:
            raise RuntimeError("the write broke")

        with monkeypatch.context() as patched:
            patched.setattr(jobs, "move", broken)
            with pytest.raises(RuntimeError, match="the write broke"):
                await stage.route()
        assert await here.states() == {"accepted": 3}

        assert await stage.route() == (3, {"alpha": 3})
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_job_that_is_decided_anew_keeps_its_features_and_counts_its_plans(database_url: str) -> None:
    async with yard(database_url) as here:
        stage = await published(here, a_catalog())
        await here.provider_up()
        await here.submit(1)
        await stage.route()
        (job,) = await here.jobs()
        (back,) = await here.move([(job, job.moved(JobState.ACCEPTED, provider=None, model=None, plan=()))])

        await stage.route()

        (again,) = await here.jobs()
        assert (again.plans, again.features) == (2, back.features)
        assert [row["number"] for row in await decisions(here)] == [2, 4]
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_an_urgent_job_is_decided_before_bulk_ones_and_without_them(database_url: str) -> None:
    async with yard(database_url) as here:
        stage = await published(here, a_catalog("alpha"))
        await here.provider_up("alpha", ceiling=4)
        await here.submit(40, lane=Lane.BULK)
        await here.submit(sources(1, first=100), lane=Lane.URGENT)

        looked, bound = await stage.route()

        assert (looked, bound) == (1, {"alpha": 1})


@pytest.mark.asyncio
async def test_after_a_chunk_that_took_long_the_next_one_is_short_and_never_tiny(database_url: str) -> None:
    async with yard(database_url) as here:
        stage = await published(here, a_catalog("alpha"), chunk=30)  # its clock goes on by 10 s at every look
        await here.provider_up("alpha", ceiling=400)
        await here.submit(50)

        assert [(await stage.route())[0] for _ in range(3)] == [
            30,
            stages.LEAST_CHUNK,
            50 - 30 - stages.LEAST_CHUNK,
        ]
