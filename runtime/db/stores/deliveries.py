"""Deliveries of webhooks: claimed for a while, settled with what came of them, kept where they were given up.

Endpoints are locked before deliveries, and by their ids; only who holds an endpoint claims for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from runtime.db.session import Connection, Row, fetch


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one claim."""

    delivery_id: int
    claim: int
    endpoint_id: str
    outcome: str
    took_ms: int
    http_status: int | None
    sentence: str
    is_delivered: bool
    wait_s: float | None
    """Until it is tried again; None where it is not."""


async def ready(connection: Connection, tenant_id: str) -> list[Row]:
    """Locks the endpoints that may be told something now and have something to be told, less those that another process
    is just looking at. With `now`, the database's time."""
    return await fetch(
        connection,
        """
        select e.id, e.url, e.failures, e.salt, case when e.before_until > now() then e.salt_before end as salt_before,
               clock_timestamp() as now
        from webhook_endpoints e
        where e.tenant_id = %(tenant)s and e.disabled_at is null
          and (e.rests_until is null or e.rests_until <= clock_timestamp())
          and exists (select 1 from webhook_deliveries d
                      where d.tenant_id = %(tenant)s and d.endpoint_id = e.id and d.state = 'waiting'
                        and d.due_at <= clock_timestamp()
                        and (d.claimed_until is null or d.claimed_until <= clock_timestamp()))
        order by e.id for no key update of e skip locked
        """,
        {"tenant": tenant_id},
    )


async def claim(
    connection: Connection,
    tenant_id: str,
    rooms: Sequence[tuple[str, int]],
    *,
    most: int,
    lease_s: float,
) -> list[Row]:
    """Due deliveries of the endpoints, each with how many may be under way to it at once; at most so many altogether,
    those of the first endpoints first. The endpoints are locked."""
    return await fetch(
        connection,
        """
        with room as materialized (
            select r.endpoint_id, r.place, r.at_once - (
                select count(*) from webhook_deliveries d where d.endpoint_id = r.endpoint_id
                and d.tenant_id = %(tenant)s and d.claimed_until > clock_timestamp()) as free
            from unnest(%(endpoints)s::text[], %(at_once)s::int[]) with ordinality as r(endpoint_id, at_once, place)
        ), due as materialized (
            select d.id from room r cross join lateral (
                select id from webhook_deliveries
                where tenant_id = %(tenant)s and endpoint_id = r.endpoint_id and state = 'waiting'
                  and due_at <= clock_timestamp() and (claimed_until is null or claimed_until <= clock_timestamp())
                order by due_at, id limit greatest(r.free, 0)
            ) d order by r.place limit %(most)s
        )
        update webhook_deliveries d
        set claim = d.claim + 1, claimed_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
        from due, webhook_events v where d.id = due.id and d.state = 'waiting' and v.id = d.event_id
        returning d.id, d.endpoint_id, d.claim, d.attempts, v.id as event_id, v.type, v.data, v.created_at
        """,
        {
            "tenant": tenant_id,
            "endpoints": [name for name, _ in rooms],
            "at_once": [free for _, free in rooms],
            "most": most,
            "lease_s": lease_s,
        },
    )


async def standings(
    connection: Connection, tenant_id: str, endpoint_ids: Sequence[str], failed: Sequence[str]
) -> list[Row]:
    """Locks those of the endpoints whose standing may change: that failed before, or just now."""
    return await fetch(
        connection,
        """
        select id, failures, failing_since, rests_until, clock_timestamp() as now from webhook_endpoints
        where tenant_id = %s and id = any(%s) and (failures > 0 or id = any(%s)) and disabled_at is null
        order by id for no key update
        """,
        (tenant_id, list(endpoint_ids), list(failed)),
    )


async def set_standing(
    connection: Connection,
    tenant_id: str,
    endpoint_id: str,
    *,
    failures: int,
    failing_since: datetime | None,
    rests_until: datetime | None,
    disabled_reason: str,
) -> None:
    await fetch(
        connection,
        "update webhook_endpoints set failures = %s, failing_since = %s, rests_until = %s, disabled_reason = %s,"
        " disabled_at = case when %s <> '' then clock_timestamp() end where tenant_id = %s and id = %s",
        (failures, failing_since, rests_until, disabled_reason, disabled_reason, tenant_id, endpoint_id),
    )


async def settle(connection: Connection, tenant_id: str, found: Sequence[Settled]) -> None:
    """Logs every attempt, and moves the deliveries that are still claimed as they were: what an older claim learned
    changes nothing but the log."""
    if not found:
        return
    await fetch(
        connection,
        """
        with asked as (
            select * from unnest(%(id)s::bigint[], %(claim)s::int[], %(outcome)s::text[], %(took)s::int[],
                %(status)s::int[], %(sentence)s::text[], %(good)s::bool[], %(wait)s::float8[])
            as t(id, claim, outcome, took, status, sentence, good, wait)
        ), logged as (
            insert into webhook_attempts (tenant_id, delivery_id, at, took_ms, outcome, http_status, sentence)
            select d.tenant_id, a.id, clock_timestamp(), a.took, a.outcome, a.status, a.sentence
            from asked a join webhook_deliveries d on d.id = a.id and d.tenant_id = %(tenant)s
        )
        update webhook_deliveries d set
            attempts = d.attempts + 1, claimed_until = null,
            state = case when a.good then 'delivered' when a.wait is null then 'exhausted' else 'waiting' end,
            ended_at = case when a.good or a.wait is null then clock_timestamp() end,
            reason = case when not a.good and a.wait is null then a.sentence else '' end,
            due_at = case when a.wait is null then d.due_at else clock_timestamp() + make_interval(secs => a.wait) end
        from asked a
        where d.tenant_id = %(tenant)s and d.id = a.id and d.claim = a.claim and d.state = 'waiting'
        """,
        {
            "tenant": tenant_id,
            "id": [one.delivery_id for one in found],
            "claim": [one.claim for one in found],
            "outcome": [one.outcome for one in found],
            "took": [one.took_ms for one in found],
            "status": [one.http_status for one in found],
            "sentence": [one.sentence for one in found],
            "good": [one.is_delivered for one in found],
            "wait": [one.wait_s for one in found],
        },
    )


