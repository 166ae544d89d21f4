"""How well Classyard decides: what a promise saves, how a route compares with tables, what load and money cost.

    python -m benchmarks.routing [--data DIR] [--json FILE] [--quick] [--write]

A module of `MODULES` offers `figures(plan) -> dict` and perhaps `page(found) -> str`. `__main__` merges the figures and
writes the pages into `benchmarks/RESULTS.md`. A module that is not there is skipped; `left_out` in what one returns
says which figures are missing, and why.
"""

MODULES = (
    "benchmarks.routing.saving",
    "benchmarks.routing.curve",
    "benchmarks.routing.replayed",
    "benchmarks.routing.deciding",
    "benchmarks.routing.cost",
    "benchmarks.routing.queues",
)
