"""What finished batches cost and could have cost at the least, and the waiting work by kind.

Read by routers in the background; nothing here moves a job.
"""

from __future__ import annotations

from collections.abc import Sequence

from runtime.db.session import Connection, Row, fetch

WAITING_SAMPLE = 20_000
"""Waiting jobs that are looked at to price scarce slots: more than is bound in any next minute."""


async def claim_unbounded(connection: Connection, tenant_id: str) -> Row | None:
    """Locks one finished batch that has no bound yet, the oldest first; None where there is none.

    Others pass it over until the transaction ends, and a router that dies in it leaves the batch as it was.
    """
    rows = await fetch(
        connection,
        "select id::text, accepted, extract(epoch from finished_at - created_at)::float8 as span_s from batches"
        " where tenant_id = %s and finished_at is not null and bounded_at is null"
        " order by finished_at limit 1 for no key update skip locked",
        (tenant_id,),
    )
    return rows[0] if rows else None


_ANSWERED = """
select r.provider, r.model, a.input_tokens, a.output_tokens, a.latency_ms,
    a.cost_usd_micros as call_cost_usd_micros, j.cost_usd_micros, d.allowed, d.catalog_digest,
    coalesce((j.features->>'tokens')::int, 0) + coalesce((j.features->>'prompt_tokens')::int, 0)
        as expected_input_tokens,
    coalesce((j.features->>'expected_output_tokens')::int, 0) as expected_output_tokens
from jobs j
join results r on r.job_id = j.id
join attempts a on a.job_id = r.job_id and a.lease_token = r.lease_token and a.number = r.attempt
join lateral (
    select catalog_digest,
        convert_from(substring(body from 12 for position('\\x5d'::bytea in body) - 11), 'utf8') as allowed
    from decisions where job_id = j.id order by number desc limit 1
) d on true
where j.tenant_id = %s and j.batch_id = %s and j.state = 'succeeded'
order by j.id
"""
"""Keys of canonical bytes are sorted, so those of a decision begin with `{"allowed":[…]`: nothing else of them, which
is most, has to be read."""


async def answered(connection: Connection, tenant_id: str, batch_id: str) -> list[Row]:
    """One row for each document that has an answer: what that took, and what was allowed (as JSON text)."""
    return await fetch(connection, _ANSWERED, (tenant_id, batch_id))


async def keep_bound(
    connection: Connection,
    tenant_id: str,
    batch_id: str,
    *,
    cost_usd_micros: int | None,
    lp_lower_bound_usd_micros: int | None,
    gap: float | None,
    note: str,
) -> None:
    await fetch(
        connection,
        "update batches set cost_usd_micros = %s, lp_lower_bound_usd_micros = %s, gap = %s, bound_note = %s,"
        " bounded_at = clock_timestamp() where tenant_id = %s and id = %s",
        (cost_usd_micros, lp_lower_bound_usd_micros, gap, note, tenant_id, batch_id),
    )


async def bounds_of(connection: Connection, tenant_id: str, batch_ids: Sequence[str]) -> list[Row]:
    """What is known of each batch's cost, in the order of their making."""
    return await fetch(
        connection,
        "select id::text, finished_at, bounded_at, cost_usd_micros, lp_lower_bound_usd_micros, gap, bound_note"
        " from batches where tenant_id = %s and id = any(%s::uuid[]) order by created_at, id",
        (tenant_id, list(batch_ids)),
    )


async def waiting_kinds(connection: Connection, tenant_id: str, *, most: int = 120) -> list[Row]:
    """The waiting work by route class, size and time left: how many jobs, and the features of one of them.

    Of at most `WAITING_SAMPLE` jobs; the largest `most` kinds.
    """
    return await fetch(
        connection,
        """
        with seen as (
            select id, route_class, floor(2 * log(2.0, greatest(tokens, 1)))::int as size,
                case when deadline_at is null then 4 else
                    width_bucket(extract(epoch from deadline_at - clock_timestamp())::float8,
                                 array[60, 300, 900, 3600]::float8[]) end as haste
            from jobs where tenant_id = %(tenant)s and state in ('accepted', 'held') and route_class <> ''
            limit %(sample)s
        ), kinds as (
            select count(*) as jobs, haste, min(id::text)::uuid as one from seen
            group by route_class, size, haste order by 1 desc limit %(most)s
        )
        select k.jobs, k.haste, j.features from kinds k join jobs j on j.id = k.one
        where j.features is not null order by j.id
        """,
        {"tenant": tenant_id, "sample": WAITING_SAMPLE, "most": most},
    )


async def escalated(connection: Connection, tenant_id: str, batch_id: str) -> int:
    """Documents with an answer from a later step of their plan than the first."""
    rows = await fetch(
        connection,
        "select count(*) as jobs from jobs where tenant_id = %s and batch_id = %s and state = 'succeeded'"
        " and step > 0",
        (tenant_id, batch_id),
    )
    return int(rows[0]["jobs"])


async def reasons(connection: Connection, tenant_id: str, batch_id: str) -> list[Row]:
    """Why documents are held or ended without an answer, most frequent first."""
    return await fetch(
        connection,
        "select state, reason_code, count(*) as jobs from jobs where tenant_id = %s and batch_id = %s"
        " and state in ('held', 'refused', 'failed', 'expired', 'cancelled') group by 1, 2"
        " order by 3 desc, 1, 2 limit 20",
        (tenant_id, batch_id),
    )
