"""The pools of two workers of one provider grow and shrink while calls are in flight; the provider's ceiling holds."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from runtime.celery_app import make_app
from tests.flows.yards import Pretend, Yard, pretending, provider, until, write_contracts, yard
from tests.invariants import check_invariants

pytestmark = [pytest.mark.services, pytest.mark.flows, pytest.mark.xdist_group("flows-pool")]

CEILING = 12
SECOND = 6
"""Concurrency of the second worker; the first one has as many slots as the ceiling, so together they could do 18."""
DOCUMENTS = 320


@pytest.fixture(scope="module")
def pretend() -> Iterator[Pretend]:
    with pretending(steady="instant:base_ms=600,jitter=0.2") as running:
        yield running


@pytest.fixture(scope="module")
def running(pretend: Pretend) -> Iterator[Yard]:
    with yard(provider("steady", pretend.url, ceiling=CEILING), CLASSYARD_HEARTBEAT_S="0.2") as started:
        started.start_role("provider", "steady", "--concurrency", str(SECOND))
        until(lambda: len(_slots(started)) == 2, "the second worker to report")
        yield started


@pytest.fixture
def control(running: Yard) -> Iterator[Celery]:
    """What an operator has: Celery's own remote control, as Flower uses it."""
    app = make_app(running.redis_url, ())
    yield app
    app.close()


def test_pools_grow_and_shrink_under_load(
    running: Yard, pretend: Pretend, control: Celery, tmp_path: Path
) -> None:
    """Whatever the pools are told while a batch runs: limits follow, work goes on, nothing is lost, and the provider
    never sees more calls at once than its ceiling."""
    first, second = running.pid("provider-steady"), running.extra[0].pid
    assert _slots(running) == {first: CEILING, second: SECOND}
    batch = running.submit(write_contracts(tmp_path / "documents", DOCUMENTS), "--review", "contract-clauses")
    until(lambda: pretend.stats("steady")["in_flight"] == CEILING, "the provider to be full")

    _grow(control, second, 10)
    _await_slots(running, {first: 12, second: 16})
    _await_progress(running, batch)
    _shrink(control, first, 11)
    _shrink(control, second, 15)
    _await_slots(running, {first: 1, second: 1})
    until(lambda: pretend.stats("steady")["in_flight"] <= 2, "slots to be given up")
    _await_progress(running, batch)
    assert pretend.stats("steady")["in_flight"] <= 2
    _shrink(control, first, 5)
    _grow(control, second, 2)
    _await_slots(running, {first: 1, second: 3})
    _grow(control, first, 19)
    _grow(control, second, 17)
    _await_slots(running, {first: 20, second: 20})
    until(lambda: pretend.stats("steady")["in_flight"] == CEILING, "the provider to be full again")

    assert running.finished(batch) < DOCUMENTS, "the batch ended before the pools had changed"
    pretend.become("steady", "instant:base_ms=50")
    assert running.wait(batch) == {"succeeded": DOCUMENTS}
    check_invariants(running.database_url)
    seen = pretend.stats("steady")
    assert seen["peak_in_flight"] == CEILING
    assert (seen["calls"], seen["duplicates"]) == (DOCUMENTS, 0)
    answered = running.rows("select answered from workers where role = 'provider'")
    assert all(row["answered"] > DOCUMENTS / 20 for row in answered), "both workers had their share"


def _slots(running: Yard) -> dict[int, int]:
    """What each worker of the provider says its limit is, by pid."""
    return {
        row["pid"]: row["slots"]
        for row in running.rows("select pid, slots from workers where role = 'provider'")
    }


def _await_slots(running: Yard, wanted: dict[int, int]) -> None:
    until(lambda: _slots(running) == wanted, f"the workers to report {wanted}")


def _await_progress(running: Yard, batch: str) -> None:
    """A few more jobs come to their end."""
    goal = running.finished(batch) + 5
    until(lambda: running.finished(batch) >= goal, "work to go on")


def _grow(control: Celery, pid: int, by: int) -> None:
    said = control.control.pool_grow(by, destination=[_node(pid)], reply=True, timeout=5, limit=1)
    assert said == [{_node(pid): {"ok": "pool will grow"}}]


def _shrink(control: Celery, pid: int, by: int) -> None:
    said = control.control.pool_shrink(by, destination=[_node(pid)], reply=True, timeout=5, limit=1)
    assert said == [{_node(pid): {"ok": "pool will shrink"}}]


def _node(pid: int) -> str:
    """A worker's name, as Flower shows it: every process has its own."""
    assert pid != os.getpid()
    return f"provider-steady.{pid}@{socket.gethostname()}"
