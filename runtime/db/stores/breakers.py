"""The shared breaker and the adaptive number of calls, as they stand in a provider's row.

What they are is said, purely, in `runtime.breaker` and `runtime.congestion`. Here they are read, moved behind the row's
lock, and written back; a call that changes nothing writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runtime import breaker as moves
from runtime.breaker import Breaker, BreakerState, Outage
from runtime.congestion import Allowance, congested
from runtime.db.session import Connection, Row, fetch
from runtime.db.stores import switches

COLUMNS = """
    p.breaker, p.strikes, p.opened, p.breaker_until, p.probe_slot::text, p.struck_at, p.window_at, p.window_good,
    p.window_bad, p.cut_at, p.cut_to, p.cut_level
"""
"""For a select from `providers p`, to be read by `breaker_of` and `allowance_of`."""

PROBE_IS_HELD = "exists (select 1 from slots s where s.id = p.probe_slot)"

SHUT = f"""(p.paused or coalesce(p.rests_until > now(), false)
    or (p.breaker = 'open' and coalesce(p.breaker_until > now(), false))
    or (p.breaker = 'half_open' and {PROBE_IS_HELD}))"""
"""Whether nobody may claim from `providers p` now."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A call after which the provider is known to be there."""

    slot_id: str


@dataclass(frozen=True, slots=True)
class Congestion:
    """A call that was told to slow down."""

    slot_id: str
    lasted_s: float


Heard = Outage | Answered | Congestion


@dataclass(frozen=True, slots=True)
class Standing:
    """How a provider stands with all its workers."""

    breaker: Breaker
    ceiling: int
    allowed: int
    """Calls in flight that it takes at once, as far as its 429s tell; at most the ceiling."""
    paused: bool
    now: datetime


def breaker_of(row: Mapping[str, Any]) -> Breaker:
    return Breaker(
        state=BreakerState(row["breaker"]),
        strikes=row["strikes"],
        opened=row["opened"],
        until=row["breaker_until"],
        probe=row["probe_slot"],
        struck_at=row["struck_at"],
        window_at=row["window_at"],
        good=row["window_good"],
        bad=row["window_bad"],
    )


def allowance_of(row: Mapping[str, Any]) -> Allowance:
    return Allowance(row["cut_at"], row["cut_to"], row["cut_level"])


_STANDING = f"""
select {COLUMNS}, coalesce(p.set_ceiling, p.ceiling) as ceiling, p.paused, clock_timestamp() as now,
    (select count(*) from slots s where s.tenant_id = p.tenant_id and s.provider = p.name) as held
from providers p where p.tenant_id = %s and p.name = %s
"""


async def standing(connection: Connection, tenant_id: str, provider: str) -> Standing | None:
    """Without a lock; None where it was never registered."""
    rows = await fetch(connection, _STANDING, (tenant_id, provider))
    return _standing(rows[0], breaker_of(rows[0]), allowance_of(rows[0])) if rows else None


async def hear(
    connection: Connection, tenant_id: str, provider: str, heard: Heard, *, actor: str, why: str = ""
) -> Standing | None:
    """Takes in how a call ended; returns how the provider stands after it. Locks its row."""
    await fetch(
        connection,
        "select 1 from providers where tenant_id = %s and name = %s for update",
        (tenant_id, provider),
    )
    rows = await fetch(connection, _STANDING, (tenant_id, provider))
    if not rows:
        return None
    row, before, allowance = rows[0], breaker_of(rows[0]), allowance_of(rows[0])
    after = _after(before, heard, row["now"])
    if after != before:
        await keep(connection, tenant_id, provider, after, why=why)
        await _tell(connection, tenant_id, provider, before, after, actor=actor, why=why)
    if isinstance(heard, Congestion):
        cut = congested(
            allowance, row["ceiling"], in_flight=row["held"], lasted_s=heard.lasted_s, now=row["now"]
        )
        if cut != allowance:
            await _keep_allowance(connection, tenant_id, provider, cut)
        allowance = cut
    return _standing(row, after, allowance)


def _after(before: Breaker, heard: Heard, now: datetime) -> Breaker:
    if isinstance(heard, Outage):
        return moves.failed(before, heard, now)
    return moves.answered(before, heard.slot_id)


def _standing(row: Row, breaker: Breaker, allowance: Allowance) -> Standing:
    allowed = allowance.calls(row["ceiling"], row["now"])
    return Standing(breaker, row["ceiling"], allowed, row["paused"], row["now"])


async def keep(connection: Connection, tenant_id: str, provider: str, now: Breaker, *, why: str = "") -> None:
    """The provider's row must be locked."""
    await fetch(
        connection,
        """
        update providers set breaker = %s, strikes = %s, opened = %s, breaker_until = %s, probe_slot = %s,
            struck_at = %s, window_at = %s, window_good = %s, window_bad = %s,
            breaker_reason = case when %s = '' then breaker_reason else %s end, updated_at = now()
        where tenant_id = %s and name = %s
        """,
        (
            *(now.state.value, now.strikes, now.opened, now.until, now.probe),
            *(now.struck_at, now.window_at, now.good, now.bad, why, why, tenant_id, provider),
        ),
    )


async def _keep_allowance(connection: Connection, tenant_id: str, provider: str, cut: Allowance) -> None:
    await fetch(
        connection,
        "update providers set cut_at = %s, cut_to = %s, cut_level = %s, updated_at = now()"
        " where tenant_id = %s and name = %s",
        (cut.cut_at, cut.cut_to, cut.level, tenant_id, provider),
    )


async def _tell(
    connection: Connection,
    tenant_id: str,
    provider: str,
    before: Breaker,
    after: Breaker,
    *,
    actor: str,
    why: str,
) -> None:
    """Openings and closings go into the provider's history."""
    if before.state is after.state:
        return
    if after.state is BreakerState.OPEN:
        seconds = (after.until - after.struck_at).total_seconds() if after.until and after.struck_at else 0.0
        reason = f"For {seconds:.1f} s. {why}".strip()
        await switches.note(connection, tenant_id, provider, "opened", actor=actor, reason=reason)
    elif after.state is BreakerState.CLOSED:
        reason = "Its probe was answered."
        await switches.note(connection, tenant_id, provider, "closed", actor=actor, reason=reason)
