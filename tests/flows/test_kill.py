"""Processes of a yard are killed with SIGKILL in the middle of a batch; nothing is lost, and nothing happens twice.

What a killed worker leaves behind: the kernel closes its connections, the pretend provider notices and stops counting
its calls (`disconnected`), and their answers are lost, although a real provider may charge for them. The worker's
slots stay taken until their leases end, so the provider sees fewer calls than its ceiling meanwhile, never more.
"""

from __future__ import annotations

import json
import time
from bisect import bisect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.flows.yards import FINAL, Pretend, Yard, pretending, provider, until, write_contracts, yard
from tests.invariants import check_invariants

pytestmark = [pytest.mark.services, pytest.mark.flows, pytest.mark.xdist_group("flows-kill")]

CEILING = 8
MANY, FEW = 300, 80
"""Documents."""
SLOW, EVEN, QUICK = (f"instant:base_ms={ms},jitter=0.2" for ms in (1_000, 150, 40))
"""The provider is slow until the blow, so that it falls in the middle of the batch, and quick afterwards."""
BIND_LATE = {"seconds": 1, "max_jobs": 1_000}
"""So little is bound ahead that the router is needed until the end."""


@pytest.fixture(scope="module")
def pretend() -> Iterator[Pretend]:
    with pretending(steady=SLOW) as running:
        yield running


@pytest.fixture(scope="module")
def running(pretend: Pretend) -> Iterator[Yard]:
    """A yard with one provider, in which a lost worker is noticed after three seconds."""
    steady = provider("steady", pretend.url, ceiling=CEILING)
    with yard(steady, policy={"bind_late": BIND_LATE}, CLASSYARD_LEASE_S="3") as started:
        yield started


@pytest.fixture(autouse=True)
def fresh(pretend: Pretend) -> None:
    pretend.reset()


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_contracts(tmp_path_factory.mktemp("documents"), MANY)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_contracts(tmp_path_factory.mktemp("few"), FEW)


def test_a_killed_provider_worker_loses_nothing(running: Yard, pretend: Pretend, documents: Path) -> None:
    """Every job of a worker that was killed ends once, with one result; those that it held say in their audit trail
    that they were taken back."""
    batch = _begin(running, pretend, documents)

    killed = running.kill("provider-steady")
    pretend.become("steady", QUICK)
    states = running.wait(batch)

    assert states == {"succeeded": MANY}
    running.await_replaced("provider-steady", killed)
    taken_back = _taken_back(running, batch)
    interrupted = running.rows("select id::text from jobs where batch_id = %s and interruptions = 1", batch)
    assert taken_back and set(taken_back) == {row["id"] for row in interrupted}
    assert {event["actor"] for event in taken_back.values()} == {"keeper"}
    seen = pretend.stats("steady")
    assert 0 < seen["disconnected"] <= CEILING
    # The cut calls are made again, and no others: what was answered is not asked for a second time.
    assert seen["calls"] <= MANY + len(taken_back)
    _holds(running, pretend, batch, MANY)


def test_a_killed_router_is_replaced(running: Yard, pretend: Pretend, few: Path) -> None:
    """A router decides and writes in one transaction: killed in the middle, it has done nothing, and the next one
    goes on."""
    batch = _begin(running, pretend, few)

    killed = running.kill("router")
    pretend.become("steady", QUICK)
    states = running.wait(batch)

    assert states == {"succeeded": FEW}
    running.await_replaced("router", killed)
    assert _taken_back(running, batch) == {}
    _holds(running, pretend, batch, FEW)


def test_a_killed_keeper_is_replaced(running: Yard, pretend: Pretend, few: Path) -> None:
    """The keeper's lock goes with its connection: the next keeper leads, and marks the batch as finished."""
    batch = _begin(running, pretend, few)

    killed = running.kill("keeper")
    pretend.become("steady", QUICK)
    states = running.wait(batch)

    assert states == {"succeeded": FEW}
    running.await_replaced("keeper", killed)
    until(lambda: _is_marked(running, batch), "the keeper to mark the batch as finished")
    _holds(running, pretend, batch, FEW)


