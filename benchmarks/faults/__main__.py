"""Breaks a yard in every way that is known here, and says what became of the jobs.

    python -m benchmarks.faults [--quick | --full] [--json FILE] [--write] [--only NAME …] [--seed N]

Ends with 1 where the promise was not kept, and with 2 where a run showed too little to say so.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.faults import flow, links, processes
from benchmarks.faults.controls import controls
from benchmarks.faults.report import PAGE, TITLES, page
from benchmarks.faults.scale import SCALES, Scale
from benchmarks.routing.machine import machine
from tests.faults.lab import Lab, laboratory

SCENARIOS = {
    "kills": processes.kills,
    "points": processes.points,
    "pauses": processes.pauses,
    "wiped": links.wiped,
    "ill_broker": links.ill_broker,
    "database": links.database,
    "backends": links.backends,
    "commits": links.commits,
    "disk_full": links.disk_full,
    "ten_times": flow.ten_times,
    "ceilings": flow.ceilings,
    "providers": links.providers,
}
NOT_QUICK = ("ill_broker", "backends", "disk_full")
"""Left out of a quick run, for time."""
SUMMED = (
    *("jobs", "calls", "faults_planned", "faults_fired", "lost", "double_results", "stale_commits"),
    *("over_ceiling", "repeated_calls", "kills", "unaudited_transitions"),
)
assert SCENARIOS.keys() == TITLES.keys()


def main(arguments: list[str]) -> int:
    asked = _asked(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped then, too
    scale = SCALES["quick" if asked.quick else "full" if asked.full else "usual"]
    found = run(scale, asked.seed, asked.only or names_of(scale))
    found["run"]["command"] = " ".join(["python -m benchmarks.faults", *arguments])
    text = json.dumps(found, indent=2, sort_keys=True)
    if asked.json:
        Path(asked.json).write_text(text + "\n", encoding="utf-8")
    if asked.write:
        PAGE.write_text(page(found), encoding="utf-8")
    print(page(found))
    return 1 if found["broken"] else 2 if found["vacuous"] else 0


def names_of(scale: Scale) -> list[str]:
    return [name for name in (*SCENARIOS, "controls") if scale.name != "quick" or name not in NOT_QUICK]


def run(scale: Scale, seed: int, names: list[str]) -> dict[str, Any]:
    """The figures of these scenarios, one after another in one laboratory."""
    began = time.monotonic()
    rows: dict[str, dict[str, Any]] = {}
    compared: dict[str, dict[str, Any]] = {}
    failed: list[str] = []
    with laboratory(seed=seed, steady="instant", ill="instant", strict="instant") as lab:
        for name in names:
            started = time.monotonic()
            if name == "controls":
                compared, failed = _controls(lab, scale, seed)
            else:
                rows[name] = _one(name, lab, scale, seed)
            _say(f"{name}: {time.monotonic() - started:.0f} s {_short(rows.get(name, compared))}")
    found = _summed(rows, compared, scale, seed, time.monotonic() - began)
    found["broken"] += failed
    return found


def _controls(lab: Lab, scale: Scale, seed: int) -> tuple[dict[str, dict[str, Any]], list[str]]:
    try:
        return controls(lab, scale, seed), []
    except Exception as error:
        return {}, [f"the controls did not end: {type(error).__name__}: {error}"[:300]]


def _one(name: str, lab: Lab, scale: Scale, seed: int) -> dict[str, Any]:
    """A scenario that does not end is a result as well, and does not keep the others from being run."""
    try:
        return SCENARIOS[name](lab, scale, seed)
    except Exception as error:
        sentence = f"{type(error).__name__}: {error}"[:300]
        figures = _of_what_is_there(lab)
        return {**figures, "error": sentence, "broken": [f"{name} did not end: {sentence}"], "vacuous": []}


def _of_what_is_there(lab: Lab) -> dict[str, Any]:
    try:
        verdict = lab.verdict()
    except Exception:
        return {}
    return {
        "jobs": verdict.jobs,
        "lost": len(verdict.lost),
        "double_results": len(verdict.double_results),
        "stale_commits": len(verdict.stale_commits),
        "unaudited_transitions": len(verdict.unaudited_transitions),
        "repeated_calls": verdict.repeated_calls,
        "calls": verdict.calls,
        "states": dict(verdict.states),
    }


def _summed(
    rows: dict[str, dict[str, Any]],
    compared: dict[str, dict[str, Any]],
    scale: Scale,
    seed: int,
    seconds: float,
) -> dict[str, Any]:
    slowest = [row["recovery_p99_s"] for row in rows.values() if row.get("recovery_p99_s") is not None]
    return {
        **{name: sum(row.get(name, 0) for row in rows.values()) for name in SUMMED},
        "recovery_p99_s": max(slowest, default=None),
        "seed": seed,
        "scenarios": rows,
        "controls": compared,
        "broken": [f"{name}: {one}" for name, row in rows.items() for one in row["broken"]],
        "vacuous": [f"{name}: {one}" for name, row in rows.items() for one in row["vacuous"]],
        "run": {"scale": scale.name, "seconds": round(seconds, 1), "commit": _commit(), **machine()},
    }


def _short(row: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in row.items() if name not in ("by_fault", "by_point")})


def _commit() -> str:
    asked = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(asked, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _asked(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults", description="Breaks a yard on purpose."
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a minute or two: the same guards, fewer faults")
    size.add_argument("--full", action="store_true", help="hours: the sizes that docs/reliability.md names")
    parser.add_argument(
        "--data", metavar="DIR", help="taken for the sake of the other benchmarks; nothing is read"
    )
    parser.add_argument("--json", metavar="FILE", help="writes the figures there")
    parser.add_argument("--write", action="store_true", help="writes benchmarks/RELIABILITY.md")
    parser.add_argument("--only", nargs="+", choices=[*SCENARIOS, "controls"], metavar="NAME")
    parser.add_argument("--seed", type=int, default=20)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
