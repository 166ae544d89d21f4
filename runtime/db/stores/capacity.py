"""Providers, workers and slots: who may call now, and how much is bound where.

The provider's row is the gate. Every claim locks it, counts the slots that are held, and takes one only below the
ceiling: so the ceiling holds over all workers and hosts, whatever becomes of the broker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from runtime.breaker import Breaker, BreakerState, may_enter
from runtime.congestion import Allowance
from runtime.db.session import Connection, Row, fetch
from runtime.db.stores import breakers
from runtime.db.stores.jobs import COLUMNS, job_of
from runtime.limits import Bucket, Drawn
from schemas.catalog import Limits
from schemas.job import Job

NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Gate:
    """A provider's row, locked until the transaction ends."""

    ceiling: int
    """The operator's, else the catalog's."""
    held: int
    """Slots that are held now, by all workers."""
    backlog: int
    """Jobs that could be claimed now, counted up to a bound."""
    closed: bool
    """Paused or resting."""
    now: datetime
    budgeted: bool = False
    """Whether there are budgets: without any, a claim asks nothing more."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    requests_left: float = 0.0
    tokens_left: float = 0.0
    undrawn_s: float | None = None
    """Seconds since the buckets were last drawn from; None: never."""
    breaker: Breaker = field(default_factory=Breaker)
    probe_is_held: bool = False
    allowance: Allowance = field(default_factory=Allowance)

    @property
    def requests(self) -> Bucket:
        return Bucket(self.requests_per_minute, self.requests_left).refilled(self.undrawn_s)

    @property
    def tokens(self) -> Bucket:
        return Bucket(self.tokens_per_minute, self.tokens_left).refilled(self.undrawn_s)

    @property
    def is_limited(self) -> bool:
        return self.requests_per_minute is not None or self.tokens_per_minute is not None

    @property
    def allowed(self) -> int:
        """Calls in flight that may be now: the ceiling, or what the provider's 429s leave of it."""
        return self.allowance.calls(self.ceiling, self.now)

    @property
    def probes(self) -> bool:
        """Whether a claim goes in as the one call that tries whether the provider is back."""
        return self.breaker.state is not BreakerState.CLOSED

    @property
    def has_room(self) -> bool:
        may = not self.closed and may_enter(self.breaker, self.now, probe_is_held=self.probe_is_held)
        return may and self.backlog > 0 and self.held < self.allowed

    @property
    def goes_on(self) -> bool:
        """Whether a slot that is held may have more jobs; else it is given back when its own are done."""
        return not self.closed and not self.probes and self.backlog > 0 and self.held <= self.allowed


_GATE = f"""
select coalesce(p.set_ceiling, p.ceiling) as ceiling,
    p.paused or coalesce(p.rests_until > now(), false) as closed, clock_timestamp() as now,
    {breakers.COLUMNS}, {breakers.PROBE_IS_HELD} as probe_is_held,
    exists (select 1 from budgets b where b.tenant_id = p.tenant_id) as budgeted,
    p.requests_per_minute, p.tokens_per_minute, p.requests_left, p.tokens_left,
    extract(epoch from clock_timestamp() - p.drawn_at)::float8 as undrawn_s,
    (select count(*) from slots s where s.tenant_id = p.tenant_id and s.provider = p.name) as held,
    (select count(*) from (
        select 1 from jobs j where j.state = 'routed' and j.provider = p.name and j.tenant_id = p.tenant_id
        and (j.not_before is null or j.not_before <= now()) limit %(most)s) b) as backlog
from providers p where p.tenant_id = %(tenant)s and p.name = %(provider)s
"""


async def gate(connection: Connection, tenant_id: str, provider: str, *, most: int = 2_000) -> Gate | None:
    """Locks the provider's row; None where it was never registered."""
    asked = {"tenant": tenant_id, "provider": provider, "most": most}
    # The lock first, in a statement of its own: the counts below then see what the claim before this one wrote.
    await fetch(
        connection,
        "select 1 from providers where tenant_id = %(tenant)s and name = %(provider)s for update",
        asked,
    )
    rows = await fetch(connection, _GATE, asked)
    return gate_of(rows[0]) if rows else None


