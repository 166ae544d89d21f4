"""The section "Throughput" of `benchmarks/RESULTS.md`, from the figures of a run."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks import results
from benchmarks.throughput import MODULES

COMMAND = "python -m benchmarks.throughput --write"

METHOD = """\
**Method.** One PostgreSQL, one Valkey (both embedded, on Unix sockets, everything kept as in production: `fsync`,
synchronous commits) and one pretend provider for the whole run; the figures follow each other, each with a fresh
database. The first three rows were measured by turns, one run of each and again, and their ratios are of runs that
followed each other. Jobs are synthetic contracts of about a thousand characters, made from the seed, each with another
text. A rate is jobs by seconds from the commit of the submission to the last commit. Processor time is the kernel's,
over the same span, of every process that takes part: roles, PostgreSQL with all its backends, Valkey; not of the
provider, which is another's machine in earnest, and not of the benchmark itself. Both share the two cores all the same.
Ratios of one run can be compared, absolute figures with nothing that was measured elsewhere or on another day. More of
it: [measuring the throughput](../docs/measuring-throughput.md)."""


def page(found: dict[str, Any]) -> str:
    """The section, as Markdown."""
    parts = ["## Throughput", _about(found), METHOD, _rates(found), _processes(found), _figures(found)]
    parts += _of_modules(found)
    parts += [f"- {name}: {reason}" for name, reason in sorted(found["left_out"].items())]
    return "\n\n".join(part for part in parts if part) + "\n"


def write(section: str) -> None:
    results.put("throughput", section, by=COMMAND)


def _about(found: dict[str, Any]) -> str:
    run = found["run"]
    quick = " A quick run: ratios only." if run["quick"] else ""
    return (
        f"`python -m benchmarks.throughput`, {run['seconds']:.0f} s on {run['cores']} cores of {run['processor']}, "
        f"{run['memory_gib']} GiB, {run['system']}, Python {run['python']}; seed {run['seed']}; load of the machine "
        f"before it began {run['load_before']}.{quick}"
    )


ROWS = (
    ("yard", "**Classyard**, roles as processes"),
    ("embedded", "**Classyard**, `classyard up`"),
    ("naive", "Celery, two tasks, httpx, SQLAlchemy, PostgreSQL"),
    ("celery_empty", "Celery, one empty task: the transport alone"),
    ("litellm", "LiteLLM's Router, no queue, no database"),
    ("litellm_batch", "the same, by `abatch_completion`"),
    ("plain", "asyncio and httpx, a script without memory"),
)


def _rates(found: dict[str, Any]) -> str:
    lines = [
        "| what | jobs (runs) | jobs a second | processor ms a job: all | its Python |",
        "|---|---|---|---|---|",
    ]
    for name, title in ROWS:
        if (row := found.get(name)) is None:
            continue
        python = row.get("cpu_ms_python")
        lines.append(
            f"| {title} | {row['jobs']:,} ({row['runs']}) | {ranged(row['per_s'], 0)} | {ranged(row['cpu_ms'], 2)} | "
            f"{ranged(python, 2) if python else 'the same'} |"
        )
    return "\n".join(lines) if len(lines) > 2 else ""


def _processes(found: dict[str, Any]) -> str:
    if "yard" not in found:
        return ""
    parts = found["yard"]["cpu_ms_by_process"]
    lines = ["Processor time of a job by process, in ms:", "", "| process | ms a job |", "|---|---|"]
    lines += [f"| {name} | {ms:.3f} |" for name, ms in sorted(parts.items(), key=lambda each: -each[1])]
    lines.append(f"| before that: accepting it | {found['yard']['accepting_cpu_ms']:.3f} |")
    return "\n".join(lines)


FIGURES = {
    "over_naive": "jobs a second, over the naive Celery's (asked: at least 7)",
    "cpu_ms_over_naive": "processor time a job with everything, over the naive Celery's",
    "embedded_over_yard": "jobs a second by `classyard up`, over the roles as processes (asked: at least .8)",
    "cpu_over_litellm": "processor time a job with everything, over LiteLLM's a call (asked: at most .5)",
    "cpu_python_over_litellm": "the same, without PostgreSQL and Valkey",
}


def _with_spread(found: dict[str, Any], name: str) -> str:
    between = found.get(f"{name}_spread")
    return f"{found[name]:,}" + (f" [{between['min']}, {between['max']}]" if between else "")


def _figures(found: dict[str, Any]) -> str:
    lines = [
        f"| {title} | {_with_spread(found, name)} |"
        for name, title in FIGURES.items()
        if found.get(name) is not None
    ]
    return "\n".join(["| figure | |", "|---|---|", *lines]) if lines else ""


def _of_modules(found: dict[str, Any]) -> Iterator[str]:
    """What modules with a `page` of their own say."""
    for module in MODULES.values():
        say = getattr(importlib.import_module(module), "page", None)
        if say and (told := say(found)):
            yield told


def ranged(values: Mapping[str, float], digits: int = 3) -> str:
    """Median, and the least and the most."""
    return f"{values['median']:,.{digits}f} [{values['min']:,.{digits}f}, {values['max']:,.{digits}f}]"
