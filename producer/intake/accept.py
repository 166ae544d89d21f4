"""Accept a submission: its batch, documents, jobs and first audit events, all in one transaction.

Reads the documents as they come, a group at a time, so that a submission of any length takes the same memory. When it
returns, everything is committed; when it raises, nothing is there. With a key, a caller who does not know whether it
returned hands in again: the same content gives the batch that is there, whoever comes first, and never a second one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from runtime import failpoints
from runtime.db.session import Connection, Database
from runtime.db.stores import artifacts, batches, documents, webhooks
from runtime.ids import NewId, new_id
from schemas.audit import AuditEvent, event
from schemas.canonical import canonical, digest
from schemas.document import Document
from schemas.errors import BadInput, KeyConflict
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


MAX_KEY_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class Accepted:
    batch_id: str
    accepted: int
    rejected: int
    rejections: tuple[Rejection, ...]
    """The first of them."""
    repeated: bool = False
    """Whether it was there already, handed in before with the same key."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A document as it is stored."""

    source: SourceDocument
    body: bytes
    digest: str


@dataclass
class _Tally:
    accepted: int = 0
    rejected: int = 0
    shown: list[Rejection] = field(default_factory=list)
    content: Any = field(default_factory=hashlib.sha256)
    """Over what came in, in its order."""

    def add(self, group: Iterable[_Text | Rejection]) -> None:
        for one in group:
            if isinstance(one, Rejection):
                self.rejected += 1
                self.content.update(canonical([one.code]))
                if len(self.shown) < SHOWN:
                    self.shown.append(one)
            else:
                self.accepted += 1
                self.content.update(canonical([one.source.custom_id, one.digest]))

    @property
    def content_digest(self) -> str:
        return f"sha256:{self.content.hexdigest()}"


async def accept(
    database: Database,
    found: Iterable[SourceDocument | Rejection],
    *,
    tenant_id: str,
    source: str,
    review: Review,
    requirements: Requirements,
    defaults: TenantDefaults = NO_DEFAULTS,
    key: str | None = None,
    webhook: str | None = None,
    ids: NewId = new_id,
) -> Accepted:
    """Commits the submission and says what became of it. What was asked for is raised to the tenant's defaults first.
    `webhook`: an endpoint that is told of this batch beside those that are told of every one.

    Raises `BadInput` where the two leave no region, there is no such endpoint, not one document could be read (its
    rejections are in `rejections` of the error) or the key cannot be one, `KeyConflict` where the key was
    used for other content, and whatever reading the source raises; in all of these nothing was written.
    """
    _require_key(key)
    batch_id, tally = ids(), _Tally()
    tally.content.update(canonical([digest(review), requirements]))
    requirements = defaults.floor_of(requirements)
    async with database.transaction() as connection:
        opened = await _open(connection, batch_id, tenant_id, source, review, requirements, key)
        if opened is None:
            assert key is not None
            return await _handed_in_again(connection, tenant_id, key, found, tally)
        if webhook and not await webhooks.name_for_batch(connection, tenant_id, batch_id, webhook):
            raise BadInput("There is no such endpoint.", where="webhook", code="invalid_value")
        for group in map(_encoded, _groups(found)):
            await _add(connection, opened, group, tally.rejected, ids)
            tally.add(group)
        if not tally.accepted:
            raise NothingAccepted(tally.shown)
        await batches.close_intake(
            connection,
            batch_id,
            accepted=tally.accepted,
            rejected=tally.rejected,
            content_digest=tally.content_digest,
            max_cost_usd_micros=requirements.max_cost_usd_micros,
        )
        failpoints.reach("intake.commit")
    failpoints.reach("intake.committed")
    return Accepted(batch_id, tally.accepted, tally.rejected, tuple(tally.shown))


async def _handed_in_again(
    connection: Connection,
    tenant_id: str,
    key: str,
    found: Iterable[SourceDocument | Rejection],
    tally: _Tally,
) -> Accepted:
    """Reads the content once more, and writes nothing."""
    for group in map(_encoded, _groups(found)):
        tally.add(group)
    there = await batches.by_key(connection, tenant_id, key)
    if there["content_digest"] != tally.content_digest:
        raise KeyConflict(
            f"The key {key!r} was used before, for batch {there['id']} with other documents, review or requirements. "
            "Hand in the same again to get that batch, or take another key for another submission."
        )
    rejections = await batches.first_rejections(connection, tenant_id, there["id"], most=SHOWN)
    return Accepted(there["id"], there["accepted"], there["rejected"], tuple(rejections), repeated=True)


def _require_key(key: str | None) -> None:
    if key is not None and not (0 < len(key) <= MAX_KEY_CHARACTERS and key.isprintable()):
        raise BadInput(
            f"A key has 1 to {MAX_KEY_CHARACTERS} printable characters.", where="the key", code="bad_key"
        )


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
    key: str | None,
) -> _Batch | None:
    """None where the key is taken."""
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
        idempotency_key=key,
    )
    if now is None:
        return None
    return _Batch(batch_id, tenant_id, review_digest, requirements, now)


async def _add(
    connection: Connection,
    batch: _Batch,
    group: list[_Text | Rejection],
    rejected_before: int,
    ids: NewId,
) -> None:
    rejections = [one for one in group if isinstance(one, Rejection)]
    texts = [one for one in group if isinstance(one, _Text)]
    await documents.keep(connection, [(_document(batch, one), one.body) for one in texts])
    await batches.add_jobs(connection, [_job(batch, one, ids()) for one in texts])
    await batches.add_rejections(connection, batch.tenant_id, batch.id, rejected_before, rejections)


def _encoded(group: list[SourceDocument | Rejection]) -> list[_Text | Rejection]:
    return [one if isinstance(one, Rejection) else _text(one) for one in group]


def _text(one: SourceDocument) -> _Text:
    body = one.text.encode()
    return _Text(one, body, digest(body))


def _document(batch: _Batch, one: _Text) -> Document:
    return Document(batch.tenant_id, one.digest, len(one.body), len(one.source.text), one.source.name)


def _job(batch: _Batch, one: _Text, job_id: str) -> tuple[Job, AuditEvent]:
    wanted = batch.requirements
    job = Job(
        id=job_id,
        tenant_id=batch.tenant_id,
        batch_id=batch.id,
        custom_id=one.source.custom_id,
        name=one.source.name,
        document_digest=one.digest,
        review_digest=batch.review_digest,
        sensitivity=wanted.sensitivity,
        residency=wanted.residency,
        quality=wanted.quality,
        lane=wanted.lane,
        deadline_at=batch.deadline_at,
        max_cost_usd_micros=None,
        asked_model=wanted.model,
        asked_tier=wanted.tier,
    )
    facts = {
        "batch": batch.id,
        "document": one.digest,
        "quality": job.quality,
        "residency": job.residency,
        "review": job.review_digest,
        "sensitivity": job.sensitivity,
        **job.asked,
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
