"""The figures of one scenario, and the guards that keep an empty run from looking like a good one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tests.faults.history import Verdict, check, recoveries_s
from tests.faults.lab import Lab

LEAST_COMPLETED = 0.95
RECOVERY_MARGIN_S = 15.0


def outcome(
    lab: Lab,
    *,
    planned: int,
    fired: int,
    blows_s: Sequence[float] = (),
    over_ceiling: int = 0,
    margin_s: float = RECOVERY_MARGIN_S,
    broken: Iterable[str] = (),
    **more: Any,
) -> dict[str, Any]:
    """What came of the scenario that the laboratory holds now. `broken` are sentences about what was expected beside
    the promise and did not come true; recovery may take the lease and `margin_s`; `more` is shown
    beside the figures."""
    histories = lab.histories()
    verdict = check(lab.promised, histories)
    recovered = sorted(recoveries_s(histories, blows_s))
    p99 = percentile(recovered, 0.99)
    return {
        "jobs": verdict.jobs,
        "completed": verdict.completed,
        "states": dict(verdict.states),
        "calls": verdict.calls,
        "faults_planned": planned,
        "faults_fired": fired,
        "lost": len(verdict.lost),
        "double_results": len(verdict.double_results),
        "missing_results": len(verdict.missing_results),
        "stale_commits": len(verdict.stale_commits),
        "unaudited_transitions": len(verdict.unaudited_transitions),
        "uncalled": len(verdict.uncalled),
        "over_ceiling": over_ceiling,
        "repeated_calls": verdict.repeated_calls,
        "worker_lost": verdict.worker_lost,
        "recoveries": len(recovered),
        "recovery_p99_s": p99,
        **more,
        "broken": [*_broken(verdict), *_late(lab, p99, margin_s), *broken],
        "vacuous": list(_vacuous(verdict, planned, fired)),
    }


def percentile(values: Sequence[float], share: float) -> float | None:
    """Of sorted values: the smallest that `share` of them do not exceed."""
    if not values:
        return None
    rank = -(-len(values) * share // 1)  # rounded up
    return round(values[max(0, int(rank) - 1)], 3)


def _broken(verdict: Verdict) -> list[str]:
    return [] if verdict.is_kept else [verdict.told()]


def _late(lab: Lab, p99: float | None, margin_s: float) -> list[str]:
    allowed = float(lab.settings["CLASSYARD_LEASE_S"]) + margin_s
    if p99 is None or p99 <= allowed:
        return []
    return [f"recovery p99 is {p99:g} s, and {allowed:g} s is allowed"]


def _vacuous(verdict: Verdict, planned: int, fired: int) -> Iterable[str]:
    if fired < planned:
        yield f"only {fired} of {planned} faults fired"
    if verdict.completed < LEAST_COMPLETED * verdict.jobs or not verdict.jobs:
        yield f"only {verdict.completed} of {verdict.jobs} jobs came to an end"
