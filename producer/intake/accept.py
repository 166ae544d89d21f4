"""Accept a submission: its batch, documents, jobs and first audit events, all in one transaction.

Reads the documents as they come, a group at a time, so that a submission of any length takes the same memory. The next
group is read and packed in a thread, while the database takes this one. When it
returns, everything is committed; when it raises, nothing is there. With a key, a caller who does not know whether it
returned hands in again: the same content gives the batch that is there, whoever comes first, and never a second one.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from producer.intake.packing import Batch, Group, Packing, content_of, encoded
from runtime import failpoints
from runtime.db.session import Connection, Database, copy, send_much
from runtime.db.stores import artifacts, batches, documents, webhooks
from runtime.ids import NewId, new_id
from schemas.canonical import canonical, digest
from schemas.errors import BadInput, KeyConflict
from schemas.review import Review
from schemas.submission import Rejection, Requirements, SourceDocument
from schemas.tenant import NO_DEFAULTS, TenantDefaults

GROUP = 1_000
"""Documents in one statement."""

GROUP_BYTES = 2 * 1024 * 1024
"""Text in one statement, so that long documents do not add up."""

SHOWN = 1_000
"""Rejections kept in memory to be shown; all of them are in the table."""


MAX_KEY_CHARACTERS = 255

TURN_S = 0.0005
"""For which the thread that packs keeps the interpreter, while the loop has something to send."""


@dataclass(frozen=True, slots=True)
class Accepted:
    batch_id: str
    accepted: int
    rejected: int
    rejections: tuple[Rejection, ...]
    """The first of them."""
    repeated: bool = False
    """Whether it was there already, handed in before with the same key."""


@dataclass
class _Tally:
    accepted: int = 0
    rejected: int = 0
    shown: list[Rejection] = field(default_factory=list)
    content: Any = field(default_factory=hashlib.sha256)
    """Over what came in, in its order."""

    def add(self, texts: int, rejections: Sequence[Rejection], content: bytes) -> None:
        self.accepted += texts
        self.rejected += len(rejections)
        self.shown += rejections[: SHOWN - len(self.shown)]
        self.content.update(content)

    @property
    def content_digest(self) -> str:
        return f"sha256:{self.content.hexdigest()}"


def take_short_turns() -> None:
    """For a process that takes submissions. The interpreter's usual 5 ms would be lost whenever the socket was full and
    has room again."""
    sys.setswitchinterval(min(TURN_S, sys.getswitchinterval()))


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
        send_much(connection)
        packing = Packing(opened, ids)
        async with aclosing(_ahead(map(packing.pack, _groups(found)))) as groups:
            async for group in groups:
                await _add(connection, packing, opened, group, tally.rejected)
                tally.add(group.texts, group.rejections, group.content)
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
    for group in map(encoded, _groups(found)):
        rejections = [one for one in group if isinstance(one, Rejection)]
        tally.add(len(group) - len(rejections), rejections, content_of(group))
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


async def _open(
    connection: Connection,
    batch_id: str,
    tenant_id: str,
    source: str,
    review: Review,
    requirements: Requirements,
    key: str | None,
) -> Batch | None:
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
    return Batch(batch_id, tenant_id, review_digest, requirements, now)


async def _add(
    connection: Connection, packing: Packing, batch: Batch, group: Group, rejected_before: int
) -> None:
    if group.documents is not None:
        await documents.keep(connection, batch.tenant_id, group.documents)
        await copy(connection, packing.jobs.statement, group.jobs)
        await copy(connection, packing.events.statement, group.events)
    await batches.add_rejections(connection, batch.tenant_id, batch.id, rejected_before, group.rejections)


async def _ahead(groups: Iterator[Group]) -> AsyncGenerator[Group]:
    """Makes the next one in a thread while the caller is busy with this one; never more.

    In one thread from the first to the last: each keeps the memory that its groups took, and a pool begins another
    one whenever the last has not yet said that it is free.
    """
    loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1, "intake")
    coming = loop.run_in_executor(thread, next, groups, None)
    try:
        while (group := await asyncio.shield(coming)) is not None:
            coming = loop.run_in_executor(thread, next, groups, None)
            yield group
    finally:
        # The thread may be reading still, and whoever opened the source closes it after us.
        await asyncio.wait({coming})
        if not coming.cancelled():
            coming.exception()  # was raised above, or is not wanted any more
        thread.shutdown(wait=False)


def _groups(found: Iterable[SourceDocument | Rejection]) -> Iterator[list[SourceDocument | Rejection]]:
    """Groups of up to `GROUP`, cut short where their texts reach `GROUP_BYTES`."""
    group, size = list[SourceDocument | Rejection](), 0
    for one in found:
        group.append(one)
        size += len(one.text) if isinstance(one, SourceDocument) else 0
        if len(group) >= GROUP or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
