"""The proof that no hop left the allowed set: from attempts, audit events and decisions, by one query. Reads only.

The decision in force at a call is the last one before the claim under which the call was made; the claim is the move to
SERVING that gave the job the lease token of the attempt.
"""

from __future__ import annotations

from typing import Any

from runtime.db.session import Connection, Row, fetch

# Events are canonical JSON, with sorted names; as text even a broken one can be looked through.
_MADE = """
with made as (
    select a.job_id, a.number, a.lease_token, a.provider, a.model, a.fenced, a.outcome,
        (select max(e.version) from audit_events e where e.job_id = a.job_id
            and encode(e.body, 'escape') ~ ('"to":"serving","token":' || a.lease_token || '[,}]')
        ) as claimed_at
    from attempts a
    where a.tenant_id = %(tenant)s and (%(batch)s::uuid is null or a.batch_id = %(batch)s::uuid)
)
"""

OUTSIDE = f"""{_MADE}
select m.job_id::text, m.number, m.lease_token, m.provider, m.model, m.fenced, m.outcome,
    d.number as decision, d.allowed
from made m
left join lateral (
    select number, convert_from(body, 'UTF8')::jsonb -> 'allowed' as allowed from decisions
    where job_id = m.job_id and number < m.claimed_at order by number desc limit 1
) d on true
where d.number is null or not d.allowed ? (m.provider || '/' || m.model)
order by m.job_id, m.number
"""
"""Every attempt outside what was allowed. `decision` is null where none was in force: then nothing was allowed."""


def asked(tenant_id: str, batch_id: str | None = None) -> dict[str, Any]:
    return {"tenant": tenant_id, "batch": batch_id}


async def outside(connection: Connection, tenant_id: str, batch_id: str | None = None) -> list[Row]:
    """No row: every call of the batch, or of all, went to a candidate that its decision allowed."""
    return await fetch(connection, OUTSIDE, asked(tenant_id, batch_id))


async def count(connection: Connection, tenant_id: str, batch_id: str | None = None) -> int:
    rows = await fetch(
        connection,
        "select count(*) as attempts from attempts where tenant_id = %(tenant)s"
        " and (%(batch)s::uuid is null or batch_id = %(batch)s::uuid)",
        asked(tenant_id, batch_id),
    )
    return int(rows[0]["attempts"])
