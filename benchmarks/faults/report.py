"""`benchmarks/RELIABILITY.md`, from the figures of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "RELIABILITY.md"

TITLES = {
    "kills": "SIGKILL of a random worker, router or keeper, about one a second",
    "points": "SIGKILL of itself at each write of each stage, before and after it",
    "pauses": "SIGSTOP for longer than the lease, then SIGCONT",
    "wiped": "broker killed, emptied and restarted",
    "ill_broker": "broker full, half-open, reset every 2 s",
    "database": "PostgreSQL restarted, by turns gently and hard",
    "backends": "connections ended by PostgreSQL under their owners",
    "commits": "1 % of commits applied and reported as failed, 1 % conflicts",
    "disk_full": "1 % of transactions told that the disk is full",
    "ten_times": "every bell ten times, shuffled",
    "ceilings": "ceiling changed live, 1 to 64, workers added and removed",
    "providers": "provider: 429, 5xx, hang, applied and then silent, cut body, invalid JSON",
}

EXPECTED = {
    "kills": "recovery p99 ≤ lease + 15 s; no more calls repeated a kill than were in flight",
    "points": "every point reached, and died at",
    "pauses": "late commits fenced, and counted",
    "wiped": "queues full again in ≤ 30 s",
    "ill_broker": "accepting p99 ≤ 1.2 times calm; work goes on in ≤ 30 s; throughput back to ≥ 95 %",
    "database": "nothing acknowledged without its row",
    "backends": "",
    "commits": "no job fails for it",
    "disk_full": "fails closed, and goes on",
    "ten_times": "no call too many",
    "ceilings": "never more calls in flight than the ceiling",
    "providers": "within budgets and boundaries; the others stay busy",
}

LEFT_OUT = {
    "clocks an hour apart": "every time that decides comes from the database's clock; nothing to inject without a "
    "library that forges time",
    "a disk that is really full": "needs a file system of its own; its error is injected in its place",
    "embedded SQL file database, webhooks, poison documents in a parser, audit forgery": "the yard has no SQLite mode, "
    "no webhooks, no binary parsers yet; forged audit trails are `tests/unit/test_audit.py`'s",
    "old and new workers side by side": "there is one released version",
}


def page(found: dict[str, Any]) -> str:
    run, rows = found["run"], found["scenarios"]
    parts = [
        "# Reliability, measured",
        "*Written by `python -m benchmarks.faults --write`. What is injected and how to read this:"
        " [docs/reliability.md](../docs/reliability.md).*",
        f"`{run['command']}`, scale **{run['scale']}**, seed {found['seed']}, commit {run['commit']}, "
        f"{run['seconds']:.0f} s on {run['cores']} cores of {run['processor']}, {run['memory_gib']} GiB, "
        f"{run['system']}, Python {run['python']}.",
        _sum(found),
        _table(rows),
        _details(rows),
        _controls(found["controls"]),
        _left_out(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def bound(jobs: int) -> float:
    """No event in so many trials: at 95 % its probability is below 3/N (the rule of three)."""
    return 3 / jobs if jobs else 1.0


def _sum(found: dict[str, Any]) -> str:
    jobs, faults = found["jobs"], found["faults_fired"]
    lines = [
        f"**{found['lost']} lost and {found['double_results']} double results of {jobs:,} accepted jobs, "
        f"under {faults:,} faults and {found['kills']:,} kills.**"
    ]
    if not found["lost"] and not found["double_results"]:
        lines.append(
            f"With no event in {jobs:,} jobs, the chance for one job is below {bound(jobs):.1e} (3/N, 95 %)."
        )
    lines.append(
        f"Stale commits {found['stale_commits']}, moves without their audit event {found['unaudited_transitions']}, "
        f"calls above a ceiling {found['over_ceiling']}. **Repeated calls: {found['repeated_calls']:,} of "
        f"{found['calls']:,} ({found['repeated_calls'] / max(1, found['calls']):.2%})**; recovery p99 "
        f"{_or_dash(found['recovery_p99_s'])} s (lease 2 to 5 s)."
    )
    if found["broken"]:
        lines += ["", "Not as promised:", "", *(f"- {one}" for one in found["broken"])]
    if found["vacuous"]:
        lines += ["", "Showed too little:", "", *(f"- {one}" for one in found["vacuous"])]
    return "\n".join(lines)


def _table(rows: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| fault | jobs | faults fired (planned) | lost | double | stale | unaudited | repeated calls | recovery p99 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        if "error" in row:
            lines.append(f"| {TITLES[name]} | did not end: {row['error']} |||||||| ")
            continue
        lines.append(
            f"| {TITLES[name]} | {row['jobs']:,} | {row['faults_fired']:,} ({row['faults_planned']:,}) | "
            f"{row['lost']} | {row['double_results']} | {row['stale_commits']} | {row['unaudited_transitions']} | "
            f"{row['repeated_calls']:,} | {_or_dash(row['recovery_p99_s'])} s |"
        )
    return "\n".join(lines)


_SHOWN = {
    "repeated_per_kill": "calls repeated for each kill of a worker: {}",
    "fenced": "fenced commits: {}",
    "taken_back": "jobs taken back: {}",
    "full_again_s": "queues full again within {} s",
    "accept_ms_p99_calm": "accepting p99, calm: {} ms",
    "accept_ms_p99": "accepting p99, ill: {} ms",
    "back_s": "work went on after {} s",
    "throughput_share": "throughput afterwards: {:.0%}",
    "submissions_refused": "submissions refused: {}",
    "rows_not_acknowledged": "jobs kept, and not acknowledged: {}",
    "false_failures": "jobs failed for it: {}",
    "highest_in_flight": "most calls in flight: {}",
    "over_ceiling": "above the ceiling: {}",
    "most_calls_a_job": "most calls for a job: {}",
    "calls_outside_boundary": "calls outside a boundary: {}",
}


def _details(rows: dict[str, dict[str, Any]]) -> str:
    lines = []
    for name, row in rows.items():
        told = [
            words.format(row[key])
            for key, words in _SHOWN.items()
            if key in row and (row[key] or key != "over_ceiling")
        ]
        if row.get("worker_lost"):
            told.append(f"jobs that failed because three workers died under them: {row['worker_lost']}")
        said = f"- *{TITLES[name]}.*"
        said += f" Expected: {EXPECTED[name]}." if EXPECTED[name] else ""
        lines.append(said + (f" {'; '.join(told)}." if told else ""))
    return "Expected of every row: 0 lost, 0 double, 0 stale, 0 unaudited. Beside that:\n\n" + "\n".join(
        lines
    )


def _controls(controls: dict[str, dict[str, Any]]) -> str:
    if not controls:
        return ""
    lines = [
        "## Controls",
        "",
        "One load, one seed: kills of workers, and one wipe of the broker. What is usually built, and the yard.",
        "",
        "| | jobs | kills | lost | double results | repeated calls |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in controls.items():
        lines.append(
            f"| {name.replace('_', ' ')} | {row['jobs']:,} | {row['kills']} | {row['lost']:,} | "
            f"{row['double_results']:,} | {row['repeated_calls']:,} |"
        )
    return "\n".join(lines)


def _left_out() -> str:
    return "## Left out\n\n" + "\n".join(f"- {what}: {why}." for what, why in LEFT_OUT.items())


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
