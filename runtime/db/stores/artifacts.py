"""What is named by its digest: policies, catalogs, reviews, snapshots. Stored once, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from runtime.db.session import Connection, fetch
from schemas.canonical import canonical, digest


async def keep(connection: Connection, tenant_id: str, kind: str, name: str, value: Any) -> str:
    """Stores the canonical bytes of `value` unless they are there, and returns their digest."""
    body = canonical(value)
    named = digest(body)
    await fetch(
        connection,
        "insert into artifacts (tenant_id, digest, kind, name, body) values (%s, %s, %s, %s, %s)"
        " on conflict do nothing",
        (tenant_id, named, kind, name, body),
    )
    return named


async def load(connection: Connection, tenant_id: str, digests: Sequence[str]) -> dict[str, Any]:
    """The parsed values by digest; one that is not stored is missing from the answer."""
    rows = await fetch(
        connection,
        "select digest, body from artifacts where tenant_id = %s and digest = any(%s)",
        (tenant_id, list(digests)),
    )
    return {row["digest"]: orjson.loads(row["body"]) for row in rows}
