"""The naive control (`naive_app`) on the same servers and the same provider, in the same run as the yard."""

from __future__ import annotations

import sys
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
from celery import Celery

from benchmarks.throughput.bench import Bench, by_round, rounded, rounded_each, spread
from benchmarks.throughput.ground import Ground, Stalled
from benchmarks.throughput.serving import Run
from runtime.topology import broker_url
from tests.flows.yards import until

PREFORK = 2
STALL_S = 60.0


def one_round(bench: Bench) -> Run:
    return warmed(bench.ground, jobs=bench.naive_jobs)


def figures_of(runs: list[Run]) -> dict[str, Any]:
    """`naive_jobs_per_s`; and, once the yard was measured too, `over_naive` by `over`."""
    per_s = spread([run.per_s for run in runs])
    middle = sorted(runs, key=lambda run: run.per_s)[len(runs) // 2]
    return {
        "naive_jobs_per_s": round(per_s["median"], 1),
        "naive_cpu_ms_per_job": round(spread([run.cpu_ms for run in runs])["median"], 3),
        "naive": {
            "jobs": runs[0].jobs,
            "runs": len(runs),
            "per_s": rounded(per_s),
            "each_per_s": rounded_each([run.per_s for run in runs], 1),
            "cpu_ms": rounded(spread([run.cpu_ms for run in runs])),
            "each_cpu_ms": rounded_each([run.cpu_ms for run in runs]),
            "cpu_ms_by_process": middle.spent.ms_each(middle.jobs),
        },
    }


def over(found: dict[str, Any]) -> dict[str, Any]:
    """What needs both."""
    if "yard" not in found or "naive" not in found:
        return {}
    yard, other = found["yard"], found["naive"]
    faster = spread(by_round(yard["each_per_s"], other["each_per_s"]))
    dearer = spread(by_round(yard["each_cpu_ms"], other["each_cpu_ms"]))
    return {
        "over_naive": round(faster["median"], 3),
        "over_naive_spread": rounded(faster),
        "cpu_ms_over_naive": round(dearer["median"], 3),
    }


def warmed(ground: Ground, *, jobs: int, warm: int = 100) -> Run:
    _start(ground)
    _served(ground, warm, first=0)
    found = _served(ground, jobs, first=warm)
    ground.stop_roles()
    return found


def _start(ground: Ground) -> None:
    ground.fresh()
    broker = broker_url(ground.valkey.url)
    _make_table(ground)
    words = (
        "worker",
        "-P",
        "prefork",
        "-c",
        str(PREFORK),
        "-Q",
        "naive",
        "--without-gossip",
        "--without-mingle",
    )
    ground.start_process(
        "naive",
        [sys.executable, "-m", "celery", "-A", "benchmarks.throughput.naive_app", *words, "-l", "INFO"],
        NAIVE_BROKER=broker,
        NAIVE_DATABASE=_for_sqlalchemy(ground.database_url("naive")),
        NAIVE_URL=f"{ground.pretend.url}/v1",
    )
    server = ground.roles["naive"].server
    assert server is not None
    until(lambda: b" ready." in server.log.read_bytes(), f"Celery (see {server.log})", timeout_s=60)


def _make_table(ground: Ground) -> None:
    from sqlalchemy import create_engine

    from benchmarks.throughput.naive_app import Base

    engine = create_engine(_for_sqlalchemy(ground.database_url("naive")))
    Base.metadata.create_all(engine)
    engine.dispose()


def _served(ground: Ground, jobs: int, *, first: int) -> Run:
    rows = [(each.custom_id, each.text) for each in ground.documents(jobs, first=first)]
    sender = Celery("sender", broker=broker_url(ground.valkey.url), set_as_current=False)
    ground.pretend.become()
    with ground.meter() as meter:
        before = meter.read()
        _hand_in(ground, rows)
        began, at_commit = time.monotonic(), meter.read()
        with sender.producer_pool.acquire(block=True) as producer:
            for job_id, _ in rows:
                sender.send_task(
                    "naive.route", (job_id,), queue="naive", producer=producer, ignore_result=True
                )
        seconds = _await(ground, first + jobs) - began
        spent, peak = meter.read() - at_commit, dict(meter.peak_mb)
    sender.close()
    return Run(jobs, seconds, spent, at_commit - before, 0.0, peak)


def _hand_in(ground: Ground, rows: list[tuple[str, str]]) -> None:
    connection = psycopg.connect(ground.database_url("producer"))
    asked = "copy naive_jobs (id, text, state) from stdin"
    with connection, connection.cursor().copy(asked) as copy:
        for row in rows:
            copy.write_row((*row, "accepted"))


def _await(ground: Ground, wanted: int) -> float:
    last, since = -1, time.monotonic()
    with psycopg.connect(ground.database_url("watcher"), autocommit=True) as connection:
        while True:
            row = connection.execute("select count(*) from naive_jobs where state = 'succeeded'").fetchone()
            done = row[0] if row else 0
            if done >= wanted:
                return time.monotonic()
            if done > last:
                last, since = done, time.monotonic()
            if time.monotonic() - since > STALL_S:
                raise Stalled(f"the naive control did {done} of {wanted} jobs and stands still")
            time.sleep(0.05)


def _for_sqlalchemy(url: str) -> str:
    parts = urlsplit(url)
    host = parse_qs(parts.query)["host"][0]
    return f"postgresql+psycopg://{parts.username}@/{parts.path.lstrip('/')}?host={host}"
