"""The same as `serving` in the yard that a newcomer has: `classyard up` in a fresh home, with its defaults."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.throughput.bench import Bench, by_round, rounded, rounded_each, spread
from benchmarks.throughput.ground import PROVIDER, Ground, await_final, hand_in, made_documents
from benchmarks.throughput.spent import Meter
from classyard.embedded.home import Home, RunningYard
from tests.flows.yards import folder, prepare_home, provider, until

WARM = 300


class Run(NamedTuple):
    jobs: int
    seconds: float
    """From the commit of the submission to the last commit."""
    cpu_s: float
    """Of everything below `classyard up`."""


def one_round(bench: Bench) -> Run:
    ground = bench.ground
    ground.pretend.become()
    with folder() as path:
        running = _up(ground, path)
        _served(ground, running, WARM, first=0)
        run = _served(ground, running, bench.sized(600, 3_000), first=WARM)
        ground.stop_roles()
    return run


def figures_of(runs: list[Run]) -> dict[str, Any]:
    each_per_s = [run.jobs / run.seconds for run in runs]
    per_s = spread(each_per_s)
    return {
        "jobs_per_s_embedded": round(per_s["median"], 1),
        "embedded": {
            "jobs": runs[0].jobs,
            "runs": len(runs),
            "per_s": rounded(per_s),
            "each_per_s": rounded_each(each_per_s, 1),
            "cpu_ms": rounded(spread([1000 * run.cpu_s / run.jobs for run in runs])),
        },
    }


def over(found: dict[str, Any]) -> dict[str, Any]:
    """Beside the roles by themselves, where both were measured."""
    if "yard" not in found or "embedded" not in found:
        return {}
    share = spread(by_round(found["embedded"]["each_per_s"], found["yard"]["each_per_s"]))
    return {"embedded_over_yard": round(share["median"], 3), "embedded_over_yard_spread": rounded(share)}


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


def _served(ground: Ground, running: RunningYard, jobs: int, *, first: int) -> Run:
    documents = list(made_documents(ground.seed, jobs, first=first))
    batch = asyncio.run(hand_in(running.database_url, running.redis_url, documents))
    with Meter({"up": ground.pids_of_roles()["up"]}) as meter:
        began, before = time.monotonic(), meter.read()
        seconds = await_final(running.database_url, batch) - began
        return Run(jobs, seconds, (meter.read() - before).of("up"))
