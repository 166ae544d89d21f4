"""What people look at: progress of a batch, results to export, the story of one job. Reads only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import orjson

from runtime.db.session import Connection, Database, Row, fetch


async def states(connection: Connection, tenant_id: str, batch_id: str) -> dict[str, int]:
    rows = await fetch(
        connection,
        "select state, count(*) as jobs from jobs where tenant_id = %s and batch_id = %s group by state",
        (tenant_id, batch_id),
    )
    return {row["state"]: row["jobs"] for row in rows}


async def by_provider(connection: Connection, tenant_id: str, batch_id: str) -> list[Row]:
    """One row a provider that this batch has touched: calls, jobs done, cost, median latency, jobs there now."""
    return await by_provider_over(connection, tenant_id, [batch_id])


async def by_provider_over(connection: Connection, tenant_id: str, batch_ids: Sequence[str]) -> list[Row]:
    """The same over several batches together; the median is that of all their calls.

    A slot makes one call at a time, so slots count as in flight, and the rest of their parcels as waiting.
    """
    return await fetch(
        connection,
        """
        with calls as (
            select provider, count(*) as calls, sum(cost_usd_micros)::bigint as cost_usd_micros,
                   sum(input_tokens)::bigint as input_tokens, sum(output_tokens)::bigint as output_tokens,
                   count(*) filter (where outcome <> 'answered') as faults,
                   (percentile_disc(0.5) within group (order by latency_ms)
                       filter (where outcome = 'answered'))::int as latency_ms_p50,
                   bool_or(simulated) as simulated
            from attempts where tenant_id = %(tenant)s and batch_id = any(%(batches)s::uuid[]) group by provider
        ), done as (
            select provider, count(*) as done from results
            where tenant_id = %(tenant)s and batch_id = any(%(batches)s::uuid[]) group by provider
        ), here as (
            select provider, count(distinct slot_id) as in_flight,
                   count(*) - count(distinct slot_id) as waiting
            from jobs where tenant_id = %(tenant)s and batch_id = any(%(batches)s::uuid[])
              and state in ('routed', 'serving') group by provider
        )
        select coalesce(c.provider, h.provider) as provider, coalesce(c.calls, 0) as calls,
               coalesce(c.cost_usd_micros, 0) as cost_usd_micros, coalesce(c.faults, 0) as faults,
               coalesce(c.input_tokens, 0) as input_tokens, coalesce(c.output_tokens, 0) as output_tokens,
               c.latency_ms_p50, coalesce(c.simulated, false) as simulated,
               coalesce(d.done, 0) as done, coalesce(h.in_flight, 0) as in_flight,
               coalesce(h.waiting, 0) as waiting
        from calls c full join here h on h.provider = c.provider
        left join done d on d.provider = coalesce(c.provider, h.provider)
        order by 1
        """,
        {"tenant": tenant_id, "batches": list(batch_ids)},
    )


async def recent_batches(connection: Connection, tenant_id: str, *, most: int = 10) -> list[Row]:
    return await fetch(
        connection,
        """
        select b.id::text, b.source, b.review_name, b.accepted, b.rejected, b.created_at, b.finished_at,
               b.cost_usd_micros, b.gap,
               (select count(*) from jobs j where j.batch_id = b.id
                and j.state in ('accepted', 'held', 'routed', 'serving', 'in_review')) as open
        from batches b where b.tenant_id = %s order by b.created_at desc, b.id desc limit %s
        """,
        (tenant_id, most),
    )


async def rejections(connection: Connection, tenant_id: str, batch_id: str, *, most: int = 100) -> list[Row]:
    return await fetch(
        connection,
        "select place, code, sentence from rejections where tenant_id = %s and batch_id = %s"
        " order by number limit %s",
        (tenant_id, batch_id, most),
    )


async def not_done(connection: Connection, tenant_id: str, batch_id: str, *, most: int = 100) -> list[Row]:
    """Jobs that ended without a result, with their reasons, in the order of their acceptance."""
    return await fetch(
        connection,
        "select id::text, custom_id, name, state, reason_code, reason from jobs where tenant_id = %s"
        " and batch_id = %s and state in ('refused', 'failed', 'expired', 'cancelled') order by id limit %s",
        (tenant_id, batch_id, most),
    )


async def reasons_of_waiting(connection: Connection, tenant_id: str, batch_id: str) -> list[Row]:
    """Why jobs are held, most frequent first."""
    return await fetch(
        connection,
        "select reason, count(*) as jobs from jobs where tenant_id = %s and batch_id = %s and state = 'held'"
        " group by reason order by 2 desc limit 5",
        (tenant_id, batch_id),
    )


async def resolve_batch(connection: Connection, tenant_id: str, given: str) -> list[str]:
    """Ids that `given` can mean: a whole id, the end of one, or `latest`."""
    if given == "latest":
        rows = await fetch(
            connection,
            "select id::text from batches where tenant_id = %s order by created_at desc, id desc limit 1",
            (tenant_id,),
        )
    else:
        rows = await fetch(
            connection,
            "select id::text from batches where tenant_id = %s and right(id::text, length(%s)) = %s limit 3",
            (tenant_id, given, given),
        )
    return [row["id"] for row in rows]


async def resolve_job(connection: Connection, tenant_id: str, given: str) -> list[Row]:
    """Jobs that `given` can mean: the end of an id, or a custom id; those of that custom id first, then the newest."""
    return await fetch(
        connection,
        "select id::text, custom_id, batch_id::text from jobs where tenant_id = %s"
        " and (right(id::text, length(%s)) = %s or custom_id = %s) order by custom_id = %s desc, id desc limit 3",
        (tenant_id, given, given, given, given),
    )


_RESULTS = """
select j.id::text as job_id, j.custom_id, j.name, j.state, j.reason_code, j.reason,
       coalesce(j.features->>'sensitivity', j.sensitivity) as sensitivity, j.attempts,
       j.cost_usd_micros, j.document_digest, j.review_digest, j.created_at, j.updated_at,
       r.provider, r.model, r.model_version, r.model_reported, r.simulated, r.output, r.checks, r.standing,
       r.mean_logprob, a.input_tokens, a.output_tokens, a.latency_ms, d.policy_digest, d.catalog_digest,
       d.snapshot_digest, d.digest as decision_digest, d.body as decision, p.name as policy_name, k.rungs
