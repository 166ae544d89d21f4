"""The waiting room: urgent work first, no class in another's way, and no job with two routers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from runtime.db.session import Connection, fetch
from runtime.db.stores import waiting
from runtime.db.stores.waiting import UNSEEN
from tests.yard import TENANT, Yard, yard

pytestmark = pytest.mark.services


async def claimed(connection: Connection, limits: Mapping[str, int], most: int = 100) -> list[str]:
    return [row["custom_id"] for row in await waiting.claim(connection, TENANT, limits, most=most)]


async def classed(here: Yard, name: str, route_class: str) -> None:
    await here.do("update jobs set route_class = %s where custom_id like %s", (route_class, f"{name}%"))


async def handed_in(here: Yard, name: str, count: int = 1, **requirements: object) -> None:
    """Jobs `name-1`, `name-2` and so on."""
    await here.submit(count, **requirements)
    await here.do(
        "update jobs set custom_id = replace(custom_id, 'contract', %s) where custom_id like 'contract%%'",
        (name,),
    )


@pytest.mark.asyncio
async def test_urgent_work_overtakes_all_the_bulk_that_came_before_it(database_url: str) -> None:
    async with yard(database_url) as here:
        await handed_in(here, "bulk", 30, lane="bulk")
        await handed_in(here, "plain", 2)
        await handed_in(here, "soon", 1, deadline_s=60)
        await handed_in(here, "urgent", 2, lane="urgent")

        async with here.database.transaction() as connection:
            found = await claimed(connection, {UNSEEN: 6}, most=6)

    assert found == ["urgent-1", "urgent-2", "soon-1", "plain-1", "plain-2", "bulk-1"]


@pytest.mark.asyncio
async def test_within_a_lane_the_least_slack_goes_first_and_not_the_nearest_deadline(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        await handed_in(here, "short", 1, deadline_s=60)
        await handed_in(here, "long", 1, deadline_s=80)
        await here.do(
            "update jobs set start_by = deadline_at - interval '50 s' where custom_id like %s", ("long%",)
        )

        async with here.database.transaction() as connection:
            found = await claimed(connection, {UNSEEN: 6}, most=6)

    assert found == ["long-1", "short-1"]


@pytest.mark.asyncio
async def test_a_saturated_class_is_in_nobody_s_way(database_url: str) -> None:
    async with yard(database_url) as here:
        await handed_in(here, "full", 50, lane="urgent")
        await handed_in(here, "free", 3, lane="bulk")
        await classed(here, "full", "f")
        await classed(here, "free", "g")

        async with here.database.transaction() as connection:
            closed = await claimed(connection, {UNSEEN: 10, "g": 10})
            narrow = await claimed(connection, {"f": 1, "g": 10})

    assert closed == ["free-1", "free-2", "free-3"]
    assert narrow == ["full-1", "free-1", "free-2", "free-3"]


@pytest.mark.asyncio
async def test_two_routers_never_take_the_same_job(database_url: str) -> None:
    async with yard(database_url) as here:
        await handed_in(here, "job", 10)

        async with here.database.transaction() as one, here.database.transaction() as other:
            first = await claimed(one, {UNSEEN: 4}, most=4)
            second = await claimed(other, {UNSEEN: 100})

        async with here.database.transaction() as connection:
            again = await claimed(connection, {UNSEEN: 100})

    assert first == ["job-1", "job-2", "job-3", "job-4"]
    assert second == ["job-5", "job-6", "job-7", "job-8", "job-9", "job-10"]
    assert sorted(again) == sorted(first + second), "the locks end with the transactions"


@pytest.mark.asyncio
async def test_the_claim_of_a_router_that_dies_is_undone(database_url: str) -> None:
    async with yard(database_url) as here:
        await handed_in(here, "job", 3)

        with pytest.raises(RuntimeError):
            async with here.database.transaction() as connection:
                await claimed(connection, {UNSEEN: 3})
                raise RuntimeError("it dies")

        assert await here.states() == {"accepted": 3}


@pytest.mark.asyncio
async def test_only_waiting_jobs_of_this_tenant_are_claimed(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.routed(2)
        await handed_in(here, "mine")

        async with here.database.transaction() as connection:
            mine = await claimed(connection, {UNSEEN: 9, "c": 9})
            theirs = await waiting.claim(connection, "other", {UNSEEN: 9}, most=9)

    assert mine == ["mine-1"]
    assert theirs == []


@pytest.mark.asyncio
async def test_where_no_class_is_open_nothing_is_claimed(database_url: str) -> None:
    async with yard(database_url) as here:
        await handed_in(here, "job")

        async with here.database.transaction() as connection:
            assert await claimed(connection, {}) == []


@pytest.mark.asyncio
async def test_it_is_seen_that_jobs_wait_and_which_classes_there_are(database_url: str) -> None:
    async with yard(database_url) as here:
        async with here.database.transaction() as connection:
            assert not await waiting.any_waits(connection, TENANT)
        await handed_in(here, "new", 3)
        await handed_in(here, "known", 5)
        await classed(here, "known", "k")
        async with here.database.transaction() as connection:
            await waiting.keep_class(connection, TENANT, "k", "sha256:r", ["alpha"])
            await waiting.keep_class(connection, TENANT, "k", "sha256:other", ["beta"])

            assert await waiting.any_waits(connection, TENANT)
            assert not await waiting.any_waits(connection, "another")
            assert await waiting.classes(connection, TENANT) == {"k": ("sha256:r", ("alpha",))}


@pytest.mark.asyncio
@pytest.mark.parametrize("is_analyzed", [False, True])
async def test_a_chunk_is_read_in_the_order_of_an_index_however_many_wait(
    database_url: str, is_analyzed: bool
) -> None:
    """Counted or not: a plan that sorts all that wait, or reads all documents, costs as much as there are jobs."""
    async with yard(database_url) as here:
        await here.submit(3_000)
        if is_analyzed:
            await here.do("analyze")
        arguments = {"classes": ["", "a"], "limits": [50, 50], "tenant": TENANT, "most": 50}

        async with here.database.transaction() as connection:
            rows = await fetch(connection, f"explain (analyze, format json) {waiting._CLAIM}", arguments)

        nodes = [node for node in _nodes(rows[0]["QUERY PLAN"][0]["Plan"]) if "Relation Name" in node]
        assert {(node["Relation Name"], node["Node Type"]) for node in nodes} == {
            ("jobs", "Index Scan"),
            ("documents", "Index Scan"),
        }
        assert all(node["Actual Rows"] <= 50 for node in nodes)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for one in plan.get("Plans", ()):
        yield from _nodes(one)
