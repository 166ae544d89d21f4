"""Checks of a yard: database and broker, the schema, Celery's settings, and the audit of its newest jobs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from classyard.commands.checks import Check, failed, passed, warned
from classyard.commands.terminal import counted
from classyard.context import Context
from runtime.celery_app import make_app, transport_faults
from runtime.db.revision import head, revision
from runtime.db.session import Database, Row
from runtime.db.stores import record, views
from runtime.health import Finding, check_broker, check_database
from runtime.settings import Settings
from schemas.audit import AuditEvent
from schemas.messages import CLASSIFIER_QUEUE
from schemas.stored import chain_flaw

SAMPLE = 1_000
"""Jobs whose audit is verified, the newest first."""

GROUP = 100
"""Jobs whose events are read at a time."""

MOST_FLAWS = 5


def services(settings: Settings) -> Iterator[Check]:
    yield from map(_of, (*check_database(settings), *check_broker(settings)))


def _of(finding: Finding) -> Check:
    if finding.ok:
        return passed(finding.sentence)
    return failed(finding.sentence) if finding.fatal else warned(finding.sentence)


def schema(settings: Settings) -> Iterator[Check]:
    found, wanted = revision(settings.database_url), head()
    if found == wanted:
        yield passed(f"The database is at revision {found}, the newest.")
    else:
        yield failed(
            f"The database is at revision {found or 'none'}, and this version needs {wanted}; run `classyard migrate`."
        )


def task_settings() -> Iterator[Check]:
    """Those under which Celery would lose or repeat work must be off, whatever the environment says."""
    wrong = transport_faults(make_app("redis://127.0.0.1", (CLASSIFIER_QUEUE,)))
    if wrong:
        yield failed(" ".join(wrong))
    else:
        yield passed("Celery acknowledges early, keeps no results, and reads JSON only.")


async def audit(context: Context) -> list[Check]:
    async with context.database() as database:
        found, events, flaws = await sample(database, context.settings.tenant)
    return [verdict(found, events, flaws)]


def verdict(jobs: int, events: int, flaws: Sequence[str]) -> Check:
    if not jobs:
        return passed("There are no jobs yet whose audit could be verified.")
    if not flaws:
        return passed(
            f"The audit of the newest {counted(jobs, 'job')} verifies ({counted(events, 'event')})."
        )
    told = "\n".join(flaws[:MOST_FLAWS])
    more = f"\nand {len(flaws) - MOST_FLAWS} more" if len(flaws) > MOST_FLAWS else ""
    return failed(f"The audit of {counted(len(flaws), 'job')} of {jobs} does not verify:\n{told}{more}")


async def sample(database: Database, tenant: str) -> tuple[int, int, list[str]]:
    """Jobs, their events, and a sentence for each job whose chain does not verify; all of one instant."""
    flaws: list[str] = []
    count = 0
    async with database.transaction() as connection:
        await views.one_picture(connection)
        jobs = await views.newest_jobs(connection, tenant, most=SAMPLE)
        for start in range(0, len(jobs), GROUP):
            group = jobs[start : start + GROUP]
            events = await record.events(connection, tenant, [row["id"] for row in group])
            flaws += flaws_of(group, events)
            count += len(events)
    return len(jobs), count, flaws


def flaws_of(jobs: Sequence[Row], events: Sequence[AuditEvent]) -> list[str]:
    by_job: dict[str, list[AuditEvent]] = defaultdict(list)
    for event in events:
        by_job[event.job_id].append(event)
    found = ((row["id"], _flaw(row, by_job[row["id"]])) for row in jobs)
    return [f"Job {job}: {flaw}." for job, flaw in found if flaw]


def _flaw(job: Row, events: Sequence[AuditEvent]) -> str | None:
    return chain_flaw(events, version=job["version"], state=job["state"], head=bytes(job["audit_head"]))
