"""Runs the routing benchmarks and prints their figures as JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.routing import MODULES
from benchmarks.routing.data import data_folder
from benchmarks.routing.machine import machine
from benchmarks.routing.plan import Plan
from benchmarks.routing.report import page, write


def main(arguments: list[str]) -> int:
    asked = _asked(arguments)
    found = run(Plan(data_folder(asked.data), quick=asked.quick))
    text = json.dumps(found, indent=2, sort_keys=True)
    if asked.json:
        Path(asked.json).write_text(text + "\n", encoding="utf-8")
    if asked.write:
        write(page(found))
    print(text if not asked.json else page(found))
    return 0


def run(plan: Plan) -> dict[str, Any]:
    """The figures of all modules that are there, in one object."""
    found: dict[str, Any] = {"left_out": {}, "seconds": {}}
    for name in MODULES:
        if find_spec(name) is None:
            found["left_out"][name.rpartition(".")[2]] = "not part of this project yet"
            continue
        started = time.monotonic()
        figures = importlib.import_module(name).figures(plan)
        left_out = found["left_out"] | figures.pop("left_out", {})
        found |= figures | {"left_out": left_out}
        found["seconds"][name.rpartition(".")[2]] = round(time.monotonic() - started, 1)
    found["run"] = {"quick": plan.quick, "seeds": list(range(plan.splits)), **machine()}
    told: dict[str, Any] = _told(found)
    return told


def _told(value: Any) -> Any:
    """Numbers that are none become null, which JSON can say."""
    if isinstance(value, dict):
        return {name: _told(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_told(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _asked(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.routing", description=__doc__)
    parser.add_argument("--data", help="a folder laid out like CLASSYARD_DATA, which is the default")
    parser.add_argument("--json", help="write the figures to this file, and print the table instead")
    parser.add_argument(
        "--quick", action="store_true", help="one seed and few resamples: to see that it works"
    )
    parser.add_argument("--write", action="store_true", help="write the table into benchmarks/RESULTS.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