def test_a_broker_that_forgets_every_bell_delays_and_loses_nothing(
    running: Yard, pretend: Pretend, few: Path
) -> None:
    """Messages are doorbells: with all of them gone, the keeper rings again from the table."""
    batch = _begin(running, pretend, few)

    with redis.Redis.from_url(running.redis_url) as broker:
        broker.flushall()
    pretend.become("steady", QUICK)
    states = running.wait(batch)

    assert states == {"succeeded": FEW}
    _holds(running, pretend, batch, FEW)


def test_a_killed_broker_delays_and_loses_nothing(running: Yard, pretend: Pretend, documents: Path) -> None:
    """Valkey is killed: calls in flight are recorded all the same, and work goes on as quickly as before when it is
    back."""
    batch = _begin(running, pretend, documents, pace=EVEN)

    at_s, killed = time.time(), running.kill("valkey")
    states = running.wait(batch)

    assert states == {"succeeded": MANY}
    running.await_replaced("valkey", killed)
    assert _taken_back(running, batch) == {}, "no worker was lost"
    before, after = _rates(running, batch, at_s)
    assert after > before / 2
    _holds(running, pretend, batch, MANY)


def test_everything_at_once(running: Yard, pretend: Pretend, few: Path) -> None:
    """Worker, router, keeper and broker are killed in one instant: the batch still ends, each job once."""
    batch = _begin(running, pretend, few)

    for role in ("provider-steady", "router", "keeper", "valkey"):
        running.kill(role)
    pretend.become("steady", QUICK)
    states = running.wait(batch)

    assert states == {"succeeded": FEW}
    _holds(running, pretend, batch, FEW)


def _begin(running: Yard, pretend: Pretend, documents: Path, *, pace: str = SLOW) -> str:
    """Hands in, and comes back when some jobs are done, some are being served and most are still to be."""
    pretend.become("steady", pace)
    batch = running.submit(documents, "--review", "contract-clauses")
    until(lambda: _is_in_the_middle(running.states(batch)), "the batch to get going", every_s=0.02)
    return batch


def _is_in_the_middle(states: dict[str, int]) -> bool:
    open_jobs = sum(jobs for state, jobs in states.items() if state not in FINAL)
    assert open_jobs > 30, f"too late: {states}"
    return states.get("succeeded", 0) >= 5 and states.get("serving", 0) > 0


def _events(running: Yard, batch: str) -> list[dict[str, Any]]:
    rows = running.rows(
        "select e.body from audit_events e join jobs j on j.id = e.job_id where j.batch_id = %s"
        " order by e.job_id, e.version",
        batch,
    )
    return [json.loads(row["body"]) for row in rows]


def _taken_back(running: Yard, batch: str) -> dict[str, dict[str, Any]]:
    """The event by which each job was taken from a worker that went silent."""
    moves = [(event["from"], event["to"], event["reason"], event) for event in _events(running, batch)]
    lost = ("serving", "routed", "worker_lost")
    return {event["job"]: event for *move, event in moves if tuple(move) == lost}


def _rates(running: Yard, batch: str, blow_s: float) -> tuple[float, float]:
    """Calls a second before the blow, and after the longest pause between two calls that came with it or later."""
    rows = running.rows("select started_at from attempts where batch_id = %s order by started_at", batch)
    at_s = [row["started_at"].timestamp() for row in rows]
    blow = bisect(at_s, blow_s)
    assert CEILING < blow < MANY - 2 * CEILING, "the blow fell outside the batch"
    pause = max(range(blow, len(at_s) - CEILING), key=lambda number: at_s[number] - at_s[number - 1])
    before, after = at_s[:pause], at_s[pause:]
    return len(before) / (before[-1] - before[0]), len(after) / (after[-1] - after[0])


def _is_marked(running: Yard, batch: str) -> bool:
    return bool(running.one("select finished_at is not null from batches where id = %s", batch))


def _holds(running: Yard, pretend: Pretend, batch: str, jobs: int) -> None:
    """One result for each job, the invariants, and never a call above the ceiling."""
    assert running.one("select count(*) from results where batch_id = %s", batch) == jobs
    until(lambda: running.one("select count(*) from slots") == 0, "slots without work to go", timeout_s=2)
    check_invariants(running.database_url)
    assert pretend.stats("steady")["peak_in_flight"] <= CEILING
