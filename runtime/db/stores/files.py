"""Files of the HTTP API, in pieces. A file is there for others once it is whole."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from runtime.db.session import Connection, Row, fetch

PIECE_BYTES = 1024 * 1024

_SHOWN = "id, filename, purpose, size_bytes, created_at, expires_at"

INNER = "message_batch"
"""The purpose of files that callers never see: bodies and results of Message Batches."""


async def begin(
    connection: Connection, file_id: str, tenant_id: str, filename: str, purpose: str, expires_s: int | None
) -> None:
    await fetch(
        connection,
        "insert into api_files (id, tenant_id, filename, purpose, expires_at)"
        " values (%s, %s, %s, %s, now() + make_interval(secs => %s))",
        (file_id, tenant_id, filename, purpose, expires_s),
    )


async def add_piece(connection: Connection, file_id: str, number: int, body: bytes) -> None:
    await fetch(
        connection,
        "insert into api_file_pieces (file_id, number, body) values (%s, %s, %s)",
        (file_id, number, body),
    )


async def finish(
    connection: Connection,
    file_id: str,
    *,
    size_bytes: int,
    filename: str,
    purpose: str,
    expires_s: int | None,
) -> Row:
    """It is whole from now on; a form may say its name and purpose after its content."""
    rows = await fetch(
        connection,
        "update api_files set is_whole = true, size_bytes = %s, filename = %s, purpose = %s,"
        f" expires_at = created_at + make_interval(secs => %s) where id = %s returning {_SHOWN}",
        (size_bytes, filename, purpose, expires_s, file_id),
    )
    return rows[0]


async def find(connection: Connection, tenant_id: str, file_id: str, *, is_inner: bool = False) -> Row | None:
    rows = await fetch(
        connection,
        f"select {_SHOWN} from api_files where tenant_id = %s and id = %s and is_whole"
        " and (purpose = %s) = %s and (expires_at is null or expires_at > now())",
        (tenant_id, file_id, INNER, is_inner),
    )
    return rows[0] if rows else None


async def page(
    connection: Connection,
    tenant_id: str,
    *,
    purpose: str | None,
    after: str | None,
    newest_first: bool,
    most: int,
) -> list[Row]:
    """In the order of their making, behind `after`."""
    order, beyond = ("desc", "<") if newest_first else ("asc", ">")
    return await fetch(
        connection,
        f"select {_SHOWN} from api_files where tenant_id = %(tenant)s and is_whole"
        " and purpose <> %(inner)s and (expires_at is null or expires_at > now())"
        " and (%(purpose)s::text is null or purpose = %(purpose)s)"
        f" and (%(after)s::text is null or id {beyond} %(after)s) order by id {order} limit %(most)s",
        {"tenant": tenant_id, "inner": INNER, "purpose": purpose, "after": after, "most": most},
    )


async def piece(connection: Connection, file_id: str, number: int) -> bytes | None:
    rows = await fetch(
        connection, "select body from api_file_pieces where file_id = %s and number = %s", (file_id, number)
    )
    return bytes(rows[0]["body"]) if rows else None


async def delete(connection: Connection, tenant_id: str, file_id: str, *, is_inner: bool = False) -> bool:
    """Whether there was one."""
    rows = await fetch(
        connection,
        "delete from api_files where tenant_id = %s and id = %s and (purpose = %s) = %s returning id",
        (tenant_id, file_id, INNER, is_inner),
    )
    return bool(rows)


async def sweep(connection: Connection, tenant_id: str) -> int:
    """Takes away what expired, and uploads that were broken off hours ago."""
    rows = await fetch(
        connection,
        "delete from api_files where tenant_id = %s and (expires_at < now()"
        " or (not is_whole and created_at < now() - interval '6 hours')) returning id",
        (tenant_id,),
    )
    return len(rows)


def read_pieces(url: str, file_id: str) -> Iterator[bytes]:
    """Blocking, one statement a piece: for a thread of its own."""
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        number = 0
        while row := connection.execute(
            "select body from api_file_pieces where file_id = %s and number = %s", (file_id, number)
        ).fetchone():
            yield bytes(row[0])
            number += 1
