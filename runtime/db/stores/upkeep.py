"""What the keeper looks for: leases that ended, deadlines that passed, work bound to providers that do not serve."""

from __future__ import annotations

from datetime import datetime

from runtime.db.session import Connection, Row, fetch
from runtime.db.stores.breakers import SHUT
from runtime.db.stores.jobs import COLUMNS, job_of
from schemas.job import Job

KEEPER_LOCK = 0x79617264
"""Advisory lock: one keeper works at a time, and another takes over when its connection ends."""


async def lead(connection: Connection) -> bool:
    """Whether this session is the one keeper; the lock lasts as long as the session."""
    rows = await fetch(connection, "select pg_try_advisory_lock(%s) as mine", (KEEPER_LOCK,))
    return bool(rows[0]["mine"])


async def drop_ended_slots(connection: Connection, tenant_id: str, *, most: int = 1_000) -> list[Row]:
    """Removes slots whose lease has ended, and returns them. Their jobs are then orphans."""
    return await fetch(
        connection,
        """
        delete from slots where id in (
            select id from slots where tenant_id = %s and lease_until < clock_timestamp()
            order by lease_until limit %s for update skip locked)
        returning id::text, provider, worker_id::text
        """,
        (tenant_id, most),
    )


async def orphans(connection: Connection, tenant_id: str, *, most: int = 500) -> list[Job]:
    """Locks jobs that are being served by a slot which is no more."""
    rows = await fetch(
        connection,
        f"""
        select {COLUMNS} from jobs j
        where j.tenant_id = %s and j.state = 'serving'
          and not exists (select 1 from slots s where s.id = j.slot_id)
        order by j.id limit %s for update skip locked
        """,
        (tenant_id, most),
    )
    return [job_of(row) for row in rows]


SUSPECTS = 2
"""Jobs of a lost slot that may have been under way: the first that is not committed, and the one after it, since a
commit may lag behind its call, by one call at most."""


async def not_begun(connection: Connection, tenant_id: str, *, most: int = 500) -> list[Job]:
    """Of what `orphans` finds, the jobs whose turn had not come when their slot was lost. Locked.

    A slot takes its jobs in the order of its claims, each written with one time, and of a claim by their urgency."""
    rows = await fetch(
        connection,
        f"""
        select {COLUMNS} from jobs j
        where j.state = 'serving' and not exists (select 1 from slots s where s.id = j.slot_id)
          and j.id in (
            select o.id from (
                select id, row_number() over (partition by slot_id order by updated_at, lane, start_by, id) as place
                from jobs w where w.tenant_id = %s and w.state = 'serving'
                  and not exists (select 1 from slots s where s.id = w.slot_id)
            ) o where o.place > %s order by o.id limit %s)
        order by j.id for update skip locked
        """,
        (tenant_id, SUSPECTS, most),
    )
    return [job_of(row) for row in rows]


async def overdue(connection: Connection, tenant_id: str, *, most: int = 500) -> list[Job]:
    """Locks jobs that are past their deadline and that nobody is serving."""
    rows = await fetch(
        connection,
        f"""
        select {COLUMNS} from jobs j
        where j.tenant_id = %s and j.deadline_at < clock_timestamp() and j.state in ('accepted', 'held', 'routed')
        order by j.deadline_at, j.id limit %s for update skip locked
        """,
        (tenant_id, most),
    )
    return [job_of(row) for row in rows]


async def served_by(connection: Connection, tenant_id: str, provider: str) -> list[Job]:
    """Locks the jobs that slots of the provider hold, but for those that are being written this moment."""
    rows = await fetch(
        connection,
        f"""
        select {COLUMNS} from jobs j
        where j.state = 'serving' and j.tenant_id = %s
          and j.slot_id in (select s.id from slots s where s.tenant_id = %s and s.provider = %s)
        order by j.id for update skip locked
        """,
        (tenant_id, tenant_id, provider),
    )
    return [job_of(row) for row in rows]


async def drop_slots_of(connection: Connection, tenant_id: str, provider: str) -> int:
    """Takes back every slot of the provider; returns how many there were."""
    rows = await fetch(
        connection,
        "delete from slots where tenant_id = %s and provider = %s returning 1 as one",
        (tenant_id, provider),
    )
    return len(rows)


async def bound_to(connection: Connection, tenant_id: str, provider: str, *, most: int = 500) -> list[Job]:
    """Locks jobs that wait for a slot of the provider."""
    rows = await fetch(
        connection,
        f"""
        select {COLUMNS} from jobs j
        where j.tenant_id = %s and j.state = 'routed' and j.provider = %s
        order by j.lane, j.start_by, j.id limit %s for update skip locked
        """,
        (tenant_id, provider, most),
    )
    return [job_of(row) for row in rows]


async def bound_beyond(
    connection: Connection,
    tenant_id: str,
    provider: str,
    *,
    keep_work_ms: int,
    keep_jobs: int,
    before: datetime,
    most: int,
) -> list[Job]:
    """Locks jobs that wait for a slot of the provider behind so much work, the least urgent first, and that were bound
    before the given time. A job on its way through its plan stays where it is."""
    rows = await fetch(
        connection,
        f"""
        select {COLUMNS} from jobs j
        where j.id in (
            select id from (
                select id, sum(work_ms) over urgency as till_ms, row_number() over urgency as place
                from jobs where tenant_id = %s and state = 'routed' and provider = %s
                window urgency as (order by lane, start_by, id)
            ) q where till_ms > %s and place > %s)
          and j.state = 'routed' and j.provider = %s and j.updated_at < %s
          and j.step = 0 and j.step_attempts = 0 and j.interruptions = 0
        order by j.lane desc, j.start_by desc, j.id desc limit %s for update skip locked
        """,
        (tenant_id, provider, keep_work_ms, keep_jobs, provider, before, most),
    )
    return [job_of(row) for row in rows]


async def claimable(connection: Connection, tenant_id: str, *, most: int = 2_000) -> dict[str, int]:
    """Jobs that a slot could take now, by provider, counted up to `most` of each; closed providers count none."""
    rows = await fetch(
        connection,
        f"""
        select p.name, coalesce(p.set_ceiling, p.ceiling) as ceiling, count(j.id) as ready from providers p
        left join lateral (
            select id from jobs where state = 'routed' and provider = p.name and tenant_id = p.tenant_id
            and (not_before is null or not_before <= now()) limit %s
        ) j on not {SHUT}
        where p.tenant_id = %s group by p.name, 2
        """,
        (most, tenant_id),
    )
    return {row["name"]: min(row["ready"], row["ceiling"]) for row in rows}


async def forget_workers(connection: Connection, tenant_id: str, *, silent_s: float = 300.0) -> None:
    await fetch(
        connection,
        "delete from workers where tenant_id = %s and seen_at < now() - make_interval(secs => %s)",
        (tenant_id, silent_s),
    )
