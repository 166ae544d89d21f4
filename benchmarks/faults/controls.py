"""The same load and the same faults for what is usually built, and for the yard: is there a loss to be seen at all?

Kills of workers, one wipe of the broker in the middle, then every worker is started afresh and given time: late
acknowledgement restores what a dead worker held ten seconds after a worker starts.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable
from typing import Any

import psycopg

from benchmarks.faults.outcome import outcome
from benchmarks.faults.processes import CEILING, pace
from benchmarks.faults.scale import Scale
from tests.faults.lab import Lab, StandsStill
from tests.faults.nemesis import Nemesis

QUIET_S = {"quick": (4.0, 14.0), "usual": (10.0, 25.0), "full": (30.0, 120.0)}
"""Without one more job done, before the workers are started afresh and after: then the others are lost."""
WORKERS = 3
KEPT = ("jobs", "lost", "double_results", "repeated_calls", "kills", "wipes")


def controls(lab: Lab, scale: Scale, seed: int) -> dict[str, dict[str, Any]]:
    """By name: `lost`, `double_results`, `repeated_calls` of the same load under the same seed."""
    return {
        "celery_acks_late": _celery(lab, scale, seed, late=True),
        "celery_early_ack": _celery(lab, scale, seed, late=False),
        "classyard": _yard(lab, scale, seed),
    }


def _faults(
    lab: Lab, scale: Scale, seed: int, prefix: str
) -> tuple[Nemesis, Callable[[Callable[[], int]], None]]:
    """The nemesis, and what to call again and again with a count of what is done."""
    nemesis, wiped = Nemesis(lab, seed, planned=scale.control_kills, every_s=scale.kill_every_s), []

    def strike(done: Callable[[], int]) -> None:
        nemesis.kill(only=lambda role: role.name.startswith(prefix))
        if not wiped and done() > scale.control_jobs // 3:
            wiped.append(True)
            lab.wipe_broker()

    return nemesis, strike


def _pace(lab: Lab, scale: Scale) -> None:
    pace(lab, jobs=scale.control_jobs, seconds=scale.control_kills * scale.kill_every_s)


def _celery(lab: Lab, scale: Scale, seed: int, *, late: bool) -> dict[str, Any]:
    _pace(lab, scale)
    port = lab.provider_link.port
    lab.fresh()
    lab.settings = {
        "CONTROL_BROKER": lab.role_redis_url,
        "CONTROL_DATABASE": lab.role_database_url,
        "CONTROL_URL": f"http://127.0.0.1:{port}/steady/v1/chat/completions",
        "CONTROL_LATE": "1" if late else "0",
    }
    _do(lab, "create table control_jobs (id text primary key, state text not null)")
    _do(lab, "create table control_results (job_id text not null)")
    ids = [str(uuid.uuid4()) for _ in range(scale.control_jobs)]
    _do(lab, "insert into control_jobs select unnest(%s::text[]), 'accepted'", ids)
    _start_workers(lab)
    _send(lab, ids)
    nemesis, strike = _faults(lab, scale, seed, "control")
    first_s, last_s = QUIET_S[scale.name]
    _await_quiet(lab, len(ids), first_s, lambda: strike(lambda: _done(lab)))
    lab.stop_roles()
    _start_workers(lab)
    _await_quiet(lab, len(ids), last_s, lambda: None)
    doubles = lab.one(
        "select count(*) from (select 1 from control_results group by job_id having count(*) > 1) d"
    )
    mine = {f"{job_id}-1" for job_id in ids}
    found = {
        "jobs": len(ids),
        "lost": len(ids) - _done(lab),
        "double_results": doubles,
        "repeated_calls": sum(times - 1 for key, times in lab.calls().items() if key in mine),
        "kills": len(nemesis.blows),
        "wipes": 1,
    }
    lab.stop_roles()
    return found


def _start_workers(lab: Lab) -> None:
    words = ("worker", "-P", "threads", "-c", str(CEILING // WORKERS), "--without-gossip", "--without-mingle")
    for number in range(WORKERS):
        lab.start(
            f"control-{number}",
            *("-A", "benchmarks.faults.control_app", *words, "-n", f"control-{number}@%h", "-l", "ERROR"),
            program="celery",
        )


def _send(lab: Lab, ids: list[str]) -> None:
    from celery import Celery

    sender = Celery("sender", broker=lab.role_redis_url, set_as_current=False)
    with sender.producer_pool.acquire(block=True) as producer:
        for job_id in ids:
            sender.send_task(
                "control.serve", (job_id,), queue="control", producer=producer, ignore_result=True
            )
    sender.close()


def _done(lab: Lab) -> int:
    return int(lab.one("select count(*) from control_jobs where state = 'succeeded'"))


def _await_quiet(lab: Lab, jobs: int, quiet_s: float, meanwhile: Callable[[], None]) -> None:
    best, since = -1, time.monotonic()
    while time.monotonic() - since < quiet_s:
        lab.tick()
        meanwhile()
        done = _done(lab)
        if done >= jobs:
            return
        if done > best:
            best, since = done, time.monotonic()
        time.sleep(0.1)


def _do(lab: Lab, statement: str, *arguments: Any) -> None:
    with psycopg.connect(lab.database_url, autocommit=True) as connection:
        connection.execute(statement, arguments or None)  # type: ignore[call-overload]


def _yard(lab: Lab, scale: Scale, seed: int) -> dict[str, Any]:
    _pace(lab, scale)
    lab.fresh(lab.provider("steady", ceiling=CEILING))
    lab.start_yard("steady", workers=WORKERS)
    lab.await_ready()
    lab.accept(scale.control_jobs)
    nemesis, strike = _faults(lab, scale, seed, "steady")
    with contextlib.suppress(StandsStill):  # the figures below say how many were lost
        lab.wait(lambda: strike(lab.finished))
    found = outcome(lab, planned=0, fired=0, kills=len(nemesis.blows), wipes=1)
    return {name: found[name] for name in KEPT}