async def release(connection: Connection, tenant_id: str, claims: Sequence[tuple[int, int]]) -> None:
    """Gives back claims, by delivery and claim, of which nobody knows what became."""
    await fetch(
        connection,
        "update webhook_deliveries d set claimed_until = null from unnest(%s::bigint[], %s::int[]) as a(id, claim)"
        " where d.tenant_id = %s and d.id = a.id and d.claim = a.claim and d.state = 'waiting'",
        ([one for one, _ in claims], [one for _, one in claims], tenant_id),
    )


async def give_up_old(connection: Connection, tenant_id: str, *, lifetime_s: float, most: int = 5_000) -> int:
    """Those that waited for too long, behind an endpoint that rested or was disabled. They stay, as given up."""
    rows = await fetch(
        connection,
        """
        update webhook_deliveries set state = 'exhausted', ended_at = clock_timestamp(), claimed_until = null,
            reason = 'It waited for too long: its endpoint failed, rested or was disabled all the while.'
        where id in (
            select id from webhook_deliveries where tenant_id = %s and state = 'waiting'
            and begun_at < clock_timestamp() - make_interval(secs => %s)
            and (claimed_until is null or claimed_until <= clock_timestamp())
            order by id limit %s for update skip locked)
        returning 1 as one
        """,
        (tenant_id, lifetime_s, most),
    )
    return len(rows)


async def sweep(connection: Connection, tenant_id: str, *, kept_days: int = 30, most: int = 5_000) -> int:
    """Forgets what was delivered so long ago, and then its events. What was given up is kept."""
    rows = await fetch(
        connection,
        """
        delete from webhook_deliveries where id in (
            select id from webhook_deliveries where tenant_id = %s and state = 'delivered'
            and ended_at < now() - make_interval(days => %s) order by id limit %s for update skip locked)
        returning 1 as one
        """,
        (tenant_id, kept_days, most),
    )
    await fetch(
        connection,
        """
        delete from webhook_events v where v.id in (
            select e.id from webhook_events e
            where e.tenant_id = %s and e.created_at < now() - make_interval(days => %s)
            and not exists (select 1 from webhook_deliveries d where d.event_id = e.id)
            order by e.created_at limit %s for update skip locked)
        """,
        (tenant_id, kept_days, most),
    )
    return len(rows)


# -- for people


async def log(
    connection: Connection,
    tenant_id: str,
    endpoint_id: str,
    *,
    state: str | None = None,
    before: int | None = None,
    most: int = 20,
) -> list[Row]:
    """Deliveries, newest first, each with its attempts in their order."""
    return await fetch(
        connection,
        """
        select d.id, d.event_id, v.type, v.data->>'id' as subject, v.created_at, d.state, d.attempts, d.due_at,
               d.ended_at, d.reason, coalesce((
                   select jsonb_agg(jsonb_build_object('at', a.at, 'took_ms', a.took_ms, 'outcome', a.outcome,
                       'http_status', a.http_status, 'sentence', a.sentence) order by a.id)
                   from webhook_attempts a where a.tenant_id = d.tenant_id and a.delivery_id = d.id
               ), '[]'::jsonb) as tries
        from webhook_deliveries d join webhook_events v on v.id = d.event_id and v.tenant_id = d.tenant_id
        where d.tenant_id = %(tenant)s and d.endpoint_id = %(endpoint)s
          and (%(state)s::text is null or d.state = %(state)s) and (%(before)s::bigint is null or d.id < %(before)s)
        order by d.id desc limit %(most)s
        """,
        {"tenant": tenant_id, "endpoint": endpoint_id, "state": state, "before": before, "most": most},
    )


async def again(connection: Connection, tenant_id: str, delivery_id: int) -> Row | None:
    """Begins it anew, whatever became of it; one that is under way is let be. Its endpoint's id, or None where there is
    no such delivery."""
    rows = await fetch(
        connection,
        """
        update webhook_deliveries d set
            state = 'waiting', attempts = 0, due_at = clock_timestamp(), begun_at = clock_timestamp(),
            ended_at = null, reason = ''
        where d.tenant_id = %s and d.id = %s returning d.id, d.endpoint_id, d.event_id
        """,
        (tenant_id, delivery_id),
    )
    return rows[0] if rows else None


async def all_again(connection: Connection, tenant_id: str, endpoint_id: str) -> int:
    """Those of an endpoint that were given up."""
    rows = await fetch(
        connection,
        """
        update webhook_deliveries set
            state = 'waiting', attempts = 0, due_at = clock_timestamp(), begun_at = clock_timestamp(),
            ended_at = null, reason = ''
        where tenant_id = %s and endpoint_id = %s and state = 'exhausted' returning 1 as one
        """,
        (tenant_id, endpoint_id),
    )
    return len(rows)
