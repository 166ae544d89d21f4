"""How much a yard carries and what a job costs it, beside what others cost on the same provider in the same run.

    python -m benchmarks.throughput [--data DIR] [--json FILE] [--quick] [--only NAME …] [--scale] [--write]

A module of `MODULES` offers `figures(bench) -> dict`, and `page(found) -> str` where it has more to say than a row.
Each starts the processes that it measures and ends them; only PostgreSQL, Valkey and the pretend provider live as long
as the run. Those of `BY_TURNS` offer `one_round(bench)` and `figures_of(rounds) -> dict` instead.
"""

MODULES = {
    "yard": "benchmarks.throughput.serving",
    "embedded": "benchmarks.throughput.embedded",
    "naive": "benchmarks.throughput.naive",
    "callers": "benchmarks.throughput.callers",
    "empty": "benchmarks.throughput.empty",
    "stages": "benchmarks.throughput.stages",
    "slots": "benchmarks.throughput.slots",
    "urgent": "benchmarks.throughput.urgent",
    "crowd": "benchmarks.throughput.crowd",
    "lengths": "benchmarks.throughput.lengths",
    "decide": "benchmarks.throughput.decide",
    "growth": "benchmarks.throughput.growth",
    "ingest": "benchmarks.throughput.taking",
}
"""By the name that `--only` takes, in the order of a run."""

BY_TURNS = ("yard", "embedded", "naive")
"""Compared by the rates at which they serve: one round of each after the other, and again, so that a machine whose pace
changes is as quick for one as for the others."""

NOT_QUICK = ("stages",)
"""Left out of a quick run, for time, where they are not asked for."""