def gate_of(row: Row) -> Gate:
    return Gate(
        ceiling=row["ceiling"],
        held=row["held"],
        backlog=row["backlog"],
        closed=row["closed"],
        now=row["now"],
        budgeted=row["budgeted"],
        requests_per_minute=row["requests_per_minute"],
        tokens_per_minute=row["tokens_per_minute"],
        requests_left=row["requests_left"],
        tokens_left=row["tokens_left"],
        undrawn_s=row["undrawn_s"],
        breaker=breakers.breaker_of(row),
        probe_is_held=row["probe_is_held"],
        allowance=breakers.allowance_of(row),
    )


async def keep_buckets(connection: Connection, tenant_id: str, provider: str, left: Drawn) -> None:
    """What is left after a draw; the provider's row must be locked by `gate`."""
    await fetch(
        connection,
        "update providers set requests_left = %s, tokens_left = %s, drawn_at = clock_timestamp()"
        " where tenant_id = %s and name = %s",
        (left.requests.left, left.tokens.left, tenant_id, provider),
    )


async def take_slot(
    connection: Connection, tenant_id: str, provider: str, worker_id: str, slot_id: str, *, lease_s: float
) -> None:
    await take_slots(connection, tenant_id, provider, worker_id, [slot_id], lease_s=lease_s)


async def take_slots(
    connection: Connection,
    tenant_id: str,
    provider: str,
    worker_id: str,
    slot_ids: Sequence[str],
    *,
    lease_s: float,
) -> None:
    if slot_ids:
        await fetch(
            connection,
            "insert into slots (id, tenant_id, provider, worker_id, lease_until)"
            " select id, %s, %s, %s, clock_timestamp() + make_interval(secs => %s) from unnest(%s::uuid[]) as a(id)",
            (tenant_id, provider, worker_id, lease_s, list(slot_ids)),
        )


async def routed(connection: Connection, tenant_id: str, provider: str, *, most: int) -> list[Job]:
    """Locks the most urgent jobs that are bound to the provider and may start now."""
    rows = await fetch(
        connection,
        f"""
        select {COLUMNS} from jobs j
        where j.state = 'routed' and j.provider = %s and j.tenant_id = %s
          and (j.not_before is null or j.not_before <= now())
        order by j.lane, j.start_by, j.id limit %s for update skip locked
        """,
        (provider, tenant_id, most),
    )
    return [job_of(row) for row in rows]


async def release(connection: Connection, slot_ids: Sequence[str]) -> None:
    if slot_ids:
        await fetch(connection, "delete from slots where id = any(%s::uuid[])", (list(slot_ids),))


async def renew(connection: Connection, slot_ids: Sequence[str], *, lease_s: float) -> frozenset[str]:
    """Those of the slots that are still held; a missing one was taken back."""
    rows = await fetch(
        connection,
        "update slots set lease_until = clock_timestamp() + make_interval(secs => %s)"
        " where id = any(%s::uuid[]) returning id::text",
        (lease_s, list(slot_ids)),
    )
    return frozenset(row["id"] for row in rows)


async def held(connection: Connection, slot_ids: Sequence[str], *, keep: bool = False) -> frozenset[str]:
    """Those of the slots that were not taken back; their leases are left as they are. With `keep` nobody takes them
    back until the transaction ends."""
    ending = " for key share" if keep else ""
    rows = await fetch(
        connection, f"select id::text from slots where id = any(%s::uuid[]){ending}", (list(slot_ids),)
    )
    return frozenset(row["id"] for row in rows)


