"""What a yard serves: jobs a second from the commit of a submission to the last commit, and processor time a job.

The provider answers at once, so that nothing but the yard is waited for. Roles are processes of their own on one
PostgreSQL and one Valkey, as in `docker-compose.yml`; all of it, the provider and what measures too, shares the
machine. A run that did not check every answer does not count.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from benchmarks.throughput.bench import Bench, rounded, rounded_each, spread
from benchmarks.throughput.ground import Ground
from benchmarks.throughput.spent import Spent

NEIGHBOURS = ("provider", "postgres: watcher")
"""Measured with the others, and no part of a yard."""
SERVERS = ("postgres", "valkey")


class Run(NamedTuple):
    jobs: int
    seconds: float
    spent: Spent
    """From the commit of the submission to the last commit."""
    accepting: Spent
    """Before: reading the documents in, in this process and the database."""
    accepting_s: float
    """Processor time of this process for that."""
    rss_mb: dict[str, float]
    """The most of each process."""

    @property
    def per_s(self) -> float:
        return self.jobs / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Of a job, with everything: roles, PostgreSQL, Valkey."""
        return 1000 * self.spent.without(*NEIGHBOURS) / self.jobs

    @property
    def cpu_ms_python(self) -> float:
        """Of a job, the roles alone."""
        return 1000 * self.spent.without(*NEIGHBOURS, *SERVERS) / self.jobs


def one_round(bench: Bench) -> Run:
    return warmed(bench.ground, jobs=bench.jobs)


def figures_of(runs: list[Run]) -> dict[str, Any]:
    return {
        "jobs_per_s": round(spread([run.per_s for run in runs])["median"], 1),
        "cpu_ms_per_job": round(spread([run.cpu_ms for run in runs])["median"], 3),
        "cpu_ms_per_job_python": round(spread([run.cpu_ms_python for run in runs])["median"], 3),
        "yard": told(runs),
    }


def warmed(ground: Ground, *, jobs: int, warm: int = 500) -> Run:
    """A yard that has served some jobs before."""
    ground.fresh(ceiling=64)
    ground.start_yard()
    ground.wait(ground.accept(ground.documents(warm)))
    found = served(ground, jobs, first=warm)
    ground.stop_roles()
    return found


def served(ground: Ground, jobs: int, *, first: int = 0) -> Run:
    documents = list(ground.documents(jobs, first=first))
    ground.pretend.become()
    with ground.meter() as meter:
        before, own = meter.read(), time.process_time()
        batch = ground.accept(documents)
        began, at_commit, accepting_s = time.monotonic(), meter.read(), time.process_time() - own
        seconds = ground.wait(batch) - began
        spent, peak = meter.read() - at_commit, dict(meter.peak_mb)
    ground.require_sound(batch, jobs)
    return Run(jobs, seconds, spent, at_commit - before, accepting_s, peak)


def told(runs: list[Run]) -> dict[str, Any]:
    middle = sorted(runs, key=lambda run: run.cpu_ms)[len(runs) // 2]
    return {
        "jobs": runs[0].jobs,
        "runs": len(runs),
        "per_s": rounded(spread([run.per_s for run in runs])),
        "each_per_s": rounded_each([run.per_s for run in runs], 1),
        "cpu_ms": rounded(spread([run.cpu_ms for run in runs])),
        "each_cpu_ms": rounded_each([run.cpu_ms for run in runs]),
        "cpu_ms_python": rounded(spread([run.cpu_ms_python for run in runs])),
        "cpu_ms_by_process": middle.spent.ms_each(middle.jobs),
        "accepting_cpu_ms": round(
            1000 * (middle.accepting_s + middle.accepting.of("postgres: producer")) / middle.jobs, 4
        ),
        "rss_mb": {name: round(mb) for name, mb in middle.rss_mb.items()},
    }
