"""The query that proves the allowed set: silent about what the router decided, and it finds what was forged."""

from __future__ import annotations

import pytest

from runtime.db.stores import hops, record
from schemas.job import Job
from schemas.lifecycle import JobState
from tests.invariants import check_invariants
from tests.yard import TENANT, Yard, a_catalog, an_attempt, counted, yard

pytestmark = pytest.mark.services


async def _decided_and_called(here: Yard, provider: str, model: str) -> Job:
    """A job that the router bound to alpha, the only provider, and one call of it as the ledger shows it."""
    await here.provider_up()
    accepted = await here.submit(1)
    stage = here.stage(a_catalog("alpha"))
    await stage.publish()
    await stage.route()
    (job,) = await here.jobs(accepted.batch_id)
    assert job.state is JobState.ROUTED
    (serving,) = await here.move([(job, job.moved(JobState.SERVING, lease_token=1))])
    attempt = an_attempt(counted(serving), provider=provider, model=model, cost_usd_micros=0)
    async with here.database.transaction() as connection:
        await record.keep_attempts(connection, [(serving, attempt)], frozenset({job.id}))
    return serving


async def _outside(here: Yard) -> list[tuple[str, str]]:
    async with here.database.transaction() as connection:
        rows = await hops.outside(connection, TENANT)
    return [(row["provider"], row["model"]) for row in rows]


@pytest.mark.asyncio
async def test_a_call_to_what_was_allowed_is_no_finding(database_url: str) -> None:
    async with yard(database_url) as here:
        await _decided_and_called(here, "alpha", "one")

        assert await _outside(here) == []
    check_invariants(database_url)


@pytest.mark.parametrize(("provider", "model"), [("beta", "one"), ("alpha", "other")])
@pytest.mark.asyncio
async def test_a_forged_call_elsewhere_is_found(database_url: str, provider: str, model: str) -> None:
    async with yard(database_url) as here:
        await _decided_and_called(here, provider, model)

        assert await _outside(here) == [(provider, model)]
    with pytest.raises(AssertionError, match="I6: call 1 of job"):
        check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_call_without_any_decision_is_found(database_url: str) -> None:
    async with yard(database_url) as here:
        (serving,) = await here.serving(1)
        attempt = an_attempt(counted(serving))
        async with here.database.transaction() as connection:
            await record.keep_attempts(connection, [(serving, attempt)], frozenset())

        assert await _outside(here) == [("alpha", "one")]
