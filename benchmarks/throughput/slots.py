"""How full a provider's slots are kept: 64 of them, 200 ms a call, so that the yard must feed 320 jobs a second.

Ideal is every slot busy from the first call to the last. Both moments are the provider's own.
"""

from __future__ import annotations

from typing import Any

from benchmarks.throughput.bench import Bench, rounded, spread
from benchmarks.throughput.ground import Ground

CEILING = 64
CALL_MS = 200
WARM = 200
"""Jobs that are served before, by calls as long as the others: a worker goes by what calls took lately."""


def figures(bench: Bench) -> dict[str, Any]:
    jobs = bench.sized(2_000, 10_000)
    bench.ground.fresh(ceiling=CEILING)
    bench.ground.start_yard()
    bench.ground.pretend.become(delay_ms=CALL_MS)
    bench.ground.wait(bench.ground.accept(bench.ground.documents(WARM)))
    runs = [
        _run(bench.ground, jobs, first=WARM + number * jobs) for number in range(bench.sized(1, bench.runs))
    ]
    over = spread([run["seconds"] / ideal_s(jobs) for run in runs])
    return {
        "slot_makespan_over_ideal": round(over["median"], 4),
        "slots": {
            "jobs": jobs,
            "ceiling": CEILING,
            "call_ms": CALL_MS,
            "ideal_s": round(ideal_s(jobs), 2),
            "over_ideal": rounded(over, 4),
            "peak_in_flight": max(run["peak"] for run in runs),
            "cores_busy": rounded(spread([run["cores_busy"] for run in runs]), 2),
            "runs": runs,
        },
    }


def _run(ground: Ground, jobs: int, *, first: int) -> dict[str, Any]:
    documents = list(ground.documents(jobs, first=first))
    ground.pretend.become(delay_ms=CALL_MS)
    with ground.meter() as meter:
        batch = ground.accept(documents)
        before = meter.read()
        ground.wait(batch, every_s=0.25)
        spent = meter.read() - before
    seen = ground.pretend.seen()
    ground.require_sound(batch, jobs)
    if seen["peak"] > CEILING:
        raise RuntimeError(f"{seen['peak']} calls were in flight, and the ceiling is {CEILING}")
    seconds = seen["last_s"] - seen["first_s"]
    return {
        "seconds": round(seconds, 3),
        "peak": seen["peak"],
        "cores_busy": round(sum(spent.seconds.values()) / seconds, 2),
    }


def ideal_s(jobs: int, ceiling: int = CEILING, call_ms: float = CALL_MS) -> float:
    """With every slot busy until there is nothing left."""
    return -(-jobs // ceiling) * call_ms / 1000


def page(found: dict[str, Any]) -> str:
    if (row := found.get("slots")) is None:
        return ""
    over, busy = row["over_ideal"], row["cores_busy"]
    return (
        f"**Slots kept full.** {row['jobs']:,} jobs, ceiling {row['ceiling']}, {row['call_ms']} ms a call, "
        f"{len(row['runs'])} times: {', '.join(str(run['seconds']) for run in row['runs'])} s from the first call to "
        f"the last answer, ideal {row['ideal_s']:,} s: **{over['median']:.3f} of the ideal** "
        f"[{over['min']:.3f}, {over['max']:.3f}] (asked: at most 1.03). Never more than {row['peak_in_flight']} in "
        f"flight; everything together kept {busy['median']} cores busy."
    )
