"""A provider with two worker processes goes down, is killed, and comes back; no job fails, and no hop leaves what was
allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.yards import Yard, pretending, provider, until, write_contracts, yard
from tests.invariants import check_invariants

pytestmark = [pytest.mark.services, pytest.mark.flows, pytest.mark.xdist_group("flows-resilience")]

MANY = 60


def test_a_provider_that_goes_down_and_is_killed_fails_no_job(tmp_path: Path) -> None:
    documents = write_contracts(tmp_path / "documents", MANY)
    with pretending(shaky="instant:rate_503=1,base_ms=20") as pretend:
        shaky = provider("shaky", pretend.url, ceiling=4, model={"quality": 0.9})
        with yard(shaky, policy={"bind_late": {"seconds": 1, "max_jobs": 20}}) as running:
            running.start_role("provider", "shaky", "--concurrency", "2")
            until(lambda: _workers(running) == 2, "a second worker")
            batch = _submitted(running, documents)

            # Down: both workers leave it alone but for a probe now and then, and every job waits.
            until(lambda: _openings(running) >= 3, "probes that fail")
            calls = pretend.stats("shaky")["calls"]
            # Three strikes with what was in flight beside them (4 slots), and one call for each probe since.
            assert calls <= 3 * 4 + _openings(running) + 1
            assert set(running.states(batch)) <= {"accepted", "held", "routed", "serving"}

            # Back, but it hangs: an operator kills it, and the calls in flight are given up.
            pretend.become("shaky", "instant:rate_hang=1")
            until(lambda: pretend.stats("shaky")["in_flight"] > 0, "a call that hangs", timeout_s=70)
            said = running.cli("providers", "kill", "shaky", "--reason", "it hangs")
            assert said.code == 0, said.err
            until(lambda: pretend.stats("shaky")["in_flight"] == 0, "its calls to be given up", timeout_s=10)
            assert "it hangs" in running.cli("providers").out

            pretend.become("shaky", "instant:base_ms=20")
            assert running.cli("providers", "resume", "shaky").code == 0
            states = running.wait(batch, timeout_s=90)

            assert states == {"succeeded": MANY}
            told = running.cli("providers", "--history", "shaky").out
            assert all(word in told for word in ("opened", "killed", "resumed"))
            assert running.cli("audit", "hops", "latest").code == 0
            check_invariants(running.database_url)


def _submitted(running: Yard, documents: Path) -> str:
    return running.submit(str(documents), "--review", "contract-clauses")


def _workers(running: Yard) -> int:
    return int(running.one("select count(*) from workers where provider = 'shaky'"))


def _openings(running: Yard) -> int:
    return int(running.one("select count(*) from provider_events where event = 'opened'"))
