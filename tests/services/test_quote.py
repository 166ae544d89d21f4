"""A quote in a yard that runs: on its load, by its catalog, with the shares that intake gives, and without a trace."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from rich.console import Console

from classyard.commands.quote import quote
from classyard.commands.reckoning import present
from classyard.context import Context
from classyard.embedded.home import Home
from router_worker.quote import ceilings
from tests.engine_values import a_policy
from tests.yard import a_catalog, some_settings, sources, yard

pytestmark = pytest.mark.services

TABLES = ("batches", "jobs", "documents", "artifacts", "decisions", "audit_events", "rejections")


def in_a_yard(database_url: str, tmp_path: Path) -> Context:
    return Context(some_settings(database_url, "redis://unused"), Home(tmp_path / "home"), {})


async def busy(database_url: str) -> dict[str, int]:
    """A yard whose one provider has two slots and two jobs; what its tables hold."""
    async with yard(database_url) as here:
        await here.stage(a_catalog("alpha", boundary="restricted")).publish()
        await here.provider_up("alpha", ceiling=2, job_ms_p50=1_000)
        await here.routed(2)
    return await rows_of(database_url)


async def rows_of(database_url: str) -> dict[str, int]:
    async with yard(database_url) as here:
        return {table: await here.count(table) for table in TABLES}


def test_it_is_reckoned_on_the_load_of_now_and_writes_nothing(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "papers").mkdir()
    for source in sources(4, first=10):
        (tmp_path / "papers" / source.name).write_text(source.text * 10)
    before = asyncio.run(busy(database_url))
    screen = Console(file=io.StringIO(), width=300)

    code = quote(
        in_a_yard(database_url, tmp_path),
        [tmp_path / "papers"],
        review="contract-clauses",
        sensitivity=None,
        residency=(),
        deadline=None,
        max_cost=None,
        quality=None,
        priority=None,
        to=screen,
    )

    assert isinstance(screen.file, io.StringIO)
    text = screen.file.getvalue()
    assert code == 0
    assert "4 documents: 4 would be served, for $0.0" in text
    assert "in about 3.0 s." in text, "two that wait and four more, a second each, two at a time"
    assert "No yard runs here" not in text
    assert asyncio.run(rows_of(database_url)) == before


def test_the_catalog_is_the_one_that_the_router_works_by(database_url: str, tmp_path: Path) -> None:
    asyncio.run(busy(database_url))

    snapshot, notes = present(in_a_yard(database_url, tmp_path), a_policy())

    assert notes == ()
    assert [(load.provider, load.slots, load.waiting_jobs) for load in snapshot.loads] == [("alpha", 2, 2)]


@pytest.mark.asyncio
async def test_each_document_gets_the_share_that_intake_would_give_it(database_url: str) -> None:
    texts = sources(3)
    async with yard(database_url) as here:
        accepted = await here.submit(texts, max_cost_usd_micros=1_000_001)

        jobs = await here.jobs(accepted.batch_id)

    sizes = [len(one.text.encode()) for one in texts]
    assert [job.max_cost_usd_micros for job in jobs] == ceilings(sizes, 1_000_001)
