"""The query that proves the allowed set: silent about what the router decided, and it finds what was forged."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from classyard.commands.audit import tell
from classyard.context import Context
from classyard.embedded.home import Home
from runtime.db.stores import hops, record
from schemas.job import Job
from schemas.lifecycle import JobState
from tests.invariants import check_invariants
from tests.yard import TENANT, Yard, a_catalog, an_attempt, counted, some_settings, yard

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


@pytest.mark.asyncio
async def test_the_command_says_so_and_its_exit_code_tells(database_url: str, tmp_path: Path) -> None:
    context = Context(some_settings(database_url, "redis://unused"), Home(tmp_path), {})
    screen = Console(file=StringIO(), width=200)
    async with yard(database_url) as here:
        serving = await _decided_and_called(here, "alpha", "one")

        assert await tell(context, "latest", to=screen) == 0
        forged = an_attempt(counted(serving), provider="beta", number=2)
        async with here.database.transaction() as connection:
            await record.keep_attempts(connection, [(serving, forged)], frozenset())
        assert await tell(context, None, to=screen) == 1

    said = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "1 call, all inside what their decisions allowed." in said
    assert "1 of 2 calls outside what was allowed:" in said
    assert f"job {serving.id}, call 2 to beta/one: decision 2 allowed alpha/one." in said
