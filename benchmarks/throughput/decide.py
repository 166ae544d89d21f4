"""One decision's processor time, as `benchmarks.routing.deciding` measures it: one job among 20 models."""

from __future__ import annotations

from typing import Any

from benchmarks.routing import deciding
from benchmarks.throughput.bench import Bench


def figures(bench: Bench) -> dict[str, Any]:
    yard = deciding.yards()["20_models"]
    found = deciding.summary(yard, deciding.timed(yard, jobs=bench.sized(2_000, 10_000)))
    return {"decide_cpu_us_p99": found["p99_us"], "decide": found}


def page(found: dict[str, Any]) -> str:
    if (row := found.get("decide")) is None:
        return ""
    return (
        f"**Deciding.** One job among {row['models']} models, {row['jobs']:,} of them: processor time p50 "
        f"{row['p50_us']:,.0f} µs, **p99 {row['p99_us']:,.0f} µs** (asked: at most 1,000); its record beside it "
        f"{row['record_p50_us']:,.0f} µs."
    )
