"""Ten thousand deliveries to faulty receivers, and a deliverer that is killed in the middle: none is lost."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from ipaddress import ip_network

import pytest

from producer.webhooks.endpoints import Endpoints
from schemas.lifecycle import JobState
from tests.counter import PEPPER
from tests.sinks import sink
from tests.webhook_deliverer import HASTY
from tests.yard import TENANT, Yard, yard

pytestmark = [pytest.mark.services, pytest.mark.asyncio]

WANTED = {
    **{f"/good/{n}": "job.refused" for n in range(4)},
    **{f"/mixed/{n}": "job.refused" for n in range(5)},
    "/later": "job.expired",
    "/hang": "job.expired",
    "/fail": "job.cancelled",
}
ENDS = {JobState.REFUSED: 1_110, JobState.EXPIRED: 2, JobState.CANCELLED: 12}
HOPELESS = {"/hang", "/fail"}


@pytest.mark.timeout(400)
async def test_ten_thousand_deliveries_survive_a_kill(database_url: str) -> None:
    async with yard(database_url) as here, sink() as there:
        endpoints = Endpoints(here.database, TENANT, PEPPER, [ip_network("127.0.0.0/8")])
        paths = {}
        for path, event in WANTED.items():
            made = await endpoints.add(there.url(path), events=[event])
            paths[made.row["id"]] = path
        await _ended(here)
        assert await here.count("webhook_deliveries") == sum(
            count * list(WANTED.values()).count(f"job.{state.value}") for state, count in ENDS.items()
        )

        began = time.monotonic()
        first = await _deliverer(database_url)
        while sum(there.tries.values()) < 3_000:
            await asyncio.sleep(0.02)
        under_way = sum(there.now.values())
        first.kill()
        await first.wait()
        second = await _deliverer(database_url)
        try:
            while await _waiting(here):
                assert time.monotonic() - began < 300
                await asyncio.sleep(0.2)
            took_s = time.monotonic() - began
        finally:
            second.kill()
            await second.wait()

        rows = await here.database.rows("select * from webhook_deliveries")
        ways = Counter((paths[row["endpoint_id"]] in HOPELESS, row["state"]) for row in rows)
        assert ways == {(False, "delivered"): len(rows) - 14, (True, "exhausted"): 14}
        assert len(rows) >= 10_000
        delivered = {
            (paths[row["endpoint_id"]], row["event_id"]) for row in rows if row["state"] == "delivered"
        }
        assert delivered == there.accepted
        for row in rows:
            if row["state"] == "exhausted":
                assert row["attempts"] == len(HASTY.waits_s) + 1 and row["reason"] and row["ended_at"]
        again = (
            sum(count for (path, _), count in there.tries.items() if path.startswith("/good"))
            - 4 * ENDS[JobState.REFUSED]
        )
        assert (
            0 <= again <= len(WANTED) * HASTY.at_once
        )  # what was under way, and nothing else, was sent twice
        sent = sum(there.tries.values())
        print(
            f"\n{len(rows):,} deliveries, {sent:,} attempts in {took_s:.1f} s: {sent / took_s:,.0f} a second;"
            f" {under_way} under way at the kill, {again} sent twice"
        )


async def _ended(here: Yard) -> None:
    """Jobs that ended, told of by the database as they did."""
    await here.submit(sum(ENDS.values()))
    found = iter(await here.jobs())
    for state, count in ENDS.items():
        jobs = [next(found) for _ in range(count)]
        await here.move([(job, job.moved(state, reason_code="x", reason="x")) for job in jobs])


async def _deliverer(database_url: str) -> asyncio.subprocess.Process:
    argv = (sys.executable, "-m", "tests.webhook_deliverer", database_url, TENANT, PEPPER)
    return await asyncio.create_subprocess_exec(*argv)


async def _waiting(here: Yard) -> int:
    (row,) = await here.database.rows("select count(*) as n from webhook_deliveries where state = 'waiting'")
    return int(row["n"])
