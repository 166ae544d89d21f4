"""Batches and what comes in with them: jobs with their first audit event, and rejections."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from runtime.db.session import Connection, Row, fetch
from schemas.audit import AuditEvent
from schemas.job import Job
from schemas.submission import Rejection


async def ensure_tenant(connection: Connection, tenant_id: str) -> None:
    await fetch(connection, "insert into tenants (id) values (%s) on conflict do nothing", (tenant_id,))


async def open_batch(
    connection: Connection,
    *,
    batch_id: str,
    tenant_id: str,
    source: str,
    review_name: str,
    review_digest: str,
    requirements: dict[str, Any],
    idempotency_key: str | None = None,
    retry_of: str | None = None,
) -> datetime | None:
    """Inserts the batch, with nothing in it yet, and returns the database's time; None where there is a batch with
    this key already. Another transaction that is just using the key is waited for."""
    rows = await fetch(
        connection,
        "insert into batches (id, tenant_id, source, review_name, review_digest, requirements, accepted,"
        " rejected, idempotency_key, retry_of) values (%s, %s, %s, %s, %s, %s::jsonb, 0, 0, %s, %s)"
        " on conflict (tenant_id, idempotency_key) do nothing returning clock_timestamp() as now",
        (
            batch_id,
            tenant_id,
            source,
            review_name,
            review_digest,
            orjson.dumps(requirements).decode(),
            idempotency_key,
            retry_of,
        ),
    )
    return rows[0]["now"] if rows else None


async def by_key(connection: Connection, tenant_id: str, idempotency_key: str) -> Row:
    """The batch that was handed in with this key; there must be one."""
    rows = await fetch(
        connection,
        "select id::text, accepted, rejected, content_digest from batches"
        " where tenant_id = %s and idempotency_key = %s",
        (tenant_id, idempotency_key),
    )
    return rows[0]


async def add_jobs(connection: Connection, jobs: Sequence[tuple[Job, AuditEvent]]) -> None:
    """Inserts new jobs, each with the event of its acceptance."""
    if not jobs:
        return
    new = [job for job, _ in jobs]
    await fetch(
        connection,
        """
        insert into jobs (id, tenant_id, batch_id, custom_id, name, document_digest, review_digest, sensitivity,
                          residency, quality, lane, deadline_at, start_by, state, version, audit_head,
                          asked_model, asked_tier)
        select id, tenant, batch, custom_id, name, document, review, sensitivity,
               array(select jsonb_array_elements_text(residency)), quality, lane, deadline, deadline, state,
               version, head, asked_model, asked_tier
        from unnest(%s::uuid[], %s::text[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[],
                    %s::text[], %s::jsonb[], %s::text[], %s::int[], %s::timestamptz[], %s::text[], %s::int[],
                    %s::bytea[], %s::text[], %s::text[])
             as t(id, tenant, batch, custom_id, name, document, review, sensitivity, residency, quality, lane,
                  deadline, state, version, head, asked_model, asked_tier)
        """,
        (
            [job.id for job in new],
            [job.tenant_id for job in new],
            [job.batch_id for job in new],
            [job.custom_id for job in new],
            [job.name for job in new],
            [job.document_digest for job in new],
            [job.review_digest for job in new],
            [job.sensitivity.value for job in new],
            [orjson.dumps(job.residency).decode() for job in new],
            [job.quality.value for job in new],
            [job.lane.rank for job in new],
            [job.deadline_at for job in new],
            [job.state.value for job in new],
            [job.version for job in new],
            [event.hash for _, event in jobs],
            [job.asked_model for job in new],
            [job.asked_tier for job in new],
        ),
    )
    await _add_events(connection, [event for _, event in jobs])


async def _add_events(connection: Connection, events: Sequence[AuditEvent]) -> None:
    await fetch(
        connection,
        "insert into audit_events (tenant_id, job_id, version, body, prev_hash, hash)"
        " select * from unnest(%s::text[], %s::uuid[], %s::int[], %s::bytea[], %s::bytea[], %s::bytea[])",
        (
            [e.tenant_id for e in events],
            [e.job_id for e in events],
            [e.version for e in events],
            [e.body for e in events],
            [e.prev_hash for e in events],
            [e.hash for e in events],
        ),
    )


async def add_rejections(
    connection: Connection, tenant_id: str, batch_id: str, first: int, rejections: Sequence[Rejection]
) -> None:
    """Numbered from `first` on."""
    if rejections:
        await fetch(
            connection,
            "insert into rejections (batch_id, number, tenant_id, place, code, sentence)"
            " select %s::uuid, n + %s - 1, %s, place, code, sentence"
            " from unnest(%s::text[], %s::text[], %s::text[]) with ordinality as t(place, code, sentence, n)",
            (
                batch_id,
                first,
                tenant_id,
                [r.where for r in rejections],
                [r.code for r in rejections],
                [r.sentence for r in rejections],
            ),
        )


async def close_intake(
    connection: Connection,
    batch_id: str,
    *,
    accepted: int,
    rejected: int,
    content_digest: str,
    max_cost_usd_micros: int | None,
) -> None:
    """Counts, and each job's ceiling: its share by size of what the whole batch may cost, rounded down."""
    await fetch(
        connection,
        "update batches set accepted = %s, rejected = %s, content_digest = %s where id = %s",
        (accepted, rejected, content_digest, batch_id),
    )
    if max_cost_usd_micros is not None:
        await fetch(
            connection,
            """
            with sizes as (
                select j.id, d.size_bytes, sum(d.size_bytes) over () as whole
                from jobs j join documents d on d.tenant_id = j.tenant_id and d.digest = j.document_digest
                where j.batch_id = %s
            )
            update jobs j set max_cost_usd_micros = floor(%s::numeric * s.size_bytes / greatest(s.whole, 1))
            from sizes s where s.id = j.id
            """,
            (batch_id, max_cost_usd_micros),
        )


async def find(connection: Connection, tenant_id: str, batch_id: str) -> Row | None:
    rows = await fetch(
        connection,
        "select b.*, b.id::text as id from batches b where b.tenant_id = %s and b.id = %s",
        (tenant_id, batch_id),
    )
    return rows[0] if rows else None


async def finish(connection: Connection, tenant_id: str) -> list[str]:
    """Marks the batches of which every job is final, and returns the newly marked ones."""
    rows = await fetch(
        connection,
        """
        update batches b set finished_at = clock_timestamp()
        where b.tenant_id = %s and b.finished_at is null and not exists (
            select 1 from jobs j where j.batch_id = b.id
            and j.state in ('accepted', 'held', 'routed', 'serving', 'in_review'))
        returning b.id::text
        """,
        (tenant_id,),
    )
    return [row["id"] for row in rows]


async def first_rejections(
    connection: Connection, tenant_id: str, batch_id: str, *, most: int
) -> list[Rejection]:
    rows = await fetch(
        connection,
        "select place, code, sentence from rejections where tenant_id = %s and batch_id = %s"
        " order by number limit %s",
        (tenant_id, batch_id, most),
    )
    return [Rejection(row["place"], row["code"], row["sentence"]) for row in rows]


async def mark_cancelled(connection: Connection, tenant_id: str, batch_id: str) -> None:
    """The first time counts."""
    await fetch(
        connection,
        "update batches set cancelled_at = coalesce(cancelled_at, clock_timestamp())"
        " where tenant_id = %s and id = %s",
        (tenant_id, batch_id),
    )