from jobs j
left join results r on r.job_id = j.id
left join attempts a on a.job_id = r.job_id and a.number = r.attempt and not a.fenced
left join lateral (
    select * from decisions where job_id = j.id order by number desc limit 1
) d on true
left join artifacts p on p.tenant_id = j.tenant_id and p.digest = d.policy_digest
left join lateral (
    select jsonb_agg(jsonb_build_object('provider', w.provider, 'model', w.model, 'sample', w.sample,
        'evidence', w.score, 'keep_from', w.keep_from, 'cost_usd_micros', c.cost_usd_micros)
        order by w.attempt) as rungs
    from rung_answers w
    left join attempts c on c.job_id = w.job_id and c.number = w.attempt and not c.fenced
    where w.job_id = j.id
) k on j.attempts > 0
where j.tenant_id = %(tenant)s and j.batch_id = %(batch)s
"""


async def results(database: Database, tenant_id: str, batch_id: str) -> AsyncIterator[Row]:
    """Every job of the batch with its result, in the order of acceptance; read as they go, in constant memory."""
    async with database.transaction() as connection, connection.cursor(name="results") as cursor:
        # Whoever reads may be a person at a pager: the next rows may be asked for much later.
        await fetch(connection, "set local idle_in_transaction_session_timeout = '1h'")
        cursor.itersize = 200
        await cursor.execute(f"{_RESULTS} order by j.id", {"tenant": tenant_id, "batch": batch_id})
        async for row in cursor:
            yield _parsed(row)


async def results_page(
    connection: Connection,
    tenant_id: str,
    batch_id: str,
    *,
    after: str | None,
    last: str | None,
    most: int,
    states: Sequence[str] = (),
    verdicts: Sequence[str] = (),
    custom_id: str | None = None,
) -> list[Row]:
    """Jobs of the batch with their results in the order of acceptance, behind the job `after` and up to `last`, which
    is the batch's last one: so a page is a short way along the key. No states or verdicts: whatever they are."""
    rows = await fetch(
        connection,
        f"""{_RESULTS}
        and (%(after)s::uuid is null or j.id > %(after)s) and j.id <= %(last)s
        and (cardinality(%(states)s::text[]) = 0 or j.state = any(%(states)s))
        and (cardinality(%(verdicts)s::text[]) = 0 or r.output->>'verdict' = any(%(verdicts)s))
        and (%(custom_id)s::text is null or j.custom_id = %(custom_id)s)
        order by j.id limit %(most)s
        """,
        {
            "tenant": tenant_id,
            "batch": batch_id,
            "after": after,
            "last": last,
            "states": list(states),
            "verdicts": list(verdicts),
            "custom_id": custom_id,
            "most": most,
        },
    )
    return [_parsed(row) for row in rows]


async def last_job(connection: Connection, tenant_id: str, batch_id: str) -> str | None:
    """The id of the one that was accepted last; it stays so."""
    rows = await fetch(
        connection,
        "select id::text from jobs where tenant_id = %s and batch_id = %s order by jobs.id desc limit 1",
        (tenant_id, batch_id),
    )
    return rows[0]["id"] if rows else None


def _parsed(row: Row) -> Row:
    row["decision"] = orjson.loads(row["decision"]) if row["decision"] else None
    return row


async def first_result(connection: Connection, tenant_id: str, batch_id: str) -> Row:
    """The same of the first job alone; there must be one."""
    rows = await fetch(connection, f"{_RESULTS} limit 1", {"tenant": tenant_id, "batch": batch_id})
    return rows[0]


