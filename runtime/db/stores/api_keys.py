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
    requests_per_minute: int | None = None,
) -> datetime | None:
    """Returns when it expires, by the database's clock; None: never."""
    rows = await fetch(
        connection,
        "insert into api_keys (id, tenant_id, name, secret_hmac, scopes, expires_at, requests_per_minute)"
        " values (%s, %s, %s, %s, %s, now() + make_interval(secs => %s), %s) returning expires_at",
        (key_id, tenant_id, name, secret_hmac, list(scopes), expires_s, requests_per_minute),
    )
    expires_at: datetime | None = rows[0]["expires_at"]
    return expires_at


async def valid(connection: Connection, tenant_id: str, key_id: str) -> Row | None:
    """The key of this tenant that is neither revoked nor expired now."""
    rows = await fetch(
        connection,
        "select id, name, secret_hmac, scopes from api_keys where id = %s and tenant_id = %s"
        " and revoked_at is null and (expires_at is null or expires_at > now())",
        (key_id, tenant_id),
    )
    return rows[0] if rows else None


_LIMIT = "coalesce(k.requests_per_minute, %(default)s)"
_IS_STALE = "(k.last_used_at is null or k.last_used_at < now() - %(used_every)s::interval)"
_BUSY = "greatest(k.busy_until, now())"
_STEP = f"make_interval(secs => 60.0 / nullif({_LIMIT}, 0))"
_IS_VALID = (
    "k.id = %(id)s and k.tenant_id = %(tenant)s and k.revoked_at is null"
    " and (k.expires_at is null or k.expires_at > now())"
)

_ADMITTED = f"""
with drawn as (
    update api_keys k set
        busy_until = case when {_LIMIT} = 0 then k.busy_until else {_BUSY} + {_STEP} end,
        last_used_at = case when {_IS_STALE} then now() else k.last_used_at end
    where {_IS_VALID} and k.secret_hmac = %(proof)s
      and case when {_LIMIT} = 0 then {_IS_STALE}
          else {_BUSY} <= now() + interval '1 minute' - {_STEP} / 2 end
    returning k.busy_until
)
select k.id, k.secret_hmac, k.scopes, {_LIMIT} as per_minute,
       {_LIMIT} = 0 or exists (select from drawn) as is_admitted,
       extract(epoch from greatest(coalesce((select busy_until from drawn), k.busy_until), now()) - now())::float8
           as busy_s,
       set_config('synchronous_commit', 'off', true) as told
from api_keys k where {_IS_VALID}
"""


async def admitted(
    connection: Connection, tenant_id: str, key_id: str, proof: bytes, *, default: int
) -> Row | None:
    """The key of this tenant that is neither revoked nor expired now, and whether it may ask once more: one statement.

    Only who has the key's proof draws from its bucket; whether the proof is right is for the caller to see. The rule is
    that of `producer.api.rates`. To be called in a transaction of its own: what it writes may be lost with the
    server, for a fraction of a second of requests, and is not waited for.
    """
    rows = await fetch(
        connection,
        _ADMITTED,
        {"id": key_id, "tenant": tenant_id, "proof": proof, "default": default, "used_every": USED_EVERY},
    )
    return rows[0] if rows else None


async def every(connection: Connection, tenant_id: str) -> list[Row]:
    return await fetch(
        connection,
        "select id, name, scopes, created_at, expires_at, revoked_at, last_used_at, requests_per_minute,"
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
