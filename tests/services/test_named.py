"""A model or a tier that is named: from the submission to the job's row, its decision and its retry."""

from __future__ import annotations

import itertools
from typing import Any

import orjson
import pytest

from producer.intake.names import Names, UnknownModel, names_in_force
from producer.intake.retry import Which, retry
from runtime.db.stores import batches
from schemas.job import Job
from schemas.lifecycle import JobState
from schemas.policy import RoutingPolicy, Tier
from schemas.submission import Requirements
from tests.engine_values import a_model, a_policy, a_price, a_provider
from tests.invariants import check_invariants
from tests.yard import TENANT, Yard, a_catalog, sources, yard

pytestmark = pytest.mark.services

DEAR = a_price(20_000_000, 80_000_000)
CATALOG = a_catalog(
    a_provider("alpha", a_model("small"), a_model("large", price=DEAR)),
    a_provider("beta", a_model("large", price=DEAR), a_model("other")),
)
POLICY = a_policy(tiers=(Tier(tier="away", when="false", providers=("beta",)),))


async def decided(here: Yard, policy: RoutingPolicy = POLICY, **requirements: Any) -> Job:
    stage = here.stage(CATALOG, policy)
    stage.ticks = itertools.count(step=10).__next__
    await stage.publish()
    for name in ("alpha", "beta"):
        await here.provider_up(name)
    accepted = await here.submit(sources(1), **requirements)
    await stage.route()
    (job,) = await here.jobs(accepted.batch_id)
    return job


@pytest.mark.asyncio
async def test_a_named_model_is_the_whole_plan(database_url: str) -> None:
    async with yard(database_url) as here:
        free = await decided(here)
        one = await decided(here, model="alpha/large")
        bare = await decided(here, model="large")

        assert {step.model for step in free.plan} == {"small", "other", "large"}
        assert [(step.provider, step.model) for step in one.plan] == [("alpha", "large")]
        assert {(step.provider, step.model) for step in bare.plan} == {("alpha", "large"), ("beta", "large")}
        assert (one.asked_model, one.asked_tier) == ("alpha/large", "")
        assert one.features is not None and one.features.asked_model == "alpha/large"
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_named_tier_holds_for_a_document_that_is_in_none(database_url: str) -> None:
    async with yard(database_url) as here:
        job = await decided(here, tier="away")

        assert {step.provider for step in job.plan} == {"beta"}
        assert job.reason.endswith("Tier 'away' was asked for.")
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_what_the_policy_forbids_is_not_lifted_by_a_name(database_url: str) -> None:
    async with yard(database_url) as here:
        job = await decided(here, model="alpha/large", sensitivity="restricted")

        assert (job.state, job.reason_code) == (JobState.REFUSED, "boundary")
        assert job.reason.startswith(
            "Model 'alpha/large' was asked for, and it may not serve it. alpha/large:"
        )


@pytest.mark.asyncio
async def test_a_retry_asks_for_the_same_model(database_url: str) -> None:
    async with yard(database_url) as here:
        job = await decided(here, model="alpha/large", sensitivity="restricted")

        again = await retry(here.database, TENANT, job.batch_id, Which())

        (new,) = await here.jobs(again.batch_id)
        assert new.asked_model == "alpha/large"
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_the_first_event_tells_what_was_named_and_nothing_where_nothing_was(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.submit(sources(1))
        named = await here.submit(sources(1), model="small", tier="away")

        rows = await here.database.rows(
            "select a.body, j.batch_id::text as batch from audit_events a join jobs j on j.id = a.job_id"
        )
        facts = {row["batch"] == named.batch_id: orjson.loads(bytes(row["body"]))["facts"] for row in rows}
        assert (facts[True]["asked_model"], facts[True]["asked_tier"]) == ("small", "away")
        assert not any(name.startswith("asked_") for name in facts[False])
        async with here.database.transaction() as connection:
            row = await batches.find(connection, TENANT, named.batch_id)
        assert row is not None and Requirements.model_validate(row["requirements"]).tier == "away"
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_names_are_those_that_the_router_stored(database_url: str) -> None:
    async with yard(database_url) as here:
        async with here.database.transaction() as connection:
            assert await names_in_force(connection, TENANT) is None
        await here.stage(CATALOG, POLICY).publish()

        async with here.database.transaction() as connection:
            names = await names_in_force(connection, TENANT)

        assert names == Names(("alpha/large", "alpha/small", "beta/large", "beta/other"), "test", ("away",))
        for fine in ({}, {"model": "large"}, {"model": "beta/other", "tier": "away"}):
            names.require(Requirements(**fine))
        with pytest.raises(
            UnknownModel, match="no model 'beta/small' in the catalog; there are: alpha/large,"
        ):
            names.require(Requirements(model="beta/small"))
        with pytest.raises(UnknownModel, match="no tier 'home' in policy 'test'; there are: away"):
            names.require(Requirements(tier="home"))


def test_requirements_without_names_are_written_as_before_there_were_any() -> None:
    assert Requirements().model_dump(mode="json").keys().isdisjoint({"model", "tier"})
    assert Requirements(model="a/b").model_dump(mode="json")["model"] == "a/b"
    for wrong in ("A", "a/b/c", "a b", "-a"):
        with pytest.raises(ValueError, match="names no model"):
            Requirements(model=wrong)
