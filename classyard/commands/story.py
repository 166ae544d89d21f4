"""Everything that is recorded of one job, read at one instant. No text of its document is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runtime.db.session import Connection, Database, Row
from runtime.db.stores import artifacts, batches, jobs, record, rungs, views
from schemas.audit import AuditEvent
from schemas.canonical import canonical
from schemas.errors import UnknownName
from schemas.job import Job
from schemas.rung import RungAnswer


@dataclass(frozen=True, slots=True)
class Story:
    job: Job
    batch: Row
    document: Row
    review: Mapping[str, Any]
    """As it was when the job was accepted; empty where it is not stored."""
    decisions: tuple[Row, ...]
    attempts: tuple[Row, ...]
    result: Row | None
    events: tuple[AuditEvent, ...]
    simulated: frozenset[str]
    """Names of pretend providers, by the catalogs of the decisions and by the calls."""
    rungs: tuple[RungAnswer, ...] = ()
    """Answers of the rungs of its ladder, and others that were not the last word."""


async def gather(database: Database, tenant: str, job_id: str) -> Story:
    async with database.transaction() as connection:
        await views.one_picture(connection)
        job = await jobs.find(connection, tenant, job_id)
        if job is None:
            raise UnknownName(f"There is no job {job_id!r}.")
        decisions = await views.decisions(connection, tenant, job_id)
        attempts = await views.attempts(connection, tenant, job_id)
        return Story(
            job=job,
            batch=await batches.find(connection, tenant, job.batch_id) or {},
            document=await views.document(connection, tenant, job.document_digest) or {},
            review=(await artifacts.load(connection, tenant, [job.review_digest])).get(job.review_digest, {}),
            decisions=tuple(decisions),
            attempts=tuple(attempts),
            rungs=(await rungs.load(connection, tenant, [job_id])).get(job_id, ()),
            result=await views.result(connection, tenant, job_id),
            events=tuple(await record.events(connection, tenant, [job_id])),
            simulated=await _pretend(connection, tenant, decisions, attempts),
        )


async def _pretend(
    connection: Connection, tenant: str, decisions: list[Row], attempts: list[Row]
) -> frozenset[str]:
    catalogs = await artifacts.load(connection, tenant, sorted({row["catalog_digest"] for row in decisions}))
    by_catalog = {
        one["name"] for catalog in catalogs.values() for one in catalog["providers"] if one["simulated"]
    }
    return frozenset(by_catalog | {row["provider"] for row in attempts if row["simulated"]})


def as_rows(story: Story) -> str:
    """The rows as JSON. What is hashed stays the text that it is; every character outside ASCII is escaped."""
    rows = {
        "job": json.loads(canonical(story.job)),
        "batch": story.batch,
        "document": story.document,
        "review": story.review,
        "decisions": story.decisions,
        "attempts": story.attempts,
        "rungs": [json.loads(canonical(one)) for one in story.rungs],
        "result": story.result,
        "audit_events": [
            {
                "version": event.version,
                "body": event.body.decode(),
                "prev_hash": event.prev_hash.hex(),
                "hash": event.hash.hex(),
            }
            for event in story.events
        ],
    }
    return json.dumps(rows, indent=2, ensure_ascii=True, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
