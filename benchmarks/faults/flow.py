"""Scenarios in which nothing is broken, and too much happens: bells ten times over, and ceilings that move."""

from __future__ import annotations

import random
import signal
import time
from typing import Any

import redis
import yaml

from benchmarks.faults.outcome import outcome
from benchmarks.faults.scale import Scale
from runtime.doorbells import message
from runtime.ids import new_id
from runtime.topology import KEY_PREFIX
from tests.faults.lab import Lab, Role
from tests.flows.yards import until

TIMES = 10
QUEUES = ("classifier", "provider.steady")
LONGEST = 2_000
"""Bells on a queue at once."""


def ten_times(lab: Lab, scale: Scale, seed: int) -> dict[str, Any]:
    """Every bell ten times, shuffled among the others, and most of them when their job is long final."""
    dice = random.Random(seed)
    lab.pretend.become("steady", "instant:base_ms=40,jitter=0.2")
    lab.fresh(lab.provider("steady", ceiling=16))
    lab.start_yard("steady")
    lab.await_ready()
    lab.accept(scale.bell_jobs)
    ids = [new_id() for _ in range(scale.bell_jobs)]
    waiting = [one for one in ids for _ in range(TIMES)]
    dice.shuffle(waiting)
    pushed = 0
    with redis.Redis.from_url(lab.valkey.url) as broker:

        def push() -> None:
            nonlocal pushed
            room = LONGEST - sum(lab.bells(queue) for queue in QUEUES)
            for _ in range(max(0, min(room, 400, len(waiting)))):
                queue = dice.choice(QUEUES)
                broker.lpush(KEY_PREFIX + queue, message(queue, waiting.pop()))
                pushed += 1

        lab.wait(push)
        while waiting:
            push()
            lab.tick()
            time.sleep(0.05)
    _drained(lab)
    found = outcome(lab, planned=TIMES * scale.bell_jobs, fired=pushed)
    if found["calls"] != found["jobs"]:
        found["broken"].append(f"{found['calls'] - found['jobs']} calls too many were made")
    return found


def _drained(lab: Lab) -> None:
    """Until the queues are empty, as long as they get shorter."""
    last, since = -1, time.monotonic()
    while left := sum(lab.bells(queue) for queue in QUEUES):
        if left != last:
            last, since = left, time.monotonic()
        assert time.monotonic() - since < 60, f"{left} bells lie, and nobody takes them"
        lab.tick()
        time.sleep(0.1)


def ceilings(lab: Lab, scale: Scale, seed: int) -> dict[str, Any]:
    """The ceiling is changed while calls are in flight, from 1 to 64, and workers come and go.

    After a change no more calls may be in flight than the ceiling, or than there were slots when it was lowered: those
    run out, and no new one is given before. The provider counts.
    """
    dice = random.Random(seed)
    catalog = lab.provider("steady", ceiling=8)
    lab.pretend.become("steady", "instant:base_ms=300,jitter=0.3")
    lab.fresh(catalog, CLASSYARD_PARCEL="2")
    lab.start("router-0", "router")
    lab.start("keeper-0", "keeper")
    _add(lab, "steady-0", catalog)
    lab.await_ready()
    number, over, changed, highest = 1, 0, 0, 0
    while changed < scale.ceilings:
        if len(lab.promised) - lab.finished() < scale.ceiling_jobs // 2:
            lab.accept(scale.ceiling_jobs, first=len(lab.promised) + 1)
        if changed % 5 == 4:
            workers = [role for name, role in lab.roles.items() if name.startswith("steady")]
            if len(workers) > 1:
                _remove(lab, dice.choice(workers))
            _add(lab, f"steady-{number}", catalog)
            number += 1
        ceiling = dice.choice((1, 2, 4, 8, 16, 32, 64))
        allowed = _change(lab, catalog, ceiling)
        lab.pretend.reset()
        time.sleep(scale.ceiling_dwell_s)
        lab.tick()
        peak = lab.pretend.stats("steady")["peak_in_flight"]
        over += peak > allowed
        highest = max(highest, peak)
        changed += 1
    _change(lab, catalog, 64)
    lab.wait()
    return outcome(
        lab,
        planned=scale.ceilings,
        fired=changed,
        over_ceiling=over,
        highest_in_flight=highest,
        workers_added=number,
        broken=[f"{over} times there were more calls than the ceiling"] if over else [],
    )


def _change(lab: Lab, catalog: dict[str, Any], ceiling: int) -> int:
    """Sets the ceiling behind the gate's own lock; gives what may be in flight from now on."""
    catalog["ceiling"] = ceiling
    _write_catalog(lab, catalog)
    found = lab.rows(
        "update providers set ceiling = %s where name = 'steady'"
        " returning (select count(*) from slots where provider = 'steady') as held",
        ceiling,
    )
    # Counted again after the lock: what was taken just before the change is held under the old ceiling.
    held = max(int(found[0]["held"]), int(lab.one("select count(*) from slots where provider = 'steady'")))
    return max(ceiling, held)


def _write_catalog(lab: Lab, catalog: dict[str, Any]) -> None:
    """A worker that starts makes its catalog's ceiling the gate's, so the file says what is in force."""
    path = lab.settings["CLASSYARD_CATALOG"]
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
        yaml.safe_dump({"providers": [catalog]}, file, sort_keys=False)


def _add(lab: Lab, name: str, catalog: dict[str, Any]) -> None:
    role = lab.start(name, "provider", catalog["name"], "--concurrency", "32")

    def beats() -> bool:
        lab.tick()
        return bool(lab.rows("select 1 from workers where pid = %s", role.pid))

    until(beats, f"{name} to come up", timeout_s=90)


def _remove(lab: Lab, role: Role) -> None:
    """By SIGTERM: its calls end first, and nobody waits for that here."""
    del lab.roles[role.name]
    lab.signal(role, signal.SIGTERM)
    lab.leaving.append(role)
