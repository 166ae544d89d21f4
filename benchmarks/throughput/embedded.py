"""The same as `serving` in the yard that a newcomer has: `classyard up` in a fresh home, with its defaults."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.throughput.bench import Bench, rounded, spread
from benchmarks.throughput.ground import PROVIDER, Ground, await_final, hand_in, made_documents
from benchmarks.throughput.spent import Meter
from classyard.embedded.home import Home, RunningYard
from tests.flows.yards import folder, prepare_home, provider, until

WARM = 300


def figures(bench: Bench) -> dict[str, Any]:
    jobs, ground = bench.sized(600, 3_000), bench.ground
    ground.pretend.become()
    with folder() as path:
        running = _up(ground, path)
        _served(ground, running, WARM, first=0)
        runs = [_served(ground, running, jobs, first=WARM + number * jobs) for number in range(bench.runs)]
        ground.stop_roles()
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


def _up(ground: Ground, path: Path) -> RunningYard:
    """In a home with this one provider; a child of the ground, so that it ends with it in every case."""
    entry = {**provider(PROVIDER, ground.pretend.url, ceiling=64), "base_url": f"{ground.pretend.url}/v1"}
    prepare_home(path, entry)
    child = ground.start_process("up", [sys.executable, "-m", "classyard", "up"], CLASSYARD_HOME=str(path))
    home = Home(path)

    def is_up() -> bool:
        if not child.is_alive:
            raise RuntimeError(
                f"`classyard up` ended by itself: {child.server and child.server.last_lines()}"
            )
        return home.read_run() is not None

    until(is_up, "the yard to be up", timeout_s=90)
    return home.running()


def _served(ground: Ground, running: RunningYard, jobs: int, *, first: int) -> tuple[float, float]:
    """Seconds from the commit to the last, and seconds of processor time of everything below `classyard up`."""
    documents = list(made_documents(ground.seed, jobs, first=first))
    batch = asyncio.run(hand_in(running.database_url, running.redis_url, documents))
    with Meter({"up": ground.pids_of_roles()["up"]}) as meter:
        began, before = time.monotonic(), meter.read()
        seconds = await_final(running.database_url, batch) - began
        return seconds, (meter.read() - before).of("up")
