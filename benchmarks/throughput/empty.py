"""One empty Celery task in its usual pool of processes: what the transport alone would allow.

The messages are put on the queue in bulk, so that nothing is measured but taking and running them.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import redis

from benchmarks.throughput.bench import Bench, rounded, spread
from benchmarks.throughput.ground import Ground, Stalled
from benchmarks.throughput.serving import Run
from runtime.doorbells import message
from runtime.ids import new_id
from runtime.topology import KEY_PREFIX, broker_url
from tests.flows.yards import until

PREFORK = 2
QUEUE = "empty"
GROUP = 500


def figures(bench: Bench) -> dict[str, Any]:
    jobs = bench.sized(2_000, 8_000)
    _start(bench.ground)
    _run(bench.ground, 200)
    runs = [_run(bench.ground, jobs) for _ in range(bench.runs)]
    return {
        "celery_empty": {
            "jobs": jobs,
            "runs": len(runs),
            "per_s": rounded(spread([run.per_s for run in runs])),
            "cpu_ms": rounded(spread([run.cpu_ms for run in runs])),
        }
    }


def _start(ground: Ground) -> None:
    ground.fresh()
    words = (
        "worker",
        "-P",
        "prefork",
        "-c",
        str(PREFORK),
        "-Q",
        QUEUE,
        "--without-gossip",
        "--without-mingle",
    )
    argv = [sys.executable, "-m", "celery", "-A", "benchmarks.throughput.empty_app", *words, "-l", "INFO"]
    ground.start_process("empty", argv, EMPTY_BROKER=broker_url(ground.valkey.url))
    server = ground.roles["empty"].server
    assert server is not None
    until(lambda: b" ready." in server.log.read_bytes(), f"Celery (see {server.log})", timeout_s=60)


def _run(ground: Ground, jobs: int) -> Run:
    waiting = [message(QUEUE, new_id()) for _ in range(jobs)]
    with ground.meter() as meter, redis.Redis.from_url(ground.valkey.url) as broker:
        before, began = meter.read(), time.monotonic()
        for start in range(0, jobs, GROUP):
            broker.lpush(KEY_PREFIX + QUEUE, *waiting[start : start + GROUP])
        _await_empty(broker)
        return Run(jobs, time.monotonic() - began, meter.read() - before, before - before, 0.0, {})


def _await_empty(broker: redis.Redis) -> None:
    end = time.monotonic() + 120
    while broker.llen(KEY_PREFIX + QUEUE) or broker.hlen(f"{KEY_PREFIX}unacked"):
        if time.monotonic() > end:
            raise Stalled("the empty tasks were not all taken within two minutes")
        time.sleep(0.02)
