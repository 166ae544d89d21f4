"""What one decision costs in processor time: among 20 models, as a yard may have, and among 100 under 50 rules.

A measured step is what the router does for one job of a chunk: the policy is moved to the loads as they are now, which
the job before has changed, and the job is decided. What comes after, the canonical bytes of the record and their
digest, is timed beside it. Jobs, loads and catalogs are made up from seeds; the collector of garbage runs as it likes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

import numpy as np

from benchmarks.routing.data import ROOT
from benchmarks.routing.made import a_catalog, a_job, a_policy, a_snapshot, bound
from benchmarks.routing.plan import Plan
from governance.policies.source import load_policy
from router_worker.engine.decide import prepare
from schemas.canonical import canonical, digest
from schemas.catalog import Catalog
from schemas.decision import Decision, Outcome
from schemas.policy import RoutingPolicy
from schemas.snapshot import Assigned

POLICY = ROOT / "config" / "policies" / "financial-risk.yaml"
"""With rules and tiers, as one that is written for work."""

JOBS, QUICK = 20_000, 2_000
"""That are timed in each yard."""

CHUNK = 200
"""Jobs between two snapshots."""

WARM = 200
"""Jobs that are decided first and not counted."""


HEAD = (
    "**Deciding.** Processor time of one job of a chunk, in µs: the policy moved to the loads as the job before left",
    "them, and the decision; beside it the canonical bytes of its record. What else the machine does is felt in it.",
    "",
    "| yard | p50 | p99 (anchor ≤ 1,000) | most | its record, p50 | jobs | routed | candidates ranked for a job |",
    "|---|---|---|---|---|---|---|---|",
)


class Yard(NamedTuple):
    catalog: Catalog
    policy: RoutingPolicy


@dataclass(slots=True)
class Timed:
    """Nanoseconds of processor time, one for each job."""

    decided: list[int] = field(default_factory=list)
    recorded: list[int] = field(default_factory=list)
    routed: int = 0
    ranked: int = 0
    """Candidates that could serve, over all jobs."""

    def add(self, decision: Decision, decided_ns: int, recorded_ns: int) -> None:
        self.decided.append(decided_ns)
        self.recorded.append(recorded_ns)
        self.routed += decision.outcome is Outcome.ROUTED
        self.ranked += sum(each.rank is not None for each in decision.candidates)


def figures(plan: Plan) -> dict[str, Any]:
    """`decide_cpu_us_p99` (one job, 20 models), and the same of the large yard beside it."""
    jobs = QUICK if plan.quick else JOBS
    found = {name: summary(yard, timed(yard, jobs=jobs)) for name, yard in yards().items()}
    return {
        "decide_cpu_us_p99": found["20_models"]["p99_us"],
        "decide_cpu_us_p99_100_models_50_rules": found["100_models_50_rules"]["p99_us"],
        "deciding": found,
    }


def page(found: dict[str, Any]) -> str:
    if "deciding" not in found:
        return ""
    rows = [
        f"| {row['models']} models, {row['rules']} rules, {row['tiers']} tiers | {row['p50_us']:,.0f} | "
        f"**{row['p99_us']:,.0f}** | {row['max_us']:,.0f} | {row['record_p50_us']:,.0f} | {row['jobs']:,} | "
        f"{row['routed']:.2f} | {row['ranked']:.1f} |"
        for row in found["deciding"].values()
    ]
    return "\n".join([*HEAD, *rows])


def yards() -> dict[str, Yard]:
    chance = Random("deciding")
    small, large = a_catalog(chance, 20), a_catalog(chance, 100)
    return {
        "20_models": Yard(small, load_policy(POLICY)),
        "100_models_50_rules": Yard(large, a_policy(chance, large, rules=50, tiers=3)),
    }


def timed(yard: Yard, *, jobs: int) -> Timed:
    """The jobs decided one after the other; each that is routed moves a load."""
    chance, name, found = Random("jobs"), digest(yard.catalog), Timed()
    snapshot = a_snapshot(chance, yard.catalog, second=0, name=name)
    prepared, more = prepare(yard.policy, snapshot), dict[str, Assigned]()
    for number in range(WARM + jobs):
        if number % CHUNK == 0:
            snapshot, more = a_snapshot(chance, yard.catalog, second=number // CHUNK, name=name), {}
        job = a_job(chance)
        started = time.process_time_ns()
        snapshot = snapshot.plus(more)
        prepared = prepared.moved_to(snapshot)
        decision = prepared.decide(job)
        decided = time.process_time_ns()
        digest(canonical(decision))
        ended = time.process_time_ns()
        more = bound(decision, job)
        if number >= WARM:
            found.add(decision, decided - started, ended - decided)
    return found


def summary(yard: Yard, found: Timed) -> dict[str, Any]:
    p50, p99, most = np.percentile(found.decided, (50, 99, 100)) / 1_000
    return {
        "models": len([model for provider in yard.catalog.providers for model in provider.models]),
        "rules": len(yard.policy.rules),
        "tiers": len(yard.policy.tiers),
        "jobs": len(found.decided),
        "routed": round(found.routed / len(found.decided), 3),
        "ranked": round(found.ranked / len(found.decided), 1),
        "p50_us": round(float(p50), 1),
        "p99_us": round(float(p99), 1),
        "max_us": round(float(most), 1),
        "record_p50_us": round(float(np.median(found.recorded)) / 1_000, 1),
    }
