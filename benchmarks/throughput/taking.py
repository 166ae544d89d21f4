"""How fast lines are taken in, over how fast they are only parsed, as `benchmarks.throughput.ingest` measures it."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

from benchmarks.throughput.bench import Bench

MODULE = "benchmarks.throughput.ingest"


def figures(bench: Bench) -> dict[str, Any]:
    if find_spec(MODULE) is None:
        return {"left_out": {"ingest": "is not part of this project yet."}}
    found = importlib.import_module(MODULE).measure(bench.sized(20_000, 100_000), with_http=False)
    return {"ingest_over_parsing": found["ingest_over_parsing"], "ingest": found}


def page(found: dict[str, Any]) -> str:
    if (row := found.get("ingest")) is None:
        return ""
    accept = next(stage for stage in row["stages"] if stage["name"] == "accept")
    return (
        f"**Taking in.** {row['lines']:,} lines of a kilobyte, accepted in one transaction: "
        f"{accept['lines_a_second']:,} lines a second, **{row['ingest_over_parsing']} of the rate at which the "
        "standard library parses them** and does nothing else (`python -m benchmarks.throughput.ingest`)."
    )
