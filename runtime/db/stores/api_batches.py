"""Batches as clients of others know them, beside the yard's batches that do their work."""

from __future__ import annotations

from typing import Any

import orjson

from runtime.db.session import Connection, Row, fetch

CLAIM_S = 30
"""Until another process takes up what one has claimed and not renewed. All work is safe to do twice; a claim only
saves it."""

OPEN = "('accepted', 'held', 'routed', 'serving', 'in_review')"


async def create(connection: Connection, row: Row, *, window_s: int) -> Row | None:
    """None where the tenant has used its key before."""
    rows = await fetch(
        connection,
        "insert into api_batches (id, tenant_id, key_id, endpoint, input_file_id, completion_window,"
        " call_metadata, output_expires_s, idempotency_key, request_digest, shape, requests, expires_at)"
        " values (%(id)s, %(tenant_id)s, %(key_id)s, %(endpoint)s, %(input_file_id)s, %(completion_window)s,"
        " %(call_metadata)s::jsonb, %(output_expires_s)s, %(idempotency_key)s, %(request_digest)s, %(shape)s,"
        " %(requests)s, now() + make_interval(secs => %(window_s)s))"
        " on conflict (tenant_id, idempotency_key) do nothing returning *",
        {**row, "call_metadata": _json(row["call_metadata"]), "window_s": window_s},
    )
    return rows[0] if rows else None


async def by_key(connection: Connection, tenant_id: str, key: str) -> Row:
    rows = await fetch(
        connection,
        "select * from api_batches where tenant_id = %s and idempotency_key = %s",
        (tenant_id, key),
    )
    return rows[0]


async def find(connection: Connection, tenant_id: str, shape: str, api_batch_id: str) -> Row | None:
    rows = await fetch(
        connection,
        "select * from api_batches where tenant_id = %s and shape = %s and id = %s",
        (tenant_id, shape, api_batch_id),
    )
    return rows[0] if rows else None


async def page(
    connection: Connection, tenant_id: str, shape: str, *, after: str | None, most: int
) -> list[Row]:
    """Newest first, behind `after`."""
    return await fetch(
        connection,
        "select * from api_batches where tenant_id = %(tenant)s and shape = %(shape)s"
        " and (%(after)s::text is null or id < %(after)s) order by id desc limit %(most)s",
        {"tenant": tenant_id, "shape": shape, "after": after, "most": most},
    )


async def page_before(
    connection: Connection, tenant_id: str, shape: str, *, before: str, most: int
) -> list[Row]:
    """Those that are newer than `before`, the nearest first."""
    return await fetch(
        connection,
        "select * from api_batches where tenant_id = %s and shape = %s and id > %s order by id limit %s",
        (tenant_id, shape, before, most),
    )


async def counts(connection: Connection, tenant_id: str, batch_ids: list[str]) -> dict[str, dict[str, int]]:
    """Jobs by the yard's batch and their state."""
    rows = await fetch(
        connection,
        "select batch_id::text, state, count(*) as jobs from jobs where tenant_id = %s"
        " and batch_id = any(%s::uuid[]) group by 1, 2",
        (tenant_id, batch_ids),
    )
    found: dict[str, dict[str, int]] = {one: {} for one in batch_ids}
    for row in rows:
        found[row["batch_id"]][row["state"]] = row["jobs"]
    return found


async def usage(connection: Connection, tenant_id: str, batch_ids: list[str]) -> dict[str, Row]:
    """Tokens of every call, by the yard's batch."""
    rows = await fetch(
        connection,
        "select batch_id::text, sum(input_tokens)::bigint as input_tokens,"
        " sum(output_tokens)::bigint as output_tokens from attempts where tenant_id = %s"
        " and batch_id = any(%s::uuid[]) group by 1",
        (tenant_id, batch_ids),
    )
    return {row["batch_id"]: row for row in rows}


async def cancel(connection: Connection, tenant_id: str, shape: str, api_batch_id: str) -> Row | None:
    """Asks for its end, where it has not ended; the first time counts. Gives it as it is then."""
    await fetch(
        connection,
        "update api_batches set cancelling_at = coalesce(cancelling_at, now()), claimed_until = null"
        " where tenant_id = %s and shape = %s and id = %s and ended_at is null",
        (tenant_id, shape, api_batch_id),
    )
    return await find(connection, tenant_id, shape, api_batch_id)


async def delete(connection: Connection, tenant_id: str, shape: str, api_batch_id: str) -> Row | None:
    """Where it has ended; gives it as it was. The yard's batch stays."""
    rows = await fetch(
        connection,
        "delete from api_batches where tenant_id = %s and shape = %s and id = %s and ended_at is not null"
        " returning *",
        (tenant_id, shape, api_batch_id),
    )
    return rows[0] if rows else None


# -- for the desk


async def claim(connection: Connection, tenant_id: str) -> Row | None:
    """One that needs something done: its lines read, its work cancelled, or its results written."""
    rows = await fetch(
        connection,
        f"""
        update api_batches set claimed_until = now() + make_interval(secs => %(claim_s)s) where id = (
            select a.id from api_batches a where a.tenant_id = %(tenant)s and a.ended_at is null
            and (a.claimed_until is null or a.claimed_until < now())
            and (a.batch_id is null or a.cancelling_at is not null or not exists (
                select 1 from jobs j where j.batch_id = a.batch_id and j.state in {OPEN}))
            order by a.id limit 1 for update skip locked)
        returning *
        """,
        {"tenant": tenant_id, "claim_s": CLAIM_S},
    )
    return rows[0] if rows else None


async def renew(connection: Connection, api_batch_id: str) -> None:
    await fetch(
        connection,
        "update api_batches set claimed_until = now() + make_interval(secs => %s)"
        " where id = %s and claimed_until is not null",
        (CLAIM_S, api_batch_id),
    )


async def started(connection: Connection, api_batch_id: str, batch_id: str, model: str) -> None:
    await fetch(
        connection,
        "update api_batches set batch_id = %s, model = %s, in_progress_at = now(), claimed_until = null"
        " where id = %s and ended_at is null and batch_id is null",
        (batch_id, model, api_batch_id),
    )


async def finalizing(connection: Connection, api_batch_id: str) -> None:
    await fetch(
        connection,
        "update api_batches set finalizing_at = coalesce(finalizing_at, now()) where id = %s",
        (api_batch_id,),
    )


async def lock_open(connection: Connection, api_batch_id: str) -> bool:
    """Holds the row until the transaction ends; False where it has ended already."""
    rows = await fetch(
        connection, "select ended_at from api_batches where id = %s for update", (api_batch_id,)
    )
    return bool(rows) and rows[0]["ended_at"] is None


async def end(
    connection: Connection,
    api_batch_id: str,
    how: str,
    *,
    errors: list[dict[str, Any]] | None = None,
    output_file_id: str | None = None,
    error_file_id: str | None = None,
    tally: dict[str, int] | None = None,
) -> None:
    """Once: what has ended stays as it is."""
    await fetch(
        connection,
        'update api_batches set "end" = %s, ended_at = now(), errors = %s::jsonb, output_file_id = %s,'
        " error_file_id = %s, tally = %s::jsonb, claimed_until = null where id = %s and ended_at is null",
        (how, _json(errors or []), output_file_id, error_file_id, _json(tally), api_batch_id),
    )


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