async def ended(connection: Connection, tenant_id: str, batch_ids: Sequence[str]) -> frozenset[str]:
    """Of these batches, those in which a job is final; asked of batches of one document."""
    rows = await fetch(
        connection,
        "select distinct batch_id::text as id from jobs where tenant_id = %s and batch_id = any(%s::uuid[])"
        " and state in ('succeeded', 'refused', 'failed', 'expired', 'cancelled')",
        (tenant_id, list(batch_ids)),
    )
    return frozenset(row["id"] for row in rows)


async def decisions(connection: Connection, tenant_id: str, job_id: str) -> list[Row]:
    rows = await fetch(
        connection,
        "select d.*, d.job_id::text as job_id, p.name as policy_name from decisions d"
        " left join artifacts p on p.tenant_id = d.tenant_id and p.digest = d.policy_digest"
        " where d.tenant_id = %s and d.job_id = %s order by d.number",
        (tenant_id, job_id),
    )
    for row in rows:
        row["body"], row["features"] = bytes(row["body"]), bytes(row["features"])
    return rows


async def attempts(connection: Connection, tenant_id: str, job_id: str) -> list[Row]:
    return await fetch(
        connection,
        "select * from attempts where tenant_id = %s and job_id = %s order by lease_token, number",
        (tenant_id, job_id),
    )


async def result(connection: Connection, tenant_id: str, job_id: str) -> Row | None:
    rows = await fetch(
        connection, "select * from results where tenant_id = %s and job_id = %s", (tenant_id, job_id)
    )
    return rows[0] if rows else None


async def workers(connection: Connection, tenant_id: str, *, fresh_s: float = 15.0) -> list[Row]:
    return await fetch(
        connection,
        "select role, provider, host, pid, slots, key_found, detail, job_ms_p50, answered, metrics_address,"
        " extract(epoch from clock_timestamp() - seen_at)::float8 as silent_s from workers"
        " where tenant_id = %s and seen_at > now() - make_interval(secs => %s) order by role, provider, pid",
        (tenant_id, fresh_s),
    )


async def open_states(connection: Connection, tenant_id: str) -> dict[str, int]:
    """Jobs that are not final, by state, over all batches of the tenant."""
    rows = await fetch(
        connection,
        "select state, count(*) as jobs from jobs where tenant_id = %s and state in"
        " ('accepted', 'held', 'routed', 'serving', 'in_review') group by state",
        (tenant_id,),
    )
    return {row["state"]: row["jobs"] for row in rows}


async def one_picture(connection: Connection) -> None:
    """Everything that this transaction reads is of one instant. To be called before its first statement."""
    await fetch(connection, "set transaction isolation level repeatable read, read only")


async def batch_rows(connection: Connection, tenant_id: str, batch_ids: Sequence[str]) -> list[Row]:
    """The batches in the order of their making."""
    return await fetch(
        connection,
        "select id::text, source, review_name, review_digest, requirements, accepted, rejected, created_at,"
        " finished_at, clock_timestamp() as now from batches where tenant_id = %s and id = any(%s::uuid[])"
        " order by created_at, id",
        (tenant_id, list(batch_ids)),
    )


async def document(connection: Connection, tenant_id: str, digest: str) -> Row | None:
    """What is known of a document beside its text."""
    rows = await fetch(
        connection,
        "select digest, size_bytes, characters, name, created_at from documents"
        " where tenant_id = %s and digest = %s",
        (tenant_id, digest),
    )
    return rows[0] if rows else None


async def calls_in_flight(connection: Connection, tenant_id: str) -> dict[str, int]:
    """Slots that are held, by provider: a slot makes one call at a time."""
    rows = await fetch(
        connection,
        "select provider, count(*) as calls from slots where tenant_id = %s group by provider",
        (tenant_id,),
    )
    return {row["provider"]: row["calls"] for row in rows}


async def catalog_in_force(connection: Connection, tenant_id: str) -> str | None:
    """The digest of the catalog that the router published or decided by last; None where it never did."""
    return await in_force(connection, tenant_id, "catalog")


async def in_force(connection: Connection, tenant_id: str, kind: str) -> str | None:
    """The same of the `catalog` or the `policy`."""
    rows = await fetch(
        connection,
        """
        with said as (
            (select digest, created_at as at from artifacts where tenant_id = %(tenant)s and kind = %(kind)s
             order by created_at desc limit 1)
            union all
            (select case when %(kind)s = 'policy' then d.policy_digest else d.catalog_digest end, d.decided_at
             from (select id from jobs where tenant_id = %(tenant)s order by id desc limit 500) j
             join decisions d on d.job_id = j.id order by d.decided_at desc limit 1)
        )
        select digest from said order by at desc limit 1
        """,
        {"tenant": tenant_id, "kind": kind},
    )
    return rows[0]["digest"] if rows else None


async def newest_jobs(connection: Connection, tenant_id: str, *, most: int) -> list[Row]:
    """What the audit of each of the newest jobs must end in."""
    return await fetch(
        connection,
        "select id::text, version, state, audit_head from jobs where tenant_id = %s order by id desc limit %s",
        (tenant_id, most),
    )
