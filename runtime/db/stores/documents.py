"""Texts, by tenant and digest. The same text of the same tenant is kept once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from runtime.db.copying import ByteArray, NumberArray, TextArray, number
from runtime.db.session import Connection, fetch


class Text(NamedTuple):
    """A document as it comes in, with what its job takes of it."""

    custom_id: str
    name: str
    characters: int
    body: bytes
    digest: str
    """Of the body."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Texts of one tenant as one statement takes them."""

    digests: TextArray
    sizes: NumberArray
    characters: NumberArray
    names: TextArray
    bodies: ByteArray


def pack(texts: Sequence[Text]) -> Packed:
    """In the order of their digests: neighbours in the index, which has no other order, are written together."""
    found = sorted(texts, key=attrgetter("digest"))
    return Packed(
        TextArray([text.digest.encode() for text in found]),
        NumberArray([number(len(text.body)) for text in found]),
        NumberArray([number(text.characters) for text in found]),
        TextArray([text.name.encode() for text in found]),
        ByteArray([text.body for text in found]),
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
