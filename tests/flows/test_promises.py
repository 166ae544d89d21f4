"""What an operator and a submitter may do to a running yard, and what they are promised."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.yards import Pretend, Yard, batch_of, pretending, provider, until, write_contracts, yard
from tests.invariants import check_invariants

pytestmark = [pytest.mark.services, pytest.mark.flows, pytest.mark.xdist_group("flows-promises")]

MANY = 120
EVEN, QUICK = "instant:base_ms=400,jitter=0.2", "instant:base_ms=20"
CEILING = 6


@pytest.fixture(scope="module")
def pretend() -> Iterator[Pretend]:
    with pretending(steady=EVEN) as running:
        yield running


@pytest.fixture(scope="module")
def running(pretend: Pretend) -> Iterator[Yard]:
    with yard(provider("steady", pretend.url, ceiling=CEILING), CLASSYARD_LEASE_S="5") as started:
        yield started


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_contracts(tmp_path_factory.mktemp("documents"), MANY)


@pytest.fixture(autouse=True)
def fresh(pretend: Pretend) -> None:
    pretend.become("steady", EVEN)
    pretend.reset()


def begun(running: Yard, documents: Path) -> str:
    batch = running.submit(documents, "--review", "contract-clauses")
    until(lambda: running.states(batch).get("succeeded", 0) >= 10, "the batch to get going", every_s=0.02)
    return batch


def test_a_cancelled_batch_stops_keeps_what_is_done_and_can_be_taken_up_again(
    running: Yard, pretend: Pretend, documents: Path
) -> None:
    batch = begun(running, documents)

    said = running.cli("cancel", batch)

    assert said.code == 0, said.err
    states = running.states(batch)
    assert set(states) == {"succeeded", "cancelled"} and sum(states.values()) == MANY
    done = running.one("select count(*) from results where batch_id = %s", batch)
    assert done == states["succeeded"] >= 10
    until(lambda: running.one("select count(*) from slots") == 0, "the slots to be given back")
    assert running.states(batch) == states, "a call that was under way changed a final row"
    # What is under way is given up within a heartbeat (half a second here), and nothing new is begun after it.
    calls, in_a_heartbeat = pretend.stats("steady")["calls"], 4 * CEILING
    assert calls <= states["succeeded"] + in_a_heartbeat

    pretend.become("steady", QUICK)
    again = running.cli("retry", batch, "--state", "cancelled", "--wait")

    assert again.code == 0, again.err
    assert f"{states['cancelled']} succeeded" in again.err + again.out
    assert running.states(batch) == states
    check_invariants(running.database_url)


def test_a_submission_with_a_key_is_one_batch_however_often_it_is_handed_in(
    running: Yard, pretend: Pretend, documents: Path
) -> None:
    pretend.become("steady", QUICK)
    words = ("submit", documents, "--review", "contract-clauses", "--key", "the monday run")
    first = running.cli(*words, "--wait")
    second = running.cli(*words)
    other = running.cli(*words, "--quality", "high")

    assert first.code == second.code == 0, first.err + second.err
    assert batch_of(second) == batch_of(first) and "handed in before" in second.err
    assert other.code == 2 and "was used before" in other.err
    assert pretend.stats("steady")["calls"] == MANY
    assert running.cli("retry", "latest").code == 2


def test_a_rolling_restart_under_load_loses_nothing_and_repeats_nothing(
    running: Yard, pretend: Pretend, documents: Path
) -> None:
    """Each role in turn is asked to stop, as a deployment does it: calls under way are brought to their end."""
    batch = begun(running, documents)

    for role in ("provider-steady", "router", "keeper"):
        pid = running.pid(role)
        os.kill(pid, signal.SIGTERM)
        running.await_replaced(role, pid)
    states = running.wait(batch)

    assert states == {"succeeded": MANY}
    assert pretend.stats("steady")["calls"] == MANY, "a drained worker's call was made again"
    assert running.one("select count(*) from jobs where batch_id = %s and interruptions > 0", batch) == 0
    check_invariants(running.database_url)
