"""A TCP proxy that misbehaves on demand: it stands before a server or a provider, and is
switched while it runs.

Each fault is what a real network does: a port that refuses, a half-open link that takes bytes and says nothing, a slow
link, a reply that ends after so many bytes, a reset in the middle of one. What it did is counted, so that a test can
tell a fault that never fired from one that was survived.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends RST in the place of FIN."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Weather:
    """What the link does now. The default is a calm day."""

    refuses: bool = False
    """Nobody listens; who was connected is reset."""
    swallows: bool = False
    """Half-open: connections are accepted and stay, and no byte passes either way. When it ends, those who lived
    through it are reset, as by a peer that has forgotten them."""
    delay_s: float = 0.0
    """Before each piece of a reply."""
    cut_after: int | None = None
    """Bytes of replies on one connection, after which it ends, in order but too soon."""
    reset_share: float = 0.0
    """Of the pieces of replies, at which half is sent and the connection is reset."""


CALM = Weather()


@dataclass(eq=False)
class _Link:
    """One client and its upstream."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    replied: int = 0
    swallowed: bool = False

    def reset(self) -> None:
        for writer in (self.client, self.server):
            if writer is not None and not writer.is_closing():
                _abort(writer)


@dataclass
class Proxy:
    """`upstream` is the path of a Unix socket, or a host and a port. All of it runs on one loop."""

    upstream: Path | tuple[str, int]
    dice: Callable[[], float] = lambda: 1.0
    """For `reset_share`; 1.0 never fires."""
    weather: Weather = CALM
    port: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """`accepted`, `refused` (times), `swallowed` (connections), `delayed`, `cut`, `reset`."""
    _links: set[_Link] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listens on a free port of the loopback, and on the same one after a refusal."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        await self._stop_listening()
        self.reset_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def become(self, weather: Weather) -> None:
        before, self.weather = self.weather, weather
        if weather.refuses and self._server is not None:
            self.counts["refused"] += 1
            await self._stop_listening()
            self.reset_all()
        if not weather.refuses and self._server is None:
            await self.open()
        if before.swallows and not weather.swallows:
            for link in [one for one in self._links if one.swallowed]:
                self.counts["swallowed"] += 1
                link.reset()

    def reset_all(self) -> int:
        """Resets every connection that is open now; gives how many."""
        links = list(self._links)
        for link in links:
            link.reset()
        self.counts["reset"] += len(links)
        return len(links)

    # -- one connection

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer)
        self._links.add(link)
        self.counts["accepted"] += 1
        try:
            answers, link.server = await self._connect()
            both = [
                asyncio.ensure_future(self._asks(reader, link)),
                asyncio.ensure_future(self._replies(answers, link)),
            ]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in both:
                    one.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        except OSError:
            link.reset()  # nobody is behind us
        finally:
            self._links.discard(link)
            for end in (link.client, link.server):
                if end is not None and not end.is_closing():
                    end.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.upstream, Path):
            return await asyncio.open_unix_connection(str(self.upstream), limit=CHUNK)
        return await asyncio.open_connection(*self.upstream, limit=CHUNK)

    async def _asks(self, reader: asyncio.StreamReader, link: _Link) -> None:
        while piece := await reader.read(CHUNK):
            if self._swallow(link):
                continue
            assert link.server is not None
            link.server.write(piece)
            await link.server.drain()

    async def _replies(self, reader: asyncio.StreamReader, link: _Link) -> None:
        while piece := await reader.read(CHUNK):
            if self._swallow(link):
                continue
            if self.weather.delay_s:
                self.counts["delayed"] += 1
                await asyncio.sleep(self.weather.delay_s)
            if not await self._reply(piece, link):
                return

    async def _reply(self, piece: bytes, link: _Link) -> bool:
        """Whether the connection goes on."""
        cut, resets = self.weather.cut_after, self.dice() < self.weather.reset_share
        ends = cut is not None and link.replied + len(piece) > cut
        if ends and cut is not None:
            piece = piece[: max(0, cut - link.replied)]
        elif resets:
            piece = piece[: len(piece) // 2]
        link.client.write(piece)
        await link.client.drain()
        link.replied += len(piece)
        if resets and not ends:
            self.counts["reset"] += 1
            link.reset()
        elif ends:
            self.counts["cut"] += 1
        return not ends and not resets

    def _swallow(self, link: _Link) -> bool:
        link.swallowed = link.swallowed or self.weather.swallows
        return link.swallowed


def _abort(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    if found is not None and found.family in (socket.AF_INET, socket.AF_INET6):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport: Any = writer.transport
    transport.abort()


class ProxyThread:
    """Proxies on a loop in a thread of their own, for a laboratory that is written without `await`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._proxies: list[Proxy] = []
        self._thread.start()

    def add(self, upstream: Path | tuple[str, int], dice: Callable[[], float] = lambda: 1.0) -> Proxy:
        proxy = Proxy(upstream, dice)
        self._do(proxy.open())
        self._proxies.append(proxy)
        return proxy

    def become(self, proxy: Proxy, weather: Weather) -> None:
        self._do(proxy.become(weather))

    def reset_all(self, proxy: Proxy) -> int:
        async def reset() -> int:
            return proxy.reset_all()

        return self._do(reset())

    def close(self) -> None:
        for proxy in self._proxies:
            self._do(proxy.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)
