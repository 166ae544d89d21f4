"""What callers of the API read of batches: lists by page, how far they are, and one job by either of its names."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from runtime.db.session import Connection, Row, fetch

_OPEN = "('accepted', 'held', 'routed', 'serving', 'in_review')"


async def batch_page(
    connection: Connection,
    tenant_id: str,
    *,
    after: str | None,
    most: int,
    review: str | None = None,
    is_open: bool | None = None,
) -> list[Row]:
    """The newest first, from the one behind `after`."""
    return await fetch(
        connection,
        f"""
        select * from (
            select b.id::text, b.source, b.review_name, b.accepted, b.rejected, b.created_at, b.finished_at,
                   b.cancelled_at, b.cost_usd_micros, b.retry_of::text,
                   b.finished_at is null and exists (
                       select 1 from jobs j where j.batch_id = b.id and j.state in {_OPEN}) as is_open
            from batches b
            where b.tenant_id = %(tenant)s and (%(review)s::text is null or b.review_name = %(review)s)
              and (%(after)s::uuid is null or (b.created_at, b.id) < (
                  select a.created_at, a.id from batches a where a.tenant_id = %(tenant)s and a.id = %(after)s))
        ) found
        where %(open)s::bool is null or is_open = %(open)s
        order by created_at desc, id desc limit %(most)s
        """,
        {"tenant": tenant_id, "review": review, "after": after, "open": is_open, "most": most},
    )


async def progress(connection: Connection, tenant_id: str, batch_ids: Sequence[str]) -> list[Row]:
    """One row a batch and state: jobs, their moves so far, and what they cost; in one statement for all of them."""
    return await fetch(
        connection,
        """
        select b.id::text, b.accepted, b.cancelled_at, j.state, coalesce(j.jobs, 0) as jobs,
               coalesce(j.moves, 0) as moves, coalesce(j.cost_usd_micros, 0) as cost_usd_micros
        from batches b left join lateral (
            select state, count(*) as jobs, sum(version)::bigint as moves,
                   sum(cost_usd_micros)::bigint as cost_usd_micros
            from jobs where tenant_id = b.tenant_id and batch_id = b.id group by state
        ) j on true
        where b.tenant_id = %s and b.id = any(%s::uuid[]) order by 1, j.state
        """,
        (tenant_id, list(batch_ids)),
    )


async def job_of_batch(connection: Connection, tenant_id: str, batch_id: str, given: str) -> str | None:
    """The id of the job that has this id, or else this custom id, in the batch."""
    rows = await fetch(
        connection,
        "select id::text from jobs where tenant_id = %(tenant)s and batch_id = %(batch)s"
        " and (id = %(id)s::uuid or custom_id = %(given)s) order by id = %(id)s::uuid desc nulls last limit 1",
        {"tenant": tenant_id, "batch": batch_id, "id": as_id(given), "given": given},
    )
    return rows[0]["id"] if rows else None


def as_id(given: str) -> str | None:
    """In the form that the database writes it; None where it is no id."""
    try:
        return str(UUID(given)) if len(given) <= 36 else None
    except ValueError:
        return None
