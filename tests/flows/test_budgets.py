"""A budget is reached in the middle of a batch: what is left waits, visibly, and goes on when the budget is raised."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.yards import Pretend, Yard, pretending, provider, until, write_contracts, yard
from tests.invariants import check_invariants

pytestmark = [pytest.mark.services, pytest.mark.flows, pytest.mark.xdist_group("flows-budgets")]

MANY = 30
QUICK = "instant:base_ms=20"
LIMIT_USD_MICROS = 3_000
"""Enough for some of them: a call costs some 170 micro-dollars here, and 750 with the longest answer."""


@pytest.fixture(scope="module")
def pretend() -> Iterator[Pretend]:
    with pretending(steady=QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def running(pretend: Pretend) -> Iterator[Yard]:
    price = {
        "input_usd_micros_per_mtok": 150_000,
        "output_usd_micros_per_mtok": 1_000_000,
        "source": "invented for a test",
        "checked": "2026-11-23",
    }
    steady = provider("steady", pretend.url, ceiling=4, model={"price": price})
    with yard(steady, policy={"budgets": {"batch_usd_micros": LIMIT_USD_MICROS}}) as started:
        yield started


def test_a_batch_stops_at_its_budget_and_goes_on_when_it_is_raised(
    running: Yard, pretend: Pretend, tmp_path: Path
) -> None:
    batch = running.submit(write_contracts(tmp_path / "documents", MANY), "--review", "contract-clauses")

    until(lambda: _stands_still(running, batch), "the budget to be reached")
    states, calls = running.states(batch), pretend.stats("steady")["calls"]
    assert 0 < states["succeeded"] < MANY
    assert (
        running.one("select sum(cost_usd_micros) from attempts where batch_id = %s", batch)
        <= LIMIT_USD_MICROS
    )
    reasons = running.rows("select distinct reason_code, reason from jobs where state = 'held'")
    assert {row["reason_code"] for row in reasons} == {"budget"}
    assert all("classyard budget set" in row["reason"] for row in reasons)
    assert str(states["held"]) in running.cli("budget").out
    check_invariants(running.database_url)

    raised = running.cli("budget", "set", "batch", batch, "off")

    assert raised.code == 0, raised.err
    assert running.wait(batch) == {"succeeded": MANY}
    assert pretend.stats("steady")["calls"] == MANY and calls == states["succeeded"]
    assert (
        running.one("select sum(cost_usd_micros) from attempts where batch_id = %s", batch) > LIMIT_USD_MICROS
    )
    check_invariants(running.database_url)


def _stands_still(running: Yard, batch: str) -> bool:
    """Only done and held work, and no more of it done in a while: what was reserved is given back by then."""
    before = running.states(batch)
    time.sleep(1.5)
    return set(before) == {"succeeded", "held"} and running.states(batch) == before
