"""Scenarios in which processes are killed or stopped: at random, and at every named place of the code."""

from __future__ import annotations

import contextlib
import signal
import time
from collections import Counter
from typing import Any

import psycopg

from benchmarks.faults.outcome import outcome
from benchmarks.faults.scale import Scale
from runtime import failpoints
from runtime.failpoints import ARMED_BY, POINTS, TOLD_TO
from schemas.errors import ClassyardError
from tests.faults.lab import Lab, Role
from tests.faults.nemesis import Nemesis

CEILING = 16
MOST_ROUNDS = 200
STORM_MARGIN_S = 40.0
"""Where several processes a second may die, and those who repair among them."""


def kills(lab: Lab, scale: Scale, seed: int) -> dict[str, Any]:
    """SIGKILL to a random router, worker or keeper, about one a second, until all planned ones were dealt."""
    pace(lab, jobs=scale.kill_jobs, seconds=scale.kills * scale.kill_every_s)
    lab.fresh(lab.provider("steady", ceiling=CEILING))
    lab.start_yard("steady", workers=3, routers=2, keepers=2)
    lab.await_ready()
    lab.accept(scale.kill_jobs)
    nemesis = Nemesis(lab, seed, planned=scale.kills, every_s=scale.kill_every_s)
    lab.wait(nemesis.kill)
    while not nemesis.is_done:  # the load ended first
        lab.accept(100, first=len(lab.promised) + 1)
        lab.wait(nemesis.kill)
    of_workers = [blow.at_s for blow in nemesis.blows if blow.whom.startswith("steady")]
    found = outcome(
        lab,
        planned=scale.kills,
        fired=len(nemesis.blows),
        blows_s=of_workers,
        kills=len(nemesis.blows),
        kills_by_role=dict(Counter(blow.whom.split("-")[0] for blow in nemesis.blows)),
    )
    found["repeated_per_kill"] = round(found["repeated_calls"] / max(1, len(of_workers)), 2)
    if found["repeated_per_kill"] > CEILING:
        found["broken"].append(f"{found['repeated_per_kill']} calls were repeated for each kill of a worker")
    return found


def pace(lab: Lab, *, jobs: int, seconds: float, share: float = 1.0) -> None:
    """Makes the provider so slow that the load lasts about as long as the faults do."""
    base_ms = max(20, round(1000 * CEILING * share * seconds / jobs))
    lab.pretend.become("steady", f"instant:base_ms={base_ms},jitter=0.2")


def pauses(lab: Lab, scale: Scale, seed: int) -> dict[str, Any]:
    """SIGSTOP for longer than the lease in the middle of calls, then SIGCONT: the worker wakes, and commits."""
    lease_s = 2.0
    lab.pretend.become("steady", "instant:base_ms=1000,jitter=0.1")
    lab.fresh(
        lab.provider("steady", ceiling=CEILING, timeout_s=60),
        CLASSYARD_LEASE_S=f"{lease_s:g}",
        CLASSYARD_PARCEL="1",
    )
    lab.start_yard("steady", workers=4)
    lab.await_ready()
    nemesis = Nemesis(lab, seed, planned=scale.pauses)
    blind = 0
    while not nemesis.is_done and blind < 20:
        lab.accept(2 * CEILING, first=len(lab.promised) + 1)
        victims = _await_holders(lab, min(2, scale.pauses - len(nemesis.blows)))
        before = _taken_back(lab)
        stopped = [role for role in victims if lab.signal(role, signal.SIGSTOP)]
        _let_pass(lab, 2.5 * lease_s)
        for role in stopped:
            lab.signal(role, signal.SIGCONT)
        if _taken_back(lab) > before:  # it was longer than the lease, and there was something to lose
            for role in stopped:
                nemesis.strike("pause", role.name, lambda: None)
        else:
            blind += 1
    lab.wait()
    _let_pass(lab, 2.0)  # for the last ones who woke to hand in what they have
    fenced, taken_back = lab.one("select count(*) from attempts where fenced"), _taken_back(lab)
    return outcome(
        lab,
        planned=scale.pauses,
        fired=len(nemesis.blows),
        fenced=fenced,
        taken_back=taken_back,
        broken=[] if fenced else ["no commit of a worker that woke too late was counted as fenced"],
    )


