"""Scenarios in which what the yard stands on fails: broker, database, commits, providers."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import redis

from benchmarks.faults.outcome import outcome, percentile
from benchmarks.faults.processes import CEILING
from benchmarks.faults.scale import Scale
from producer.intake.accept import accept
from runtime.db.session import Database
from runtime.failpoints import ARMED_BY, TOLD_TO
from schemas.errors import ClassyardError
from schemas.submission import Requirements
from tests.faults.lab import Lab
from tests.faults.nemesis import Nemesis
from tests.faults.proxy import CALM, Weather
from tests.flows.yards import until
from tests.yard import REVIEW, TENANT, sources

QUEUE = "provider.steady"
BACK_S = 30.0
"""Within which the queues must be full again, and work must go on."""
SLOWER, QUICK_ENOUGH = 1.2, 0.95
SOONEST_MS = 15.0
"""Differences below this are the machine's."""


def wiped(lab: Lab, scale: Scale, seed: int) -> dict[str, Any]:
    """The broker is killed, its data removed, and an empty one started, again and again with work queued."""
    seconds = 8.0 * scale.wipes + scale.wipe_jobs / 200
    base_ms = max(40, round(1000 * CEILING * seconds / scale.wipe_jobs))
    lab.pretend.become("steady", f"instant:base_ms={base_ms},jitter=0.2")
    lab.fresh(lab.provider("steady", ceiling=CEILING))
    lab.start_yard("steady", keepers=1)
    lab.await_ready()
    lab.accept(scale.wipe_jobs)
    nemesis, back_s = Nemesis(lab, seed, planned=scale.wipes), []
    for _ in range(scale.wipes):
        until(lambda: lab.bells(QUEUE) > 0, "bells on the queue", timeout_s=60)
        if lab.finished() >= len(lab.promised) - 2 * CEILING:
            lab.accept(scale.wipe_jobs // 4, first=len(lab.promised) + 1)
        began = time.monotonic()
        nemesis.strike("wipe", "valkey", lab.wipe_broker)
        until(lambda: lab.bells(QUEUE) > 0, "the queue to be full again", timeout_s=60)
        back_s.append(round(time.monotonic() - began, 2))
    lab.wait()
    late = [f"a queue was full again after {longest:g} s" for longest in [max(back_s)] if longest > BACK_S]
    return outcome(lab, planned=scale.wipes, fired=len(nemesis.blows), full_again_s=max(back_s), broken=late)


def ill_broker(lab: Lab, scale: Scale, seed: int) -> dict[str, Any]:
    """Full, then half-open, then reset every two seconds: submissions go on as quickly, and work when it is over."""
    lab.pretend.become("steady", "instant:base_ms=120,jitter=0")
    lab.fresh(lab.provider("steady", ceiling=CEILING))
    lab.start_yard("steady", workers=1)
    lab.await_ready()
    _rate(lab, 40)  # the first jobs of a fresh yard are slower
    calm_rate = _rate(lab, scale.ill_jobs)
    calm_ms = _accept_ms(lab, scale.accepts)
    lab.wait()
    fired, ill_ms, back_s = 0, {}, {}
    for name, begin, end in (
        ("full", lambda: _room(lab, "1"), lambda: _room(lab, "256mb")),
        ("half_open", lambda: _become(lab, Weather(swallows=True)), lambda: _become(lab, CALM)),
    ):
        begin()
        began = time.monotonic()
        ill_ms[name] = _accept_ms(lab, scale.accepts)
        while time.monotonic() - began < scale.half_open_s:
            lab.tick()
            time.sleep(0.1)
        end()
        fired += 1
        back_s[name] = _await_progress(lab)
        lab.wait()
    swallowed = lab.broker_link.counts["swallowed"]
    ill_ms["resets"] = []
    for _ in range(scale.resets):
        began = time.monotonic()
        fired += lab.proxies.reset_all(lab.broker_link) > 0
        ill_ms["resets"] += _accept_ms(lab, max(5, scale.accepts // scale.resets))
        while time.monotonic() - began < 2.0:
            lab.tick()
            time.sleep(0.05)
    lab.wait()
    after_rate = _rate(lab, scale.ill_jobs)
    calm_p99 = percentile(sorted(calm_ms), 0.99) or 0.0
    p99 = {name: percentile(sorted(found), 0.99) or 0.0 for name, found in ill_ms.items()}
    allowed = max(SLOWER * calm_p99, calm_p99 + SOONEST_MS)
    broken = [
        f"accepting took {ms:g} ms (p99) while the broker was {name}"
        for name, ms in p99.items()
        if ms > allowed
    ]
    broken += [f"work went on only {s:g} s after {name}" for name, s in back_s.items() if s > BACK_S]
    if after_rate < QUICK_ENOUGH * calm_rate:
        broken.append(f"throughput came back to {after_rate / calm_rate:.0%}")
    return outcome(
        lab,
        planned=2 + scale.resets,
        fired=fired,
        accept_ms_p99_calm=calm_p99,
        accept_ms_p99=p99,
        back_s=back_s,
        half_open_links=swallowed,
        throughput_share=round(after_rate / calm_rate, 3),
        broken=broken,
    )


def _room(lab: Lab, size: str) -> None:
    with redis.Redis.from_url(lab.valkey.url) as broker:
        broker.config_set("maxmemory", size)


def _become(lab: Lab, weather: Weather) -> None:
    lab.proxies.become(lab.broker_link, weather)


def _await_progress(lab: Lab) -> float:
    """Seconds until a job is final that was not, with some waiting."""
    lab.accept(CEILING, first=len(lab.promised) + 1)
    began, before = time.monotonic(), lab.finished()

    def goes_on() -> bool:
        lab.tick()
        return lab.finished() > before

    until(goes_on, "work to go on", timeout_s=90)
    return round(time.monotonic() - began, 2)


def _rate(lab: Lab, jobs: int) -> float:
    """Calls a second in the middle of a batch, by when they began."""
    lab.accept(jobs, first=len(lab.promised) + 1)
    names = lab.promised[-jobs:]
    lab.wait()
    rows = lab.rows(
        "select started_at from attempts where job_id = any(%s::uuid[]) order by started_at", names
    )
    at_s = [row["started_at"].timestamp() for row in rows]
    middle = at_s[len(at_s) // 10 : -len(at_s) // 10 or None]
    return len(middle) / max(0.001, middle[-1] - middle[0])


def _accept_ms(lab: Lab, count: int) -> list[float]:
    """How long each of so many small submissions takes."""
    return asyncio.run(_accepting_ms(lab, count))


async def _accepting_ms(lab: Lab, count: int) -> list[float]:
    from runtime.ids import new_id

    database, taken = Database(lab.database_url, connections=1), []
    await database.open()
    try:
        for _ in range(count):
            given: list[str] = []
            began = time.perf_counter()
            await accept(
                database,
                sources(1, first=len(lab.promised) + 1),
                tenant_id=TENANT,
                source="the fault laboratory",
                review=REVIEW,
                requirements=Requirements(),
                ids=lambda given=given: given.append(new_id()) or given[-1],  # type: ignore[misc]
            )
            taken.append(round((time.perf_counter() - began) * 1000, 2))
            lab.promised += given[1:]
    finally:
        await database.close()
    return taken


def database(lab: Lab, scale: Scale, seed: int) -> dict[str, Any]:
    """PostgreSQL is stopped and started, by turns gently and hard, while documents come in and jobs are served."""
    dice = random.Random(seed)
    lab.pretend.become("steady", "instant:base_ms=100,jitter=0.2")
    lab.fresh(lab.provider("steady", ceiling=CEILING))
    lab.start_yard("steady")
    lab.await_ready()
    nemesis = Nemesis(lab, seed, planned=max(1, int(scale.database_s // scale.database_every_s[1])))
    end = time.monotonic() + scale.database_s
    with _submitting(lab) as refused:
        while time.monotonic() < end or not nemesis.is_done:
            rest_until = time.monotonic() + dice.uniform(*scale.database_every_s)
            while time.monotonic() < min(rest_until, end):
                lab.tick()
                time.sleep(0.1)
            hard = len(nemesis.blows) % 2 == 0
            nemesis.strike("restart", "postgres", lambda hard=hard: lab.restart_database(hard=hard))  # type: ignore[misc]
    lab.wait()
    rows = lab.one("select count(*) from jobs where id = any(%s::uuid[])", lab.promised)
    found = outcome(
        lab,
        planned=nemesis.planned,
        fired=len(nemesis.blows),
        submissions_refused=len(refused),
        rows_not_acknowledged=lab.one("select count(*) from jobs") - rows,
        broken=[] if rows == len(lab.promised) else ["a submission was acknowledged without its rows"],
    )
    if not refused and nemesis.planned >= 5:
        found["vacuous"].append("no submission was under way when the database went")
    return found


@contextlib.contextmanager
def _submitting(lab: Lab) -> Iterator[list[str]]:
    """Submissions with hardly a pause, beside everything else, each of documents that come slowly: most of the time
    one is under way. Gives what those were told that were refused."""
    stopping, refused = threading.Event(), []

    def submit() -> None:
        while not stopping.is_set():
            try:
                lab.accept(5, first=len(lab.promised) + 1, each_s=0.02)
            except (ClassyardError, psycopg.OperationalError) as error:
                refused.append(type(error).__name__)
            stopping.wait(0.02)

    thread = threading.Thread(target=submit, name="submissions")
    thread.start()
    try:
        yield refused
    finally:
        stopping.set()
        thread.join()


def backends(lab: Lab, scale: Scale, seed: int) -> dict[str, Any]:
    """The server ends one connection after another under its owner, in the middle of whatever it does."""
    dice = random.Random(seed)
    lab.pretend.become("steady", "instant:base_ms=60,jitter=0.2")
    lab.fresh(lab.provider("steady", ceiling=CEILING))
    lab.start_yard("steady")
    lab.await_ready()
    ended = 0
    asked = "select pid from pg_stat_activity where datname = current_database() and application_name = 'classyard'"

    def end_one() -> None:
        nonlocal ended
        pids = sorted(row["pid"] for row in lab.rows(asked))
        if pids and ended < scale.backends:
            ended += bool(lab.one("select pg_terminate_backend(%s)", dice.choice(pids)))

    while ended < scale.backends:
        lab.accept(40, first=len(lab.promised) + 1)
        lab.wait(end_one)
    return outcome(lab, planned=scale.backends, fired=ended)


def commits(lab: Lab, scale: Scale, seed: int) -> dict[str, Any]:
    """One commit in a hundred is applied and reported as failed; one transaction in a hundred meets a conflict."""
    return _faulty(lab, scale, seed, "sql.committed=lose:{0},sql.commit=conflict:{0}", no_failures=True)


def disk_full(lab: Lab, scale: Scale, seed: int) -> dict[str, Any]:
    """One transaction in a hundred hears that the disk is full."""
    return _faulty(lab, scale, seed, "sql.commit=full:{0}", no_failures=False)


def _faulty(lab: Lab, scale: Scale, seed: int, armed: str, *, no_failures: bool) -> dict[str, Any]:
    armed = armed.format(scale.commit_share)
    log = lab.home.logs / f"sql-{len(armed)}.log"
    planned = round(scale.commit_jobs * scale.commit_share / 2)
    lab.pretend.become("steady", "instant:base_ms=30,jitter=0.2")
    lab.fresh(
        lab.provider("steady", ceiling=CEILING),
        CLASSYARD_LEASE_S="2",
        **{ARMED_BY: f"{armed}@{seed}", TOLD_TO: str(log)},
    )
    lab.start_yard("steady")
    lab.accept(scale.commit_jobs)
    lab.wait()
    while (fired := _deeds(log)) < planned:
        lab.accept(scale.commit_jobs // 4, first=len(lab.promised) + 1)
        lab.wait()
    failed = lab.states().get("failed", 0)
    return outcome(
        lab,
        planned=planned,
        fired=fired,
        false_failures=failed,
        broken=[f"{failed} jobs failed, and only the database had"] if failed and no_failures else [],
    )


def _deeds(log: Path) -> int:
    lines = log.read_text().splitlines() if log.exists() else []
    return sum(line.split()[2] != "reached" for line in lines)


ILL = (
    "instant:base_ms=40,jitter=0.2,rate_429=0.2,rate_500=0.15,rate_503=0.1,rate_hang=0.05,rate_applied_hang=0.05,"
    "rate_cut_body=0.1,rate_invalid_json=0.1,retry_after_s=0.2,hang_s=30"
)


MORE_S, PROBE_EVERY_S = 60.0, 2.0


def providers(lab: Lab, scale: Scale, seed: int) -> dict[str, Any]:
    """A provider that answers one call in four; another that may see the same, and one that may see more."""
    lab.pretend.become("ill", ILL)
    for name in ("steady", "strict"):
        lab.pretend.become(name, "instant:base_ms=40,jitter=0.2")
    before = {name: set(lab.pretend.calls(name)) for name in ("ill", "steady", "strict")}
    changes: dict[str, dict[str, Any]] = {
        "ill": {"boundary": "public", "timeout_s": 1.5},
        "steady": {"boundary": "public"},
        "strict": {"boundary": "confidential"},
    }
    lab.fresh(*(lab.provider(name, ceiling=8, **changed) for name, changed in changes.items()))
    lab.start_yard(*changes, workers=1)
    lab.await_ready()
    lab.accept(scale.provider_jobs // 2, sensitivity="public")
    lab.accept(scale.provider_jobs // 2, first=scale.provider_jobs, sensitivity="confidential")
    confidential = set(lab.promised[-(scale.provider_jobs // 2) :])
    lab.wait()
    planned = scale.provider_jobs // 12
    end = time.monotonic() + MORE_S
    while _shown(lab) < planned and time.monotonic() < end:
        time.sleep(PROBE_EVERY_S)  # it is left alone after a few, and then tried one call at a time
        first = scale.provider_jobs + len(lab.promised)
        lab.accept(scale.provider_jobs // 30, first=first, sensitivity="public")
        lab.wait()
    called = {name: set(lab.pretend.calls(name)) - before[name] for name in changes}
    outside = [
        key for name in ("ill", "steady") for key in called[name] if key.rpartition("-")[0] in confidential
    ]
    most = int(
        lab.one("select coalesce(max(n), 0) from (select count(*) as n from attempts group by job_id) a")
    )
    broken = [f"{len(outside)} calls took a confidential document outside its boundary"] if outside else []
    broken += [f"a job made {most} calls"] if most > 12 + 6 else []
    broken += [f"{name} was never called" for name in ("steady", "strict") if not called[name]]
    return outcome(
        lab,
        planned=planned,
        fired=_shown(lab),
        by_fault=lab.pretend.stats("ill")["by_fault"],
        most_calls_a_job=most,
        calls_outside_boundary=len(outside),
        broken=broken,
    )


def _shown(lab: Lab) -> int:
    """Faults that the ill provider has shown."""
    return sum(times for kind, times in lab.pretend.stats("ill")["by_fault"].items() if kind != "none")


Scenario = Callable[[Lab, Scale, int], dict[str, Any]]

__all__ = ["backends", "commits", "database", "disk_full", "ill_broker", "providers", "wiped"]
