"""Accept a submission: its batch, documents, jobs and first audit events, all in one transaction.

Reads the documents as they come, a group at a time, so that a submission of any length takes the same memory. When it
returns, everything is committed; when it raises, nothing is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice

from runtime.db.session import Connection, Database
from runtime.db.stores import artifacts, batches, documents
from runtime.ids import NewId, new_id
from schemas.audit import AuditEvent, event
from schemas.document import Document
from schemas.errors import BadInput
from schemas.job import Job
from schemas.review import Review
from schemas.submission import Rejection, Requirements, SourceDocument
from schemas.tenant import NO_DEFAULTS, TenantDefaults

GROUP = 500
"""Documents in one statement."""

GROUP_BYTES = 8 * 1024 * 1024
"""Text in one statement, so that long documents do not add up."""

SHOWN = 1_000
"""Rejections kept in memory to be shown; all of them are in the table."""


@dataclass(frozen=True, slots=True)
class Accepted:
    batch_id: str
    accepted: int
    rejected: int
    rejections: tuple[Rejection, ...]
    """The first of them."""


@dataclass
class _Tally:
    accepted: int = 0
    rejected: int = 0
    shown: list[Rejection] = field(default_factory=list)


async def accept(
    database: Database,
    found: Iterable[SourceDocument | Rejection],
    *,
    tenant_id: str,
    source: str,
    review: Review,
    requirements: Requirements,
    defaults: TenantDefaults = NO_DEFAULTS,
    ids: NewId = new_id,
) -> Accepted:
    """Commits the submission and says what became of it. What was asked for is raised to the tenant's defaults first.

    Raises `BadInput` where the two leave no region, and where not one document could be read (its rejections are in
    `rejections` of the error), and whatever reading the source raises; in all cases nothing was written.
    """
    batch_id, tally = ids(), _Tally()
    requirements = defaults.floor_of(requirements)
    async with database.transaction() as connection:
        opened = await _open(connection, batch_id, tenant_id, source, review, requirements)
        for group in _groups(found):
            await _add(connection, opened, group, tally, ids)
        if not tally.accepted:
            raise NothingAccepted(tally.shown)
        await batches.close_intake(
            connection,
            batch_id,
            accepted=tally.accepted,
            rejected=tally.rejected,
            max_cost_usd_micros=requirements.max_cost_usd_micros,
        )
    return Accepted(batch_id, tally.accepted, tally.rejected, tuple(tally.shown))


class NothingAccepted(BadInput):
    def __init__(self, rejections: Iterable[Rejection]) -> None:
        super().__init__("Nothing was submitted: not one document could be read.", code="empty_batch")
        self.rejections = tuple(rejections)


@dataclass(frozen=True, slots=True)
class _Batch:
    id: str
    tenant_id: str
    review_digest: str
    requirements: Requirements
    now: datetime

    @property
    def deadline_at(self) -> datetime | None:
        seconds = self.requirements.deadline_s
        return None if seconds is None else self.now + timedelta(seconds=seconds)


async def _open(
    connection: Connection,
    batch_id: str,
    tenant_id: str,
    source: str,
    review: Review,
    requirements: Requirements,
) -> _Batch:
    await batches.ensure_tenant(connection, tenant_id)
    review_digest = await artifacts.keep(connection, tenant_id, "review", review.review, review)
    now = await batches.open_batch(
        connection,
        batch_id=batch_id,
        tenant_id=tenant_id,
        source=source,
        review_name=review.review,
        review_digest=review_digest,
        requirements=requirements.model_dump(mode="json"),
    )
    return _Batch(batch_id, tenant_id, review_digest, requirements, now)


async def _add(
    connection: Connection,
    batch: _Batch,
    group: list[SourceDocument | Rejection],
    tally: _Tally,
    ids: NewId,
) -> None:
    rejections = [one for one in group if isinstance(one, Rejection)]
    texts = [(_document(batch, one), one) for one in group if isinstance(one, SourceDocument)]
    await documents.keep(connection, [(document, one.text.encode()) for document, one in texts])
    await batches.add_jobs(connection, [_job(batch, document, one, ids()) for document, one in texts])
    await batches.add_rejections(connection, batch.tenant_id, batch.id, tally.rejected, rejections)
    tally.accepted += len(texts)
    tally.rejected += len(rejections)
    tally.shown.extend(rejections[: max(0, SHOWN - len(tally.shown))])


def _document(batch: _Batch, one: SourceDocument) -> Document:
    body = one.text.encode()
    named = "sha256:" + hashlib.sha256(body).hexdigest()
    return Document(batch.tenant_id, named, len(body), len(one.text), one.name)


def _job(batch: _Batch, document: Document, one: SourceDocument, job_id: str) -> tuple[Job, AuditEvent]:
    wanted = batch.requirements
    job = Job(
        id=job_id,
        tenant_id=batch.tenant_id,
        batch_id=batch.id,
        custom_id=one.custom_id,
        name=one.name,
        document_digest=document.digest,
        review_digest=batch.review_digest,
        sensitivity=wanted.sensitivity,
        residency=wanted.residency,
        quality=wanted.quality,
        lane=wanted.lane,
        deadline_at=batch.deadline_at,
        max_cost_usd_micros=None,
    )
    facts = {
        "batch": batch.id,
        "document": document.digest,
        "quality": job.quality,
        "residency": job.residency,
        "review": job.review_digest,
        "sensitivity": job.sensitivity,
    }
    accepted = event(None, job, at=batch.now, actor="intake", facts=facts)
    return replace(job, audit_head=accepted.hash), accepted


def _groups(found: Iterable[SourceDocument | Rejection]) -> Iterator[list[SourceDocument | Rejection]]:
    """Groups of up to `GROUP`, cut short where their texts reach `GROUP_BYTES`."""
    items = iter(found)
    while first := list(islice(items, 1)):
        group, size = first, _size(first[0])
        while len(group) < GROUP and size < GROUP_BYTES and (more := list(islice(items, 1))):
            group += more
            size += _size(more[0])
        yield group


def _size(one: SourceDocument | Rejection) -> int:
    return len(one.text) if isinstance(one, SourceDocument) else 0
