"""A thousand calls in flight in one worker process: its memory, and what a call costs beside a hundred in flight.

Calls take so long that both crowds finish as many a second, and differ in nothing but their size.
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks.throughput.bench import Bench
from benchmarks.throughput.ground import Ground

CALLS_PER_S = 100
"""Of the provider, with all slots busy: far below what the yard can feed."""
CROWDS = (100, 1_000)
SECONDS = CROWDS[-1] / CALLS_PER_S
"""That are measured: one call of each slot of the large crowd, and ten of the small."""
FILL_S = 30.0


def figures(bench: Bench) -> dict[str, Any]:
    found = {str(size): _crowd(bench.ground, size, SECONDS) for size in CROWDS}
    small, large = (found[str(size)] for size in CROWDS)
    return {
        "rss_mb_1000_in_flight": large["rss_mb"],
        "cpu_1000_over_100_in_flight": round(
            large["worker_cpu_ms_per_call"] / small["worker_cpu_ms_per_call"], 3
        ),
        "crowd": found,
    }


def _crowd(ground: Ground, size: int, seconds: float) -> dict[str, Any]:
    """Measured while all slots are busy, between the filling and the end."""
    ground.fresh(ceiling=size, CLASSYARD_PARCEL_S="60")
    ground.start_yard()
    ground.wait(ground.accept(ground.documents(100)))
    delay_s = size / CALLS_PER_S
    jobs = round(CALLS_PER_S * seconds) + 3 * size
    documents = list(ground.documents(jobs, first=100))
    ground.pretend.become(delay_ms=1000 * delay_s)
    with ground.meter() as meter:
        batch = ground.accept(documents)
        _fill(ground, round(0.9 * size))
        before, calls, began = meter.read(), ground.pretend.seen()["calls"], time.monotonic()
        time.sleep(seconds)
        spent, seen, took = meter.read() - before, ground.pretend.seen(), time.monotonic() - began
        rss_mb = max(meter.rss_mb()["worker-0"], meter.peak_mb["worker-0"])
    made = seen["calls"] - calls
    if not made:
        raise RuntimeError(
            f"no call was made in {took:.0f} s while {seen['in_flight']} of {size} were in flight"
        )
    ground.pretend.become()  # what is left need not take its time
    ground.wait(batch, every_s=0.25)
    ground.require_sound(batch, jobs)
    return {
        "in_flight": seen["peak"],
        "calls": made,
        "per_s": round(made / took, 1),
        "worker_cpu_ms_per_call": round(1000 * spent.of("worker") / made, 3),
        "rss_mb": round(rss_mb, 1),
    }


def _fill(ground: Ground, wanted: int) -> None:
    """Until so many calls are in flight; a yard that does not get there is measured as full as it is, which is told."""
    end = time.monotonic() + FILL_S
    while ground.pretend.seen()["in_flight"] < wanted and time.monotonic() < end:
        time.sleep(0.2)


def page(found: dict[str, Any]) -> str:
    if "crowd" not in found:
        return ""
    lines = [
        "**A crowd in one process.** One worker process whose provider takes so long that all slots are busy.",
        "",
        "| slots | most in flight | calls a second | processor ms a call, the worker | memory |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {size} | {row['in_flight']:,} | {row['per_s']} | {row['worker_cpu_ms_per_call']} | {row['rss_mb']:.0f} MB |"
        for size, row in found["crowd"].items()
    ]
    return "\n".join(
        [*lines, "", f"A call of the large crowd costs {found['cpu_1000_over_100_in_flight']} of the small."]
    )
