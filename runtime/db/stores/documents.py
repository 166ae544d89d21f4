"""Texts, by tenant and digest. The same text of the same tenant is kept once."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.db.session import Connection, fetch
from schemas.document import Document


async def keep(connection: Connection, documents: Sequence[tuple[Document, bytes]]) -> None:
    """Stores texts as UTF-8; those that are there already are left as they are."""
    if not documents:
        return
    found = [document for document, _ in documents]
    await fetch(
        connection,
        """
        insert into documents (tenant_id, digest, size_bytes, characters, name, body)
        select * from unnest(%s::text[], %s::text[], %s::int[], %s::int[], %s::text[], %s::bytea[])
        on conflict do nothing
        """,
        (
            [d.tenant_id for d in found],
            [d.digest for d in found],
            [d.size_bytes for d in found],
            [d.characters for d in found],
            [d.name for d in found],
            [body for _, body in documents],
        ),
    )


async def texts(connection: Connection, tenant_id: str, digests: Sequence[str]) -> dict[str, str]:
    """The texts by digest."""
    rows = await fetch(
        connection,
        "select digest, body from documents where tenant_id = %s and digest = any(%s)",
        (tenant_id, list(set(digests))),
    )
    return {row["digest"]: bytes(row["body"]).decode() for row in rows}
