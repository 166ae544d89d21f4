"""Failpoints: off they do nothing, armed they do what they were told, and a yard with a real provider refuses them."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from runtime import failpoints
from runtime.db.session import Database, repeated
from runtime.failpoints import ARMED_BY, POINTS, TOLD_TO, Armed, Fault, arm, disarm, plan_of
from schemas.errors import ConfigurationError, ServiceUnreachable
from tests.flows.yards import ROOT

CODE = ("runtime", "producer", "router_worker", "provider_workers", "classyard")


@pytest.fixture(autouse=True)
def calm() -> Iterator[None]:
    yield
    disarm()


def test_each_point_has_its_place_in_the_code_and_each_place_is_a_known_point() -> None:
    places = [
        point
        for package in CODE
        for path in (ROOT / package).rglob("*.py")
        for point in re.findall(r'failpoints\.reach\("([^"]+)"\)', path.read_text(encoding="utf-8"))
        if path.name != "failpoints.py"
    ]

    assert sorted(places) == sorted(POINTS)


def test_unarmed_nothing_happens() -> None:
    arm({}, all_simulated=False)

    for point in POINTS:
        failpoints.reach(point)


def test_they_are_refused_where_a_provider_is_real() -> None:
    with pytest.raises(ConfigurationError, match="providers that are real"):
        arm({ARMED_BY: "writer.commit=kill"}, all_simulated=False)

    failpoints.reach("writer.commit")


@pytest.mark.parametrize(
    "said", ["writer.comit=kill", "writer.commit=explode", "writer.commit=kill:2", "x", "*=kill:a"]
)
def test_words_that_are_wrong_are_named(said: str) -> None:
    with pytest.raises(ConfigurationError, match="Deeds: kill"):
        plan_of(said)


def test_a_plan_is_read() -> None:
    assert plan_of("*=look,sql.committed=lose:0.01@7") == {
        "*": Fault("look", 1.0),
        "sql.committed": Fault("lose", 0.01),
    }


def test_what_was_reached_and_done_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    arm({ARMED_BY: "sql.commit=lose:0.5@3", TOLD_TO: str(log)}, all_simulated=True)

    lost = 0
    for _ in range(40):
        try:
            failpoints.reach("sql.commit")
        except psycopg.OperationalError:
            lost += 1
    failpoints.reach("bell.rung")

    words = [line.split()[2:] for line in log.read_text().splitlines()]
    assert words.count(["reached", "sql.commit"]) == words.count(["reached", "bell.rung"]) == 1
    assert words.count(["lose", "sql.commit"]) == lost and 8 < lost < 32


def test_a_point_overrules_the_star() -> None:
    armed = Armed(plan_of("*=lose,bell.ring=look"))

    armed.reach("bell.ring")
    with pytest.raises(psycopg.OperationalError):
        armed.reach("bell.rung")


def test_a_kill_ends_the_process_then_and_there() -> None:
    words = """
from runtime import failpoints
failpoints.arm({failpoints.ARMED_BY: "call.send=kill"}, all_simulated=True)
failpoints.reach("call.replied")
print("alive", flush=True)
failpoints.reach("call.send")
print("still", flush=True)
"""

    done = subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, timeout=30)

    assert (done.returncode, done.stdout) == (-9, "alive\n")


@pytest.mark.services
def test_a_lost_commit_is_applied_and_reported_as_failed(database_url: str) -> None:
    async def write() -> int:
        database = Database(database_url)
        await database.open()
        arm({ARMED_BY: "sql.committed=lose"}, all_simulated=True)
        try:
            with pytest.raises(ServiceUnreachable):
                async with database.transaction() as connection:
                    await connection.execute("create table written as select 1 as n")
            disarm()
            return len(await database.rows("select n from written"))
        finally:
            await database.close()

    assert asyncio.run(write()) == 1


@pytest.mark.services
@pytest.mark.parametrize("deed", ["conflict", "deadlock"])
def test_a_conflict_is_rolled_back_and_the_work_is_done_again(database_url: str, deed: str) -> None:
    async def write() -> int:
        database = Database(database_url)
        await database.open()
        await database.rows("create table written (n int)")
        tries = 0

        async def once() -> None:
            nonlocal tries
            tries += 1
            if tries == 3:
                disarm()
            async with database.transaction() as connection:
                await connection.execute("insert into written values (1)")

        arm({ARMED_BY: f"sql.commit={deed}"}, all_simulated=True)
        try:
            await repeated(once)
            return len(await database.rows("select n from written"))
        finally:
            await database.close()

    assert asyncio.run(write()) == 1
