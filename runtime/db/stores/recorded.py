"""Recorded decisions of a batch, to be decided again: read as they go, in constant memory. Reads only."""

from __future__ import annotations

from collections.abc import AsyncIterator

from runtime.db.session import Connection, Database, Row, fetch

PAGE = 500
"""Decisions in memory at a time, with their bodies: a few megabytes."""

_DECISIONS = """
select d.job_id::text as job_id, d.number, d.outcome, d.policy_digest, d.catalog_digest, d.snapshot_digest,
       d.assigned, d.features, d.digest, d.body, e.body as event
from jobs j
cross join lateral (select * from decisions where job_id = j.id order by number {which}) d
left join audit_events e on e.job_id = d.job_id and e.version = d.number
where j.tenant_id = %(tenant)s and j.batch_id = %(batch)s
order by j.id
"""


async def pages(
    database: Database, tenant_id: str, batch_id: str, *, last_only: bool = False
) -> AsyncIterator[list[Row]]:
    """Every decision of the batch with the audit event of its move, by job and number; or each job's last one."""
    statement = _DECISIONS.format(which="desc limit 1" if last_only else "")
    async with database.transaction() as connection, connection.cursor(name="recorded") as cursor:
        # Between two pages hundreds of decisions are made again; on a busy machine that takes its time.
        await fetch(connection, "set local idle_in_transaction_session_timeout = '1h'")
        await cursor.execute(statement, {"tenant": tenant_id, "batch": batch_id})
        while page := await cursor.fetchmany(PAGE):
            yield page


async def count(connection: Connection, tenant_id: str, batch_id: str) -> int:
    rows = await fetch(
        connection,
        "select count(*) as decisions from jobs j join decisions d on d.job_id = j.id"
        " where j.tenant_id = %s and j.batch_id = %s",
        (tenant_id, batch_id),
    )
    return int(rows[0]["decisions"])


async def missing(connection: Connection, tenant_id: str, batch_id: str) -> list[Row]:
    """Where an audit event names a decision and no row holds one: `job_id` and `number`."""
    return await fetch(
        connection,
        """
        select e.job_id::text as job_id, e.version as number
        from jobs j join audit_events e on e.job_id = j.id
        where j.tenant_id = %s and j.batch_id = %s
          and not exists (select 1 from decisions d where d.job_id = e.job_id and d.number = e.version)
          and position('"decision":"sha256:' in convert_from(e.body, 'UTF8')) > 0
        order by 1, 2
        """,
        (tenant_id, batch_id),
    )