async def register_provider(
    connection: Connection, tenant_id: str, name: str, ceiling: int, limits: Limits = NO_LIMITS
) -> None:
    """The catalog's ceiling and limits become the gate's, unless the provider is there already with the same."""
    await fetch(
        connection,
        "insert into providers as p (tenant_id, name, ceiling, requests_per_minute, tokens_per_minute)"
        " values (%s, %s, %s, %s, %s) on conflict (tenant_id, name) do update set ceiling = excluded.ceiling,"
        " requests_per_minute = excluded.requests_per_minute, tokens_per_minute = excluded.tokens_per_minute,"
        " updated_at = now() where (p.ceiling, p.requests_per_minute, p.tokens_per_minute) is distinct from"
        " (excluded.ceiling, excluded.requests_per_minute, excluded.tokens_per_minute)",
        (tenant_id, name, ceiling, limits.requests_per_minute, limits.tokens_per_minute),
    )


async def tokens_told(connection: Connection, tenant_id: str, name: str, left: int) -> None:
    """What the provider says is left of its tokens now, where its bucket here holds more."""
    await fetch(
        connection,
        "update providers set tokens_left = %s, drawn_at = coalesce(drawn_at, clock_timestamp())"
        " where tenant_id = %s and name = %s and tokens_per_minute is not null"
        " and (drawn_at is null or tokens_left > %s)",
        (left, tenant_id, name, left),
    )


async def rest(connection: Connection, tenant_id: str, name: str, *, seconds: float, reason: str) -> None:
    """No claim at this provider for so long, over all workers; a longer rest stays."""
    await fetch(
        connection,
        "update providers set rests_until = now() + make_interval(secs => %(s)s), rest_reason = %(why)s,"
        " updated_at = now() where tenant_id = %(tenant)s and name = %(name)s"
        " and coalesce(rests_until, '-infinity') < now() + make_interval(secs => %(s)s)",
        {"s": seconds, "why": reason, "tenant": tenant_id, "name": name},
    )


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a role process says of itself every few seconds."""

    worker_id: str
    role: str
    provider: str | None
    host: str
    pid: int
    slots: int = 0
    key_found: bool = True
    detail: str = ""
    job_ms_p50: int | None = None
    answered: int = 0
    metrics_address: str = ""


async def beat(connection: Connection, tenant_id: str, said: Heartbeat) -> None:
    await fetch(
        connection,
        """
        insert into workers (id, tenant_id, role, provider, host, pid, slots, key_found, detail, job_ms_p50,
                             answered, metrics_address)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (id) do update set slots = excluded.slots, key_found = excluded.key_found,
            detail = excluded.detail, job_ms_p50 = excluded.job_ms_p50, answered = excluded.answered,
            metrics_address = excluded.metrics_address, seen_at = clock_timestamp()
        """,
        (
            said.worker_id,
            tenant_id,
            said.role,
            said.provider,
            said.host,
            said.pid,
            said.slots,
            said.key_found,
            said.detail,
            said.job_ms_p50,
            said.answered,
            said.metrics_address,
        ),
    )


async def leave(connection: Connection, worker_id: str) -> None:
    await fetch(connection, "delete from workers where id = %s", (worker_id,))


async def workers_at(
    connection: Connection, tenant_id: str, provider: str, host: str
) -> list[tuple[str, int, float]]:
    """Id, process number and time of start (seconds since 1970) of the provider's workers on this host."""
    rows = await fetch(
        connection,
        "select id::text, pid, extract(epoch from started_at)::float8 as started_s from workers"
        " where tenant_id = %s and provider = %s and host = %s",
        (tenant_id, provider, host),
    )
    return [(row["id"], row["pid"], row["started_s"]) for row in rows]


async def bury(connection: Connection, worker_ids: Sequence[str]) -> None:
    """Forgets workers that are known to be dead, and takes back their slots; the keeper finds their jobs."""
    if worker_ids:
        for table, column in (("slots", "worker_id"), ("workers", "id")):
            await fetch(
                connection, f"delete from {table} where {column} = any(%s::uuid[])", (list(worker_ids),)
            )


