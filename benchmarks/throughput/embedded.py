"""The same as `serving` in the yard that a newcomer has: `classyard up` in a fresh home, with its defaults."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks.throughput.bench import Bench, rounded, spread
from benchmarks.throughput.ground import PROVIDER, await_final, hand_in, made_documents
from benchmarks.throughput.spent import Meter
from tests.flows.yards import Yard, provider, yard

DEFAULTS = {"CLASSYARD_KEEP_S": "2", "CLASSYARD_HEARTBEAT_S": "2"}
WARM = 300


def figures(bench: Bench) -> dict[str, Any]:
    jobs, pretend = bench.sized(600, 3_000), bench.ground.pretend
    pretend.become()
    entry = {**provider(PROVIDER, pretend.url, ceiling=64), "base_url": f"{pretend.url}/v1"}
    with yard(entry, **DEFAULTS) as running:
        _served(running, bench.ground.seed, WARM, first=0)
        runs = [
            _served(running, bench.ground.seed, jobs, first=WARM + number * jobs)
            for number in range(bench.runs)
        ]
    per_s = spread([jobs / seconds for seconds, _ in runs])
    return {
        "jobs_per_s_embedded": round(per_s["median"], 1),
        "embedded": {
            "jobs": jobs,
            "runs": len(runs),
            "per_s": rounded(per_s),
            "cpu_ms": rounded(spread([1000 * cpu_s / jobs for _, cpu_s in runs])),
        },
    }


def _served(running: Yard, seed: int, jobs: int, *, first: int) -> tuple[float, float]:
    """Seconds from the commit to the last, and seconds of processor time of everything below `classyard up`."""
    documents = list(made_documents(seed, jobs, first=first))
    batch = asyncio.run(hand_in(running.database_url, running.redis_url, documents))
    with Meter({"up": running.process.pid}) as meter:
        began, before = time.monotonic(), meter.read()
        seconds = await_final(running.database_url, batch) - began
        return seconds, (meter.read() - before).of("up")
