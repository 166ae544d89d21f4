"""LiteLLM's Router and a plain httpx script, with as many calls in flight as the yard has slots."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.environments import environment_of, run
from benchmarks.routing.peers import PeerMissing, version
from benchmarks.throughput.bench import Bench, ratio, rounded, spread

HERE = Path(__file__).resolve().parent
LOCK = HERE / "litellm.lock"
"""None of the releases that were stolen or taken back: 1.82.7 and 1.82.8 of March 2026, and 1.107.0."""
IN_FLIGHT = 64
RUN_S = 600


def figures(bench: Bench) -> dict[str, Any]:
    return _plain(bench) | _litellm(bench)


def over(found: dict[str, Any]) -> dict[str, Any]:
    """The yard's processor time a job over LiteLLM's a call: with everything, and its Python alone."""
    if "yard" not in found or "litellm" not in found:
        return {}
    whole = ratio(found["yard"]["cpu_ms"], found["litellm"]["cpu_ms"])
    python = ratio(found["yard"]["cpu_ms_python"], found["litellm"]["cpu_ms"])
    return {
        "cpu_over_litellm": round(whole["median"], 3),
        "cpu_over_litellm_spread": rounded(whole),
        "cpu_python_over_litellm": round(python["median"], 3),
    }


def _plain(bench: Bench) -> dict[str, Any]:
    found = _measured(bench, sys.executable, "plain", bench.sized(800, 3_000), bench.runs)
    return {"plain": found, "plain_cpu_ms_per_call": found["cpu_ms"]["median"]}


def _litellm(bench: Bench) -> dict[str, Any]:
    jobs = bench.sized(400, 2_000)
    try:
        python = environment_of(LOCK)
        found = _measured(bench, python, "litellm", jobs, bench.runs)
        batch = _measured(bench, python, "litellm_batch", jobs, 1 if bench.quick else bench.runs)
    except PeerMissing as missing:
        return {"left_out": {"LiteLLM": str(missing)}}
    return {
        "litellm": {**found, "version": version("litellm", LOCK)},
        "litellm_batch": batch,
        "litellm_cpu_ms_per_call": found["cpu_ms"]["median"],
    }


def _measured(bench: Bench, python: str, way: str, jobs: int, runs: int) -> dict[str, Any]:
    ground = bench.ground
    ground.pretend.become()
    documents = ground.home.run / "documents.json"
    documents.write_text(json.dumps([one.text for one in ground.documents(500)]), encoding="utf-8")
    asked = [way, f"{ground.pretend.url}/v1", str(documents), str(jobs), str(IN_FLIGHT), str(runs)]
    printed = run([python, str(HERE / "calling.py"), *asked], RUN_S)
    told = json.loads(printed.strip().splitlines()[-1])
    return {
        "jobs": jobs,
        "runs": len(told),
        "in_flight": IN_FLIGHT,
        "per_s": rounded(spread([one["jobs"] / one["seconds"] for one in told])),
        "cpu_ms": rounded(spread([1000 * one["cpu_s"] / one["jobs"] for one in told])),
        "rss_mb": round(max(one["rss_mb"] for one in told)),
    }
