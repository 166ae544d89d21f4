"""A small run of the laboratory: kills at random, a keeper that is missing, and failpoints in real processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runtime.failpoints import ARMED_BY, TOLD_TO
from tests.faults.lab import Lab, StandsStill, laboratory
from tests.faults.nemesis import Nemesis
from tests.flows.yards import until
from tests.invariants import check_invariants

pytestmark = [pytest.mark.services, pytest.mark.flows, pytest.mark.xdist_group("faults")]

JOBS = 150


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with laboratory(steady="instant:base_ms=150,jitter=0.2") as found:
        yield found


def test_random_kills_lose_nothing(lab: Lab) -> None:
    lab.fresh(lab.provider("steady", ceiling=8), CLASSYARD_LEASE_S="2")
    lab.start_yard("steady", keepers=2)
    lab.await_ready()
    lab.accept(JOBS)
    nemesis = Nemesis(lab, seed=3, planned=6, every_s=0.5)

    lab.wait(nemesis.kill)

    verdict = lab.verdict()
    assert verdict.told() == "kept"
    assert verdict.completed == verdict.jobs == JOBS
    assert nemesis.is_done, "a run in which too little was broken shows nothing"
    check_invariants(lab.database_url)


def test_without_a_keeper_jobs_of_a_killed_worker_are_lost_and_the_checker_says_so(lab: Lab) -> None:
    """The guard that owns liveness is taken away: the laboratory must see the loss, or it would see none ever."""
    lab.fresh(lab.provider("steady", ceiling=8), CLASSYARD_LEASE_S="2")
    lab.start_yard("steady", workers=1, keepers=1)
    lab.await_ready()
    lab.accept(40)
    until(lambda: lab.states().get("serving", 0) > 0, "a call in flight", every_s=0.02)
    for name in ("keeper-0", "steady-0"):
        lab.signal(lab.roles.pop(name), 9)  # type: ignore[arg-type]
    lab.start("steady-1", "provider", "steady")

    with pytest.raises(StandsStill):
        lab.wait(stall_s=6)
    assert lab.verdict().lost

    lab.start("keeper-1", "keeper")
    lab.wait()
    assert lab.verdict().told() == "kept"


def test_ambiguous_commits_record_nothing_twice(lab: Lab) -> None:
    log = lab.home.logs / "failpoints.log"
    lab.fresh(
        lab.provider("steady", ceiling=8),
        CLASSYARD_LEASE_S="2",
        **{ARMED_BY: "sql.committed=lose:0.05,sql.commit=conflict:0.05@5", TOLD_TO: str(log)},
    )
    lab.start_yard("steady")
    lab.accept(JOBS)

    lab.wait()

    verdict = lab.verdict()
    assert verdict.told() == "kept"
    assert verdict.states == {"succeeded": JOBS}, "an ambiguous commit must not fail a job"
    done = [line.split()[2] for line in log.read_text().splitlines()]
    assert done.count("lose") >= 5 and done.count("conflict") >= 5
