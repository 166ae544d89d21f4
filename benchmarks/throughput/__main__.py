"""Runs the throughput benchmarks and prints their figures as JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.routing.data import data_folder
from benchmarks.routing.machine import machine
from benchmarks.throughput import BY_TURNS, MODULES, NOT_QUICK
from benchmarks.throughput.bench import Bench
from benchmarks.throughput.ground import ground
from benchmarks.throughput.report import page, write

SEED = 20


def main(arguments: list[str]) -> int:
    asked = _asked(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped then, too
    found = run(asked)
    text = json.dumps(found, indent=2, sort_keys=True)
    if asked.json:
        Path(asked.json).write_text(text + "\n", encoding="utf-8")
    if asked.write:
        write(page(found))
    print(text if not asked.json else page(found))
    return 1 if found["failed"] else 0


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """The figures of the modules that were asked for, in one object."""
    names = asked.only or [name for name in MODULES if not (asked.quick and name in NOT_QUICK)]
    found: dict[str, Any] = {"left_out": {}, "failed": {}, "seconds": {}}
    found["run"] = {
        "quick": asked.quick,
        "seed": SEED,
        "load_before": round(os.getloadavg()[0], 2),
        **machine(),
    }
    began = time.monotonic()
    with ground(seed=SEED) as stood_on:
        bench = Bench(stood_on, data_folder(asked.data), asked.quick, _say, asked.scale)
        turns = [name for name in names if name in BY_TURNS]
        for name in names:
            if name not in turns:
                _add(found, name, bench)
            elif name == turns[0]:
                _add_by_turns(found, turns, bench)
    for name in names:
        found |= _compared(name, found)
    found["run"]["seconds"] = round(time.monotonic() - began, 1)
    return found


def _add(found: dict[str, Any], name: str, bench: Bench) -> None:
    figures: dict[str, Any] = {}
    with _trying(found, name, bench):
        figures = _module(name).figures(bench)
        left_out = found["left_out"] | figures.pop("left_out", {})
        found |= figures | {"left_out": left_out}
    _say_how(name, found, figures)


def _add_by_turns(found: dict[str, Any], names: list[str], bench: Bench) -> None:
    rounds: dict[str, list[Any]] = {name: [] for name in names}
    for _ in range(bench.rounds):
        for name in names:
            if name not in found["failed"]:
                with _trying(found, name, bench):
                    rounds[name].append(_module(name).one_round(bench))
    for name in names:
        figures = _module(name).figures_of(rounds[name]) if name not in found["failed"] else {}
        found |= figures
        _say_how(name, found, figures)


@contextmanager
def _trying(found: dict[str, Any], name: str, bench: Bench) -> Iterator[None]:
    """A figure that cannot be had is named with its reason, and keeps no other from being measured."""
    started = time.monotonic()
    try:
        yield
    except Exception as error:
        found["failed"][name] = f"{type(error).__name__}: {error}"[:500]
        _say(f"{name} failed: {found['failed'][name]}")
    finally:
        bench.ground.stop_roles()
        found["seconds"][name] = round(found["seconds"].get(name, 0) + time.monotonic() - started, 1)


def _compared(name: str, found: dict[str, Any]) -> dict[str, Any]:
    over = getattr(_module(name), "over", None)
    return over(found) if over else {}


def _module(name: str) -> Any:
    return importlib.import_module(MODULES[name])


def _say_how(name: str, found: dict[str, Any], figures: dict[str, Any]) -> None:
    _say(f"{name}: {found['seconds'][name]:.0f} s {_short(figures)}")


def _short(figures: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in figures.items() if isinstance(value, int | float)})


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _asked(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument(
        "--data", metavar="DIR", help="a folder laid out like CLASSYARD_DATA, which is the default"
    )
    parser.add_argument(
        "--json", metavar="FILE", help="writes the figures there, and prints the page instead"
    )
    parser.add_argument("--quick", action="store_true", help="fewer jobs: the ratios in under four minutes")
    parser.add_argument("--write", action="store_true", help="writes the page into benchmarks/RESULTS.md")
    parser.add_argument("--only", nargs="+", choices=list(MODULES), metavar="NAME", help=", ".join(MODULES))
    parser.add_argument(
        "--scale",
        type=int,
        metavar="JOBS",
        help="jobs in the tables for the figure of growth; a million takes some minutes and gigabytes",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
