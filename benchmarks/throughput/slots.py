"""How full a provider's slots are kept: 64 of them, 200 ms a call, so that the yard must feed 320 jobs a second.

Ideal is every slot busy from the first call to the last. Both moments are the provider's own.
"""

from __future__ import annotations

from typing import Any

from benchmarks.throughput.bench import Bench

CEILING = 64
CALL_MS = 200


def figures(bench: Bench) -> dict[str, Any]:
    jobs = bench.sized(2_000, 10_000)
    ground = bench.ground
    ground.fresh(ceiling=CEILING)
    ground.start_yard()
    ground.wait(ground.accept(ground.documents(200)))
    documents = list(ground.documents(jobs, first=200))
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
        "slot_makespan_over_ideal": round(seconds / ideal_s(jobs), 4),
        "slots": {
            "jobs": jobs,
            "ceiling": CEILING,
            "call_ms": CALL_MS,
            "seconds": round(seconds, 2),
            "ideal_s": round(ideal_s(jobs), 2),
            "peak_in_flight": seen["peak"],
            "cores_busy": round(sum(spent.seconds.values()) / seconds, 2),
        },
    }


def ideal_s(jobs: int, ceiling: int = CEILING, call_ms: float = CALL_MS) -> float:
    """With every slot busy until there is nothing left."""
    return -(-jobs // ceiling) * call_ms / 1000


def page(found: dict[str, Any]) -> str:
    if (row := found.get("slots")) is None:
        return ""
    return (
        f"**Slots kept full.** {row['jobs']:,} jobs, ceiling {row['ceiling']}, {row['call_ms']} ms a call: "
        f"{row['seconds']:,} s from the first call to the last answer, ideal {row['ideal_s']:,} s: "
        f"**{found['slot_makespan_over_ideal']:.3f} of the ideal** (asked: at most 1.03). Never more than "
        f"{row['peak_in_flight']} in flight; everything together kept {row['cores_busy']} cores busy."
    )
