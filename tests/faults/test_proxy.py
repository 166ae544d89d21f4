"""The proxy does what it says, and counts it."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.faults.proxy import CALM, Proxy, Weather


@asynccontextmanager
async def proxied(**weather: Any) -> AsyncIterator[Proxy]:
    """Before a server that says every line again."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = Proxy(server.sockets[0].getsockname(), dice=lambda: 0.0)
    await proxy.open()
    await proxy.become(Weather(**weather))
    try:
        yield proxy
    finally:
        await proxy.close()
        server.close()


@asynccontextmanager
async def client(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def ask(proxy: Proxy, said: bytes = b"hello\n", *, within_s: float = 2.0) -> bytes:
    """The reply until its end of line, or what came before the connection ended."""
    async with client(proxy) as (reader, writer), asyncio.timeout(within_s):
        writer.write(said)
        try:
            return await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as cut:
            return cut.partial


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_on_a_calm_day_it_is_not_there() -> None:
    async def calm() -> None:
        async with proxied() as proxy:
            long = b"x" * 60_000 + b"\n"
            assert [await ask(proxy), await ask(proxy, long)] == [b"hello\n", long]
            assert proxy.counts == {"accepted": 2}

    run(calm())


def test_it_refuses_and_takes_again_at_the_same_port() -> None:
    async def refusing() -> None:
        async with proxied() as proxy, client(proxy) as (reader, writer):
            writer.write(b"a\n")
            assert await reader.readline() == b"a\n"
            await proxy.become(Weather(refuses=True))
            with pytest.raises(OSError) as refused:
                await ask(proxy)
            assert refused.value.errno == errno.ECONNREFUSED
            with pytest.raises(ConnectionResetError):  # who was connected is reset
                await reader.readline()
            await proxy.become(CALM)
            assert await ask(proxy) == b"hello\n"
            assert proxy.counts["refused"] == 1

    run(refusing())


def test_half_open_it_takes_and_says_nothing_until_it_has_forgotten_you() -> None:
    async def half_open() -> None:
        async with proxied(swallows=True) as proxy, client(proxy) as (reader, writer):
            writer.write(b"hello\n")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.readline(), 0.2)
            await proxy.become(CALM)
            with pytest.raises(ConnectionResetError):
                await reader.readline()
            assert await ask(proxy) == b"hello\n"
            assert proxy.counts["swallowed"] == 1

    run(half_open())


def test_a_slow_link_is_slow() -> None:
    async def slow() -> None:
        async with proxied(delay_s=0.1) as proxy:
            started = asyncio.get_running_loop().time()
            assert await ask(proxy) == b"hello\n"
            assert asyncio.get_running_loop().time() - started >= 0.1
            assert proxy.counts["delayed"] == 1

    run(slow())


@pytest.mark.parametrize("kept", [0, 1, 5])
def test_a_reply_is_cut_after_so_many_bytes(kept: int) -> None:
    async def cut() -> None:
        async with proxied(cut_after=kept) as proxy:
            assert await ask(proxy) == b"hello\n"[:kept]
            assert proxy.counts["cut"] == 1

    run(cut())


def test_a_reset_comes_in_the_middle_of_a_reply() -> None:
    async def reset() -> None:
        async with proxied(reset_share=1.0) as proxy:
            with pytest.raises(ConnectionResetError):
                await ask(proxy)
            assert proxy.counts["reset"] == 1

    run(reset())


def test_everybody_who_is_connected_can_be_reset_at_once() -> None:
    async def reset_all() -> None:
        async with proxied() as proxy, client(proxy) as (one, writing), client(proxy) as (other, also):
            for reader, writer in ((one, writing), (other, also)):
                writer.write(b"a\n")
                assert await reader.readline() == b"a\n"
            assert proxy.reset_all() == 2
            for reader in (one, other):
                with pytest.raises(ConnectionResetError):
                    await reader.readline()

    run(reset_all())


def test_with_nobody_behind_it_a_connection_is_reset() -> None:
    async def alone() -> None:
        proxy = Proxy(("127.0.0.1", 1))
        await proxy.open()
        with pytest.raises(ConnectionResetError):
            await ask(proxy)
        await proxy.close()

    run(alone())
