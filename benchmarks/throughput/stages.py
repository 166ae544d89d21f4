"""Where a job's processor time goes: by stage inside the roles, by whom its backends serve in PostgreSQL, and Valkey.

A run of its own, since looking costs something. What a role used before the jobs came and after they were done, such
as its imports, is measured in the same way on a yard without jobs and taken off.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.throughput.bench import Bench
from benchmarks.throughput.ground import Ground
from benchmarks.throughput.serving import NEIGHBOURS, SERVERS, served
from benchmarks.throughput.spent import Spent

IDLE_S = 3.0


def figures(bench: Bench) -> dict[str, Any]:
    jobs = bench.sized(800, 4_000)
    ground = bench.ground
    idle, _ = _profiled(ground, 0)
    found, spent = _profiled(ground, jobs)
    assert spent is not None
    found.subtract(idle)
    by_stage = {name: 1000 * seconds / jobs for name, seconds in found.items() if seconds > 0}
    servers = {name: ms for name, ms in spent.ms_each(jobs).items() if name.startswith(SERVERS)}
    for name in NEIGHBOURS:
        servers.pop(name, None)
    return {"stages": {"jobs": jobs, "roles_ms": _rounded(by_stage), "servers_ms": _rounded(servers)}}


def page(found: dict[str, Any]) -> str:
    if "stages" not in found:
        return ""
    rows = {**found["stages"]["roles_ms"], **found["stages"]["servers_ms"]}
    whole = sum(rows.values())
    lines = [
        f"**Where it goes.** Stacks looked at while {found['stages']['jobs']:,} jobs were served, which itself costs a "
        "little: shares are worth more than sums. `a / b`: b within stage a.",
        "",
        "| stage | ms a job | share |",
        "|---|---|---|",
    ]
    shown = [(name, ms) for name, ms in sorted(rows.items(), key=lambda each: -each[1]) if ms >= whole / 200]
    lines += [f"| {name} | {ms:.3f} | {ms / whole:.1%} |" for name, ms in shown]
    lines.append(f"| {len(rows) - len(shown)} smaller ones | {whole - sum(ms for _, ms in shown):.3f} | |")
    return "\n".join(lines)


def _profiled(ground: Ground, jobs: int) -> tuple[Counter[str], Spent | None]:
    """By stage, seconds over the whole lives of the roles; and what the run took by process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ground.fresh()
        ground.start_yard(profile=folder)
        spent = served(ground, jobs).spent if jobs else None
        if not jobs:
            time.sleep(IDLE_S)
        ground.stop_roles()
        found: Counter[str] = Counter()
        for role in folder.glob("*.json"):
            found.update(json.loads(role.read_text(encoding="utf-8")))
    return found, spent


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(ms, 4) for name, ms in sorted(values.items(), key=lambda each: -each[1])}
