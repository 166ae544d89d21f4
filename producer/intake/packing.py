"""A group of documents as the bytes that the database takes: texts, jobs, and the first event of each. Pure, save for
the ids that are passed in.

It is the work of a thread of its own, beside the one that waits for the database. What it writes is what `Job` and
`schemas.audit.event` say, byte by byte; a job's constant columns and most of its event are made once a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from runtime.db import copying
from runtime.db.stores import documents
from runtime.db.stores.batches import EVENT_COLUMNS, JOB_COLUMNS
from runtime.db.stores.documents import Text
from runtime.ids import NewId
from schemas.audit import Acceptances, chain
from schemas.canonical import canonical
from schemas.job import GENESIS, Job
from schemas.submission import Rejection, Requirements, SourceDocument


@dataclass(frozen=True, slots=True)
class Batch:
    id: str
    tenant_id: str
    review_digest: str
    requirements: Requirements
    now: datetime


class Group(NamedTuple):
    texts: int
    documents: documents.Packed | None
    """None where the group has no text."""
    jobs: bytes
    events: bytes
    rejections: list[Rejection]
    content: bytes
    """What the digest over all content takes of the group."""


def encoded(group: Sequence[SourceDocument | Rejection]) -> list[Text | Rejection]:
    return [one if isinstance(one, Rejection) else _text(one) for one in group]


def _text(one: SourceDocument) -> Text:
    body = one.text.encode()
    return Text(one.custom_id, one.name, len(one.text), body, f"sha256:{sha256(body).hexdigest()}")


def content_of(group: Sequence[Text | Rejection]) -> bytes:
    """One canonical list a document: its custom id and digest; or why it was rejected."""
    return b"".join(
        canonical([one.code] if isinstance(one, Rejection) else [one.custom_id, one.digest]) for one in group
    )


class Packing:
    def __init__(self, batch: Batch, ids: NewId) -> None:
        self._batch, self._ids = batch, ids
        model = _model(batch)
        self._events = Acceptances(model, at=batch.now, actor="intake", facts=_facts(model))
        self.jobs = copying.Rows("jobs", JOB_COLUMNS, _same(model))
        self.events = copying.Rows(
            "audit_events",
            EVENT_COLUMNS,
            {
                "tenant_id": batch.tenant_id.encode(),
                "version": copying.number(model.version),
                "prev_hash": GENESIS,
            },
        )

    def pack(self, group: Sequence[SourceDocument | Rejection]) -> Group:
        found = encoded(group)
        texts = [one for one in found if isinstance(one, Text)]
        rejections = [one for one in found if isinstance(one, Rejection)]
        jobs, events = self._rows(texts) if texts else (b"", b"")
        kept = documents.pack(texts) if texts else None
        return Group(len(texts), kept, jobs, events, rejections, content_of(found))

    def _rows(self, texts: Sequence[Text]) -> tuple[bytes, bytes]:
        ids = [self._ids() for _ in texts]
        bodies = [self._events.body(one, text.digest) for one, text in zip(ids, texts, strict=True)]
        heads = [chain(GENESIS, body) for body in bodies]
        keys = [copying.uuid(one) for one in ids]
        jobs = self.jobs.packed(
            keys,
            [text.custom_id.encode() for text in texts],
            [text.name.encode() for text in texts],
            [text.digest.encode() for text in texts],
            heads,
        )
        return jobs, self.events.packed(keys, bodies, heads)


def _model(batch: Batch) -> Job:
    """A job of the batch, all but what is the document's own."""
    wanted = batch.requirements
    return Job(
        id="",
        tenant_id=batch.tenant_id,
        batch_id=batch.id,
        custom_id="",
        name="",
        document_digest="",
        review_digest=batch.review_digest,
        sensitivity=wanted.sensitivity,
        residency=wanted.residency,
        quality=wanted.quality,
        lane=wanted.lane,
        deadline_at=None if wanted.deadline_s is None else batch.now + timedelta(seconds=wanted.deadline_s),
        max_cost_usd_micros=None,
        asked_model=wanted.model,
        asked_tier=wanted.tier,
    )


def _facts(job: Job) -> dict[str, object]:
    return {
        "batch": job.batch_id,
        "document": job.document_digest,
        "quality": job.quality,
        "residency": job.residency,
        "review": job.review_digest,
        "sensitivity": job.sensitivity,
        **job.asked,
    }


def _same(job: Job) -> dict[str, bytes | None]:
    deadline = None if job.deadline_at is None else copying.instant(job.deadline_at)
    return {
        "tenant_id": job.tenant_id.encode(),
        "batch_id": copying.uuid(job.batch_id),
        "review_digest": job.review_digest.encode(),
        "sensitivity": job.sensitivity.value.encode(),
        "residency": copying.words(job.residency),
        "quality": job.quality.value.encode(),
        "lane": copying.small(job.lane.rank),
        "asked_model": job.asked_model.encode(),
        "asked_tier": job.asked_tier.encode(),
        "deadline_at": deadline,
        "start_by": deadline,
        "state": job.state.value.encode(),
        "version": copying.number(job.version),
    }
