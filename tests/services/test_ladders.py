"""Ladders through a real router and real workers, over pretend providers: a weak model that invents quotes, and a
strong one. What is escalated, what is kept, what it costs, and how labels become a promise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from router_worker.replay import verify
from router_worker.stage import Stage
from runtime.db.stores import labels
from runtime.keeper import Keeper
from schemas.catalog import Catalog
from schemas.decision import NOT_KEPT
from schemas.ladder import Asked, Ladder, Rung
from schemas.policy import PlanLimits, RoutingPolicy
from tests.engine_values import a_model
from tests.services.test_provider_service import Serving, serving
from tests.yard import STEADY_MS, TENANT, a_catalog, fake_bells, sources

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

WEAK = "instant:rate_invented_quote=0.5"
LIMITS = PlanLimits(max_steps=1, attempts_per_step=1)


@dataclass
class Climbing:
    """A router and a worker for each of the two providers."""

    yards: Serving
    stage: Stage

    async def review(self, count: int, *, first: int = 1, **requirements: Any) -> list[dict[str, Any]]:
        """Hands in documents, has all stages done until nothing moves, and gives the jobs."""
        found = sources(count, first=first)
        accepted = await self.yards.here.submit(found, **requirements)
        await self.settle()
        return await self.yards.here.database.rows(
            "select j.*, j.id::text as id, r.model as by, r.standing, r.attempt, r.checks from jobs j"
            " left join results r on r.job_id = j.id where j.batch_id = %s order by j.id",
            (accepted.batch_id,),
        )

    async def settle(self) -> None:
        while True:
            before = await self.yards.here.database.rows("select sum(version) as v from jobs")
            while (await self.stage.route())[0]:
                pass
            for service in self.yards.started:
                await service.answer()
            if await self.yards.here.database.rows("select sum(version) as v from jobs") == before:
                return

    async def rows(self, statement: str) -> list[dict[str, Any]]:
        return await self.yards.here.database.rows(statement)


def ladder(**first: Any) -> Ladder:
    return Ladder(ladder="cheap-first", rungs=(Rung(model="weak/one", **first), Rung(model="strong/one")))


@asynccontextmanager
async def climbing(
    database_url: str,
    redis_url: str,
    found: Ladder,
    *,
    weak: str = WEAK,
    strong: str = "instant",
    **policy: Any,
) -> AsyncIterator[Climbing]:
    async with serving(database_url, redis_url, weak=weak, strong=strong) as yards:
        cheap = a_model("one")
        dear = cheap.price and cheap.price.model_copy(update={"output_usd_micros_per_mtok": 50_000_000})
        prices = {"weak": cheap, "strong": cheap.model_copy(update={"price": dear})}
        for name, model in prices.items():
            await yards.worker(name, limits=LIMITS, models=(model,))
        rules = RoutingPolicy(policy="climb", version=1, plan=LIMITS, ladders=(found,), **policy)
        catalog: Catalog = a_catalog(*(service.provider for service in yards.started))
        stage = yards.here.stage(catalog, rules)
        await stage.publish()
        yield Climbing(yards, stage)


@pytest.mark.asyncio
async def test_what_has_bad_quotes_is_escalated_and_the_rest_stays_cheap(
    database_url: str, redis_url: str
) -> None:
    async with climbing(database_url, redis_url, ladder(keep_from=0.65)) as here:
        jobs = await here.review(24)

        assert {job["state"] for job in jobs} == {"succeeded"}
        by = {name: [job for job in jobs if job["provider"] == name] for name in ("weak", "strong")}
        assert by["weak"] and by["strong"]
        assert all(job["attempts"] == 1 for job in by["weak"])
        assert all(job["attempts"] == 2 for job in by["strong"])
        assert all(job["checks"]["evidence"] >= 650_000 for job in by["weak"])
        weak = await here.rows("select * from rung_answers where provider = 'weak'")
        assert len(weak) == 24
        assert {row["keep_from"] for row in weak} == {650_000}
        escalated = [row for row in weak if row["score"] < 650_000]
        assert len(escalated) == len(by["strong"])
        assert all(row["output"] for row in escalated)
        ledger = await here.rows("select provider, sum(cost_usd_micros) as cost from attempts group by 1")
        assert {row["provider"] for row in ledger} == {"weak", "strong"}
        assert all(row["cost"] > 0 for row in ledger)
        # The walk depended on the outcome, so none of its labels feeds a promise.
        assert {row["unbiased"] for row in await here.rows("select * from ladder_labels")} == {False}
        batch = (await here.rows("select id::text as id from batches"))[0]["id"]
        assert (await verify(here.yards.here.database, TENANT, batch)).is_sound


@pytest.mark.asyncio
async def test_labels_become_a_promise_and_then_cheap_answers_are_kept(
    database_url: str, redis_url: str
) -> None:
    asked = Asked(agreement=0.7, confidence=0.9)
    async with climbing(database_url, redis_url, ladder(promise=asked)) as here:
        before = await here.review(20)

        assert {job["provider"] for job in before} == {"strong"}, "without labels nothing is kept"
        rows = await here.rows("select * from ladder_labels")
        assert len(rows) == 20
        assert {(row["ladder"], row["model"], row["unbiased"]) for row in rows} == {
            ("cheap-first", "weak/one", True)
        }
        here.stage._promises = here.stage._snapshot = None  # as after half a minute
        after = await here.review(20, first=100)

        kept = [job for job in after if job["provider"] == "weak"]
        assert kept
        promise = here.stage._snapshot.promises[0] if here.stage._snapshot else None
        assert promise is not None and promise.keep_from is not None and promise.labels == 20
        assert all(job["checks"]["evidence"] >= promise.keep_from for job in kept)
        batches = await here.rows("select id::text as id from batches")
        for batch in batches:
            assert (await verify(here.yards.here.database, TENANT, batch["id"])).is_sound


@pytest.mark.asyncio
async def test_what_explores_walks_the_whole_ladder_and_is_labelled(
    database_url: str, redis_url: str
) -> None:
    async with climbing(database_url, redis_url, ladder(keep_from=0.0), exploration=1.0) as here:
        jobs = await here.review(6)

        assert {(job["provider"], job["attempts"]) for job in jobs} == {("strong", 2)}
        assert all(job["plan"][0]["keep_from"] == NOT_KEPT for job in jobs)
        assert len(await here.rows("select 1 from ladder_labels where unbiased")) == 6


@pytest.mark.asyncio
async def test_when_the_strong_model_fails_the_cheap_answer_is_the_result_and_says_so(
    database_url: str, redis_url: str
) -> None:
    out = "instant:rate_500=1.0"
    async with climbing(database_url, redis_url, ladder(keep_from=1.0), strong=out) as here:
        jobs = await here.review(3)

        for job in jobs:
            assert (job["state"], job["reason_code"], job["standing"]) == (
                "succeeded",
                "doubtful",
                "doubtful",
            )
            assert "earlier answers is kept" in job["reason"]
            assert (job["attempt"], job["attempts"]) == (1, 2)
            assert job["checks"]["sentence"] == job["reason"]


@pytest.mark.asyncio
async def test_samples_of_one_model_are_judged_together(database_url: str, redis_url: str) -> None:
    found = ladder(keep_from=0.8, samples=2)
    async with climbing(database_url, redis_url, found, weak="instant") as here:
        jobs = await here.review(3)

        assert {(job["provider"], job["attempts"]) for job in jobs} == {("weak", 2)}
        answers = await here.rows("select sample, score from rung_answers order by job_id, attempt")
        assert [row["sample"] for row in answers] == [1, 2] * 3
        for first, second in zip(answers[::2], answers[1::2], strict=True):
            assert second["score"] > first["score"], "two that agree are more than one"


@pytest.mark.asyncio
async def test_a_worker_that_is_lost_in_the_middle_of_a_ladder_costs_no_answer(
    database_url: str, redis_url: str
) -> None:
    async with climbing(database_url, redis_url, ladder(keep_from=1.0)) as here:
        yard = here.yards.here
        accepted = await yard.submit(1)
        await here.stage.route()
        weak, strong = here.yards.started
        await weak.answer()
        parcel = await strong._parcels.take(STEADY_MS)  # and nothing is heard of it again
        assert parcel is not None and len(parcel.earlier[parcel.jobs[0].id]) == 1
        await yard.do("update slots set lease_until = now() - interval '1 second'")
        keeper = Keeper(yard.settings, yard.database, fake_bells()[0], yard.metrics)
        await keeper.round()
        assert (await yard.jobs(accepted.batch_id))[0].interruptions == 1

        await here.settle()

        (job,) = await yard.jobs(accepted.batch_id)
        assert (job.state.value, job.provider, job.attempts) == ("succeeded", "strong", 2)
        kept = await here.rows(
            "select provider, output is null as is_result from rung_answers order by attempt"
        )
        assert kept == [
            {"provider": "weak", "is_result": False},
            {"provider": "strong", "is_result": True},
        ]


@pytest.mark.asyncio
async def test_a_job_that_the_keeper_gives_up_keeps_what_it_has(database_url: str, redis_url: str) -> None:
    async with climbing(database_url, redis_url, ladder(keep_from=1.0)) as here:
        yard = here.yards.here
        await yard.submit(1)
        await here.stage.route()
        weak, strong = here.yards.started
        await weak.answer()
        keeper = Keeper(yard.settings, yard.database, fake_bells()[0], yard.metrics)
        for _ in range(3):
            assert await strong._parcels.take(STEADY_MS) is not None
            await yard.do("update slots set lease_until = now() - interval '1 second'")
            await keeper.round()

        (job,) = await yard.jobs()
        assert (job.state.value, job.reason_code) == ("succeeded", "doubtful")
        (row,) = await here.rows("select provider, standing, attempt from results")
        assert row == {"provider": "weak", "standing": "doubtful", "attempt": 1}


@pytest.mark.asyncio
async def test_when_its_deadline_passes_on_the_way_up_what_it_has_is_the_result(
    database_url: str, redis_url: str
) -> None:
    async with climbing(database_url, redis_url, ladder(keep_from=1.0)) as here:
        yard = here.yards.here
        await yard.submit(1, deadline_s=3_600)
        await here.stage.route()
        await here.yards.started[0].answer()
        await yard.do("update jobs set deadline_at = now() - interval '1 second'")
        await Keeper(yard.settings, yard.database, fake_bells()[0], yard.metrics).round()

        (job,) = await yard.jobs()
        assert (job.state.value, job.reason_code) == ("succeeded", "doubtful")
        assert "deadline" in job.reason
        assert await yard.count("results") == 1


@pytest.mark.asyncio
async def test_imported_outcomes_count_as_labels(database_url: str, redis_url: str) -> None:
    asked = Asked(agreement=0.7, confidence=0.9)
    async with climbing(database_url, redis_url, ladder(promise=asked), weak="instant") as here:
        async with here.yards.here.database.transaction() as connection:
            await labels.bring(
                connection, TENANT, [("cheap-first", "weak/one", 600_000, True) for _ in range(30)]
            )
        jobs = await here.review(3)

        assert {job["provider"] for job in jobs} == {"weak"}
