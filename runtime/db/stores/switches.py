"""What operators ask of a provider, and the history of it. Each switch and its event are one transaction."""

from __future__ import annotations

from enum import StrEnum

from runtime.db.session import Connection, Row, fetch


class Switch(StrEnum):
    PAUSE = "paused"
    """No claims; what is bound stays for a moment, and is decided anew then."""
    RESUME = "resumed"
    DRAIN = "draining"
    """Nothing new is bound; what is bound is served to its end, and then it is paused."""
    KILL = "killed"
    """At once: no claims, calls in flight are given up, their jobs and what is bound are decided anew."""


async def turn(
    connection: Connection, tenant_id: str, provider: str, switch: Switch, *, actor: str, reason: str
) -> bool:
    """Locks the provider's row; False where it was never registered. A resumed one begins with a closed breaker."""
    rows = await fetch(
        connection,
        "update providers set paused = %s, draining = %s, switch_reason = %s, switched_by = %s,"
        " switched_at = clock_timestamp(), updated_at = now() where tenant_id = %s and name = %s returning 1 as one",
        (
            switch in (Switch.PAUSE, Switch.KILL),
            switch is Switch.DRAIN,
            *(reason, actor, tenant_id, provider),
        ),
    )
    if not rows:
        return False
    if switch is Switch.RESUME:
        await _forget_faults(connection, tenant_id, provider)
    await note(connection, tenant_id, provider, switch.value, actor=actor, reason=reason)
    return True


async def _forget_faults(connection: Connection, tenant_id: str, provider: str) -> None:
    """What the operator says now is newer than what calls said before."""
    await fetch(
        connection,
        "update providers set rests_until = null, breaker = 'closed', strikes = 0, opened = 0, breaker_until = null,"
        " probe_slot = null, window_at = null, window_good = 0, window_bad = 0"
        " where tenant_id = %s and name = %s",
        (tenant_id, provider),
    )


async def set_ceiling(
    connection: Connection, tenant_id: str, provider: str, ceiling: int | None, *, actor: str, reason: str
) -> bool:
    """None: the catalog's again. Holds from the next claim on, over all workers."""
    rows = await fetch(
        connection,
        "update providers set set_ceiling = %s, updated_at = now() where tenant_id = %s and name = %s"
        " returning ceiling",
        (ceiling, tenant_id, provider),
    )
    if not rows:
        return False
    told = f"ceiling {ceiling}" if ceiling is not None else f"ceiling of the catalog ({rows[0]['ceiling']})"
    await note(connection, tenant_id, provider, told, actor=actor, reason=reason)
    return True


async def drained(connection: Connection, tenant_id: str, *, actor: str) -> list[str]:
    """Pauses what was draining and has no work left, and returns the names."""
    rows = await fetch(
        connection,
        """
        update providers p set paused = true, draining = false, updated_at = now()
        where p.tenant_id = %s and p.draining
          and not exists (select 1 from slots s where s.tenant_id = p.tenant_id and s.provider = p.name)
          and not exists (select 1 from jobs j where j.tenant_id = p.tenant_id and j.provider = p.name
                          and j.state in ('routed', 'serving'))
        returning p.name, p.switch_reason
        """,
        (tenant_id,),
    )
    for row in rows:
        reason = row["switch_reason"]
        await note(connection, tenant_id, row["name"], "drained", actor=actor, reason=reason)
    return [row["name"] for row in rows]


async def note(
    connection: Connection, tenant_id: str, provider: str, event: str, *, actor: str, reason: str
) -> None:
    await fetch(
        connection,
        "insert into provider_events (tenant_id, provider, event, actor, reason, at)"
        " values (%s, %s, %s, %s, %s, clock_timestamp())",
        (tenant_id, provider, event, actor, reason[:500]),
    )


async def history(connection: Connection, tenant_id: str, provider: str, *, most: int = 50) -> list[Row]:
    """The last events, newest first: `event`, `actor`, `reason`, `at`."""
    return await fetch(
        connection,
        "select event, actor, reason, at from provider_events where tenant_id = %s and provider = %s"
        " order by id desc limit %s",
        (tenant_id, provider, most),
    )
