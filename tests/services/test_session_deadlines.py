"""A database that stopped answering is noticed: nothing in the yard waits for ever on a socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest

from runtime.db.session import Database, fetch
from schemas.errors import ServiceUnreachable

pytestmark = [pytest.mark.services, pytest.mark.asyncio]


@dataclass
class Wire:
    """Between a client and the server's socket; swallows everything while it is cut, and says nothing."""

    url: str = ""
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def cut(self) -> None:
        self.open.clear()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self.open.wait()
            writer.write(data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def wired(database_url: str) -> AsyncIterator[Wire]:
    parts = urlsplit(database_url)
    folder = parse_qs(parts.query)["host"][0]
    port = parse_qs(parts.query).get("port", ["5432"])[0]
    wire, carrying = Wire(), set[asyncio.Task[None]]()
    wire.open.set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{port}")
        carrying.add(asyncio.create_task(wire.carry(reader, far_writer)))
        carrying.add(asyncio.create_task(wire.carry(far_reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    at = server.sockets[0].getsockname()[1]
    wire.url = f"postgresql://{parts.username or 'postgres'}:@127.0.0.1:{at}{parts.path}"
    try:
        yield wire
    finally:
        for task in carrying:
            task.cancel()
        server.close()


async def test_a_statement_without_a_reply_ends_in_a_sentence(database_url: str) -> None:
    async with wired(database_url) as wire:
        database = Database(wire.url, reply_s=0.3)
        await database.open()
        started = time.monotonic()

        with pytest.raises(ServiceUnreachable, match="did not do it"):
            async with database.transaction() as connection:
                await fetch(connection, "select 1")
                wire.cut()
                await fetch(connection, "select 2")

        # Asking the server to cancel is tried for a while, and in vain.
        assert time.monotonic() - started < 15
        wire.open.set()
        assert await database.rows("select 3 as three") == [{"three": 3}]
        await database.close()


async def test_a_commit_without_a_reply_ends_too(database_url: str) -> None:
    async with wired(database_url) as wire:
        database = Database(wire.url, reply_s=0.3)
        await database.open()

        with pytest.raises(ServiceUnreachable):
            async with database.transaction() as connection:
                await fetch(connection, "create table kept (n int)")
                wire.cut()

        wire.open.set()
        await database.close()


async def test_a_dead_connection_of_the_pool_is_not_handed_out(database_url: str) -> None:
    async with wired(database_url) as wire:
        database = Database(wire.url, connections=1, connect_s=1.0)
        await database.open()
        await database.rows("select 1")
        wire.cut()
        started = time.monotonic()

        with pytest.raises(ServiceUnreachable):
            await database.rows("select 1")

        assert time.monotonic() - started < 15
        await database.close()