_LOADS = f"""
select p.name, coalesce(p.set_ceiling, p.ceiling) as ceiling, p.paused, p.draining, p.switch_reason, p.switched_by,
    p.switched_at, {breakers.COLUMNS}, {breakers.PROBE_IS_HELD} as probe_is_held, p.breaker_reason, now() as now,
    p.rests_until > now() as resting, p.rests_until, p.rest_reason,
    coalesce(w.slots, 0) as slots, w.job_ms_p50, coalesce(w.workers, 0) as workers,
    coalesce(w.keyless, 0) as keyless, w.detail, w.up_since,
    p.pace_millionths, p.usual_millionths, p.latency_ms_p95, p.tokens_per_s, p.faults_millionths,
    p.health, p.health_since, extract(epoch from clock_timestamp() - p.seen_at)::float8 as unseen_s,
    s.jobs as in_flight, s.tokens as in_flight_tokens, s.work_ms as in_flight_work_ms,
    r.jobs as waiting_jobs, r.tokens as waiting_tokens, r.work_ms as waiting_work_ms
from providers p
left join lateral (
    select sum(slots) filter (where key_found) as slots, count(*) filter (where key_found) as workers,
        count(*) filter (where not key_found) as keyless, max(detail) as detail,
        min(started_at) filter (where key_found) as up_since,
        percentile_disc(0.5) within group (order by job_ms_p50)::int as job_ms_p50
    from workers w where w.tenant_id = p.tenant_id and w.provider = p.name
        and w.seen_at > now() - make_interval(secs => %(fresh_s)s)
) w on true
left join lateral (
    select count(*) as jobs, coalesce(sum(tokens), 0)::bigint as tokens,
        coalesce(sum(work_ms), 0)::bigint as work_ms
    from jobs j where j.state = 'serving'
        and j.slot_id in (select s.id from slots s where s.tenant_id = p.tenant_id and s.provider = p.name)
) s on true
left join lateral (
    select count(*) as jobs, coalesce(sum(tokens), 0)::bigint as tokens,
        coalesce(sum(work_ms), 0)::bigint as work_ms
    from jobs j where j.state = 'routed' and j.provider = p.name and j.tenant_id = p.tenant_id
) r on true
where p.tenant_id = %(tenant)s order by p.name
"""


async def loads(connection: Connection, tenant_id: str, *, fresh_s: float = 15.0) -> list[Row]:
    """One row a provider: its settings, its living workers, what its calls showed, and what is bound and in flight."""
    return await fetch(connection, _LOADS, {"tenant": tenant_id, "fresh_s": fresh_s})


@dataclass(frozen=True, slots=True)
class Shown:
    """What the calls of a provider showed, as its row keeps it."""

    seen: Mapping[str, Any]
    pace_millionths: int | None
    usual_millionths: int | None
    latency_ms_p95: int | None
    tokens_per_s: int | None
    faults_millionths: int
    health: str


async def seen(connection: Connection, tenant_id: str, provider: str) -> Mapping[str, Any]:
    """What was kept last. Locks the provider's row, so that two workers' observations come one after the other."""
    rows = await fetch(
        connection,
        "select seen from providers where tenant_id = %s and name = %s for no key update",
        (tenant_id, provider),
    )
    found: Mapping[str, Any] = rows[0]["seen"] if rows else {}
    return found


async def keep_seen(connection: Connection, tenant_id: str, provider: str, shown: Shown) -> None:
    await fetch(
        connection,
        """
        update providers set seen = %s::jsonb, seen_at = clock_timestamp(), pace_millionths = %s,
            usual_millionths = %s, latency_ms_p95 = %s, tokens_per_s = %s, faults_millionths = %s,
            health_since = case when health = %s then health_since else clock_timestamp() end, health = %s
        where tenant_id = %s and name = %s
        """,
        (
            orjson.dumps(shown.seen).decode(),
            shown.pace_millionths,
            shown.usual_millionths,
            shown.latency_ms_p95,
            shown.tokens_per_s,
            shown.faults_millionths,
            shown.health,
            shown.health,
            tenant_id,
            provider,
        ),
    )