def _await_holders(lab: Lab, most: int) -> list[Role]:
    """Workers that hold slots now."""
    for _ in range(400):
        lab.tick()
        held = lab.rows("select distinct w.pid from slots s join workers w on w.id = s.worker_id")
        pids = {row["pid"] for row in held}
        found = [role for role in lab.roles.values() if role.pid in pids]
        if len(found) >= most:
            return found[:most]
        time.sleep(0.05)
    return []


def _taken_back(lab: Lab) -> int:
    return int(lab.one("select coalesce(sum(interruptions), 0)::int from jobs"))


def _let_pass(lab: Lab, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        lab.tick()
        time.sleep(0.05)


SHARES = {
    "intake": 0.0,
    "keeper": 0.1,
    "router": 0.05,
    "writer": 0.01,
    "parcel": 0.01,
    "call": 0.01,
    "bell": 0.01,
}
"""Of the times that a point is reached, those at which the process ends; rarer places die more often."""


def points(lab: Lab, scale: Scale, seed: int) -> dict[str, Any]:
    """SIGKILL of itself at each write of each stage: before it, and right after it."""
    log = lab.home.logs / "points.log"
    armed = ",".join(
        f"{point}=kill:{share}" for point in POINTS if (share := SHARES.get(point.split(".")[0], 0.001))
    )
    lab.pretend.become("steady", "instant:base_ms=20,jitter=0.2")
    lab.fresh(
        lab.provider("steady", ceiling=CEILING),
        CLASSYARD_LEASE_S="2",
        **{ARMED_BY: f"{armed}@{seed}", TOLD_TO: str(log)},
    )
    lab.start_yard("steady", workers=2, routers=2, keepers=2)
    inner = [point for point in POINTS if not point.startswith("intake.")]
    for _ in range(MOST_ROUNDS):
        _accept_or_not(lab, scale.point_jobs, seed, str(log))
        lab.wait()
        reached, killed = _told(log)
        if all(killed[point] >= scale.point_kills for point in inner) and reached >= set(POINTS):
            break
    times = [float(line.split()[0]) for line in log.read_text().splitlines() if " kill " in line]
    unhit = sorted(set(POINTS) - reached)
    planned = max(1, scale.point_kills) * len(inner) if scale.point_kills else 5
    found = outcome(
        lab,
        planned=planned,
        fired=sum(killed.values()),
        blows_s=times,
        kills=sum(killed.values()),
        margin_s=STORM_MARGIN_S,
        by_point=dict(sorted(killed.items())),
    )
    if unhit:
        found["vacuous"].append(f"never reached: {', '.join(unhit)}")
    return found


def _accept_or_not(lab: Lab, count: int, seed: int, log: str) -> None:
    """Half of the submissions meet a fault of their own; those that were not acknowledged are not promised."""
    first = len(lab.promised) + 1
    for part in range(5):
        armed = "intake.commit=lose:0.25,intake.committed=lose:0.25"
        failpoints.arm({ARMED_BY: f"{armed}@{seed + first + part}", TOLD_TO: log}, all_simulated=True)
        try:
            with contextlib.suppress(ClassyardError, psycopg.OperationalError):
                lab.accept(count // 5, first=first + part * (count // 5))
        finally:
            failpoints.disarm()


def _told(log: Any) -> tuple[set[str], Counter[str]]:
    words = [line.split()[2:] for line in log.read_text().splitlines()] if log.exists() else []
    reached = {word[1] for word in words if word[0] == "reached"}
    return reached, Counter(word[1] for word in words if word[0] == "kill")
