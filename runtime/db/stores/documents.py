"""Texts, by tenant and digest. The same text of the same tenant is kept once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.db.copying import ByteArray, NumberArray, TextArray, number
from runtime.db.session import Connection, fetch
from schemas.document import Document


@dataclass(frozen=True, slots=True)
class Packed:
    """Texts of one tenant as one statement takes them."""

    digests: TextArray
    sizes: NumberArray
    characters: NumberArray
    names: TextArray
    bodies: ByteArray


def pack(documents: Sequence[tuple[Document, bytes]]) -> Packed:
    """In the order of their digests: neighbours in the index, which has no other order, are written together."""
    found = sorted(documents, key=lambda one: one[0].digest)
    return Packed(
        TextArray([document.digest.encode() for document, _ in found]),
        NumberArray([number(document.size_bytes) for document, _ in found]),
        NumberArray([number(document.characters) for document, _ in found]),
        TextArray([document.name.encode() for document, _ in found]),
        ByteArray([body for _, body in found]),
    )


async def keep(connection: Connection, tenant_id: str, documents: Packed) -> None:
    """Stores texts as UTF-8; those that are there already are left as they are."""
    await fetch(
        connection,
        """
        insert into documents (tenant_id, digest, size_bytes, characters, name, body)
        select %s::text, * from unnest(%s, %s, %s, %s, %s) on conflict do nothing
        """,
        (
            tenant_id,
            documents.digests,
            documents.sizes,
            documents.characters,
            documents.names,
            documents.bodies,
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
