"""Endpoints of webhooks. Secrets are not here: they are made from a salt and a pepper that is not in the database."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.db.session import Connection, Row, fetch
from runtime.ids import NewId, new_id
from schemas.job import Job
from schemas.webhooks import told_as

SHOWN = """
    e.id, e.name, e.url, e.events, e.is_tenant_wide, e.created_at, e.failures, e.failing_since, e.rests_until,
    e.disabled_at, e.disabled_reason, case when e.before_until > now() then e.before_until end as before_until
"""
"""What may be shown of an endpoint. No salt."""

MOST = 50
"""Endpoints of one tenant; each event looks at all of them."""


async def add(
    connection: Connection,
    *,
    endpoint_id: str,
    tenant_id: str,
    name: str,
    url: str,
    events: Sequence[str],
    is_tenant_wide: bool,
    salt: bytes,
) -> bool:
    """False where the tenant has `MOST` already."""
    rows = await fetch(
        connection,
        "insert into webhook_endpoints (id, tenant_id, name, url, events, is_tenant_wide, salt)"
        " select %(id)s, %(tenant)s, %(name)s, %(url)s, %(events)s, %(wide)s, %(salt)s where %(most)s >"
        " (select count(*) from webhook_endpoints where tenant_id = %(tenant)s) returning 1 as one",
        {
            "id": endpoint_id,
            "tenant": tenant_id,
            "name": name,
            "url": url,
            "events": list(events),
            "wide": is_tenant_wide,
            "salt": salt,
            "most": MOST,
        },
    )
    return bool(rows)


async def every(connection: Connection, tenant_id: str) -> list[Row]:
    """Each with the number of its deliveries that wait, and of those that were given up."""
    return await fetch(
        connection,
        f"""
        select {SHOWN}, coalesce(d.waiting, 0) as waiting, coalesce(d.exhausted, 0) as exhausted
        from webhook_endpoints e left join (
            select endpoint_id, count(*) filter (where state = 'waiting') as waiting,
                   count(*) filter (where state = 'exhausted') as exhausted
            from webhook_deliveries where tenant_id = %(tenant)s and state <> 'delivered' group by 1
        ) d on d.endpoint_id = e.id where e.tenant_id = %(tenant)s order by e.id
        """,
        {"tenant": tenant_id},
    )


async def find(connection: Connection, tenant_id: str, endpoint_id: str) -> Row | None:
    rows = await fetch(
        connection,
        f"select {SHOWN} from webhook_endpoints e where e.tenant_id = %s and e.id = %s",
        (tenant_id, endpoint_id),
    )
    return rows[0] if rows else None


async def update(
    connection: Connection,
    tenant_id: str,
    endpoint_id: str,
    *,
    name: str | None,
    url: str | None,
    events: Sequence[str] | None,
    is_tenant_wide: bool | None,
) -> Row | None:
    """What is None stays as it is. A new address begins without a past."""
    rows = await fetch(
        connection,
        f"""
        update webhook_endpoints e set name = coalesce(%(name)s, name), url = coalesce(%(url)s, url),
            events = coalesce(%(events)s, events), is_tenant_wide = coalesce(%(wide)s, is_tenant_wide),
            failures = case when %(url)s::text is null then failures else 0 end,
            failing_since = case when %(url)s::text is null then failing_since end,
            rests_until = case when %(url)s::text is null then rests_until end
        where e.tenant_id = %(tenant)s and e.id = %(id)s returning {SHOWN}
        """,
        {
            "name": name,
            "url": url,
            "events": None if events is None else list(events),
            "wide": is_tenant_wide,
            "tenant": tenant_id,
            "id": endpoint_id,
        },
    )
    return rows[0] if rows else None


async def disable(connection: Connection, tenant_id: str, endpoint_id: str, reason: str) -> Row | None:
    """The first time counts."""
    rows = await fetch(
        connection,
        "update webhook_endpoints e set disabled_at = coalesce(disabled_at, now()), disabled_reason ="
        " case when disabled_at is null then %s else disabled_reason end"
        f" where e.tenant_id = %s and e.id = %s returning {SHOWN}",
        (reason, tenant_id, endpoint_id),
    )
    return rows[0] if rows else None


async def enable(connection: Connection, tenant_id: str, endpoint_id: str) -> Row | None:
    """Without a past; what waits is tried again at once."""
    rows = await fetch(
        connection,
        "update webhook_endpoints e set disabled_at = null, disabled_reason = '', failures = 0,"
        " failing_since = null, rests_until = null"
        f" where e.tenant_id = %s and e.id = %s returning {SHOWN}",
        (tenant_id, endpoint_id),
    )
    return rows[0] if rows else None


async def rotate(
    connection: Connection, tenant_id: str, endpoint_id: str, salt: bytes, *, overlap_s: int
) -> Row | None:
    """The secret before signs as well until the overlap ends; one that was before that ends now."""
    rows = await fetch(
        connection,
        "update webhook_endpoints e set salt = %s, salt_before = case when %s > 0 then salt end,"
        " before_until = case when %s > 0 then now() + make_interval(secs => %s) end"
        f" where e.tenant_id = %s and e.id = %s returning {SHOWN}",
        (salt, overlap_s, overlap_s, overlap_s, tenant_id, endpoint_id),
    )
    return rows[0] if rows else None


async def remove(connection: Connection, tenant_id: str, endpoint_id: str) -> bool:
    """With its log."""
    rows = await fetch(
        connection,
        "delete from webhook_endpoints where tenant_id = %s and id = %s returning 1 as one",
        (tenant_id, endpoint_id),
    )
    await fetch(
        connection,
        "delete from webhook_deliveries where tenant_id = %s and endpoint_id = %s",
        (tenant_id, endpoint_id),
    )
    return bool(rows)


async def name_for_batch(connection: Connection, tenant_id: str, batch_id: str, endpoint_id: str) -> bool:
    """Has this endpoint told of the batch; False where the tenant has none such."""
    rows = await fetch(
        connection,
        "update batches set webhook_endpoint = %(endpoint)s where tenant_id = %(tenant)s and id = %(batch)s"
        " and exists (select 1 from webhook_endpoints where tenant_id = %(tenant)s and id = %(endpoint)s)"
        " returning 1 as one",
        {"tenant": tenant_id, "batch": batch_id, "endpoint": endpoint_id},
    )
    return bool(rows)


async def tell_jobs(connection: Connection, moved: Sequence[Job], ids: NewId = new_id) -> None:
    """Events of the jobs, as they are now, for every endpoint that wants them; in the transaction of their moves."""
    told = [(job, kind) for job in moved if (kind := told_as(job.state))]
    await fetch(
        connection,
        """
        with asked as (
            select * from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::uuid[])
            as t(event, tenant, kind, state, job, batch)
        ), wanted as materialized (
            select a.*, e.id as endpoint from asked a
            join webhook_endpoints e on e.tenant_id = a.tenant and e.disabled_at is null and a.kind = any(e.events)
            where e.is_tenant_wide or e.id = (
                select b.webhook_endpoint from batches b where b.tenant_id = a.tenant and b.id = a.batch)
        ), made as (
            insert into webhook_events (id, tenant_id, type, data)
            select distinct event, tenant, kind,
                jsonb_build_object('id', job, 'review_id', batch, 'state', state) from wanted
        )
        insert into webhook_deliveries (tenant_id, event_id, endpoint_id) select tenant, event, endpoint from wanted
        """,
        (
            [f"evt_{ids().replace('-', '')}" for _ in told],
            [job.tenant_id for job, _ in told],
            [kind for _, kind in told],
            [job.state.value for job, _ in told],
            [job.id for job, _ in told],
            [job.batch_id for job, _ in told],
        ),
    )


async def tell_one(connection: Connection, tenant_id: str, endpoint_id: str, event_id: str, kind: str) -> int:
    """An event for one endpoint alone; returns the delivery's number."""
    rows = await fetch(
        connection,
        """
        with made as (insert into webhook_events (id, tenant_id, type, data)
                      values (%(id)s, %(tenant)s, %(kind)s, jsonb_build_object('id', %(subject)s::text)) returning id)
        insert into webhook_deliveries (tenant_id, event_id, endpoint_id)
        select %(tenant)s, id, %(endpoint)s from made returning id
        """,
        {
            "id": event_id,
            "tenant": tenant_id,
            "kind": kind,
            "subject": endpoint_id,
            "endpoint": endpoint_id,
        },
    )
    return int(rows[0]["id"])
