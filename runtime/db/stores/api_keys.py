"""API keys. No secret comes here, only what was made of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from runtime.db.session import Connection, Row, fetch

USED_EVERY = "1 minute"
"""A key's last use is written no more often, so that reading does not become writing."""


async def add(
    connection: Connection,
    *,
    key_id: str,
    tenant_id: str,
    name: str,
    secret_hmac: bytes,
    scopes: Sequence[str],
    expires_s: int | None,
) -> datetime | None:
    """Returns when it expires, by the database's clock; None: never."""
    rows = await fetch(
        connection,
        "insert into api_keys (id, tenant_id, name, secret_hmac, scopes, expires_at)"
        " values (%s, %s, %s, %s, %s, now() + make_interval(secs => %s)) returning expires_at",
        (key_id, tenant_id, name, secret_hmac, list(scopes), expires_s),
    )
    expires_at: datetime | None = rows[0]["expires_at"]
    return expires_at


async def valid(connection: Connection, tenant_id: str, key_id: str) -> Row | None:
    """The key of this tenant that is neither revoked nor expired now."""
    rows = await fetch(
        connection,
        "select id, name, secret_hmac, scopes, last_used_at is null or last_used_at < now() - %s::interval"
        " as is_stale from api_keys where id = %s and tenant_id = %s and revoked_at is null"
        " and (expires_at is null or expires_at > now())",
        (USED_EVERY, key_id, tenant_id),
    )
    return rows[0] if rows else None


async def used(connection: Connection, key_id: str) -> None:
    await fetch(connection, "update api_keys set last_used_at = now() where id = %s", (key_id,))


async def every(connection: Connection, tenant_id: str) -> list[Row]:
    return await fetch(
        connection,
        "select id, name, scopes, created_at, expires_at, revoked_at, last_used_at,"
        " expires_at <= now() as is_expired from api_keys where tenant_id = %s order by created_at, id",
        (tenant_id,),
    )


async def revoke(connection: Connection, tenant_id: str, key_id: str) -> Row | None:
    """Its name, and when it was revoked; the first time counts. None: there is no such key."""
    rows = await fetch(
        connection,
        "update api_keys set revoked_at = coalesce(revoked_at, now()) where tenant_id = %s and id = %s"
        " returning name, revoked_at",
        (tenant_id, key_id),
    )
    return rows[0] if rows else None
