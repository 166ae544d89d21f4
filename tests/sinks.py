"""Receivers of webhooks for tests, on sockets: good ones, and faulty ones in every way that is known. By path:

`/good` 204 · `/fail` 500 · `/flaky` 500 for the first attempt of every event · `/hang` never answers · `/drip` sends
its head a byte at a time · `/dripping` a good head, and its body a byte at a time · `/huge` a body without an end ·
`/redirect` to where a cloud keeps its keys · `/gone` 410 · `/later` 429 with `Retry-After: 1`, then 204 · `/cut` hangs
up without an answer · `/nonsense` is no HTTP · `/mixed` one of these for each event, by its id, and then is good.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

MIXED = (*("good",) * 8, "fail", "cut", "redirect", "nonsense")


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes

    @property
    def event_id(self) -> str:
        return self.headers.get("webhook-id", "")


@dataclass
class Sink:
    seen: list[Request] = field(default_factory=list)
    tries: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By path and event."""
    now: Counter[str] = field(default_factory=Counter)
    """Under way, by path."""
    peak: Counter[str] = field(default_factory=Counter)
    accepted: set[tuple[str, str]] = field(default_factory=set)
    """Path and event of what was answered with 2xx."""
    port: int = 0
    connections: int = 0
    broken: set[str] = field(default_factory=set)
    """Paths that answer 500 for now."""

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def at(self, path: str) -> list[Request]:
        return [one for one in self.seen if one.path == path]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            while request := await _read(reader):
                self.seen.append(request)
                self.tries[request.path, request.event_id] += 1
                self.now[request.path] += 1
                self.peak[request.path] = max(self.peak[request.path], self.now[request.path])
                try:
                    if not await self._act(request, writer):
                        break
                finally:
                    self.now[request.path] -= 1
        writer.close()

    async def _act(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        tried = self.tries[request.path, request.event_id]
        how = self._how(request.path, request.event_id, tried)
        match how:
            case "fail":
                return await _send(writer, b"500 No", b"")
            case "hang":
                await asyncio.sleep(60)
            case "drip" | "dripping":
                whole = b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000
                if how == "dripping":
                    self.accepted.add((request.path, request.event_id))
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                for byte in whole:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.2)
            case "huge":
                self.accepted.add((request.path, request.event_id))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
                while not writer.is_closing():
                    writer.write(b"x" * 65_536)
                    await writer.drain()
            case "redirect":
                there = b"Location: http://169.254.169.254/latest/meta-data/\r\n"
                return await _send(writer, b"302 Found", there)
            case "gone":
                return await _send(writer, b"410 Gone", b"")
            case "later":
                return await _send(writer, b"429 Later", b"Retry-After: 1\r\n")
            case "nonsense":
                writer.write(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
                await writer.drain()
            case "good":
                self.accepted.add((request.path, request.event_id))
                return await _send(writer, b"204 OK", b"")
        return False

    def _how(self, path: str, event_id: str, tried: int) -> str:
        if path in self.broken:
            return "fail"
        name = path.partition("?")[0].strip("/").split("/")[0]
        if name == "mixed":
            name = MIXED[int(event_id[-4:], 16) % len(MIXED)] if tried == 1 else "good"
        if name == "flaky":
            return "fail" if tried == 1 else "good"
        if name == "later" and path.startswith("/later") and tried > 1:
            return "good"
        return name


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(first.split(" ")[1], headers, body)


async def _send(writer: asyncio.StreamWriter, status: bytes, more: bytes) -> bool:
    length = b"" if status.startswith(b"204") else b"Content-Length: 0\r\n"
    writer.write(b"HTTP/1.1 " + status + b"\r\n" + more + length + b"\r\n")
    await writer.drain()
    return True


@asynccontextmanager
async def sink(
    *, host: str = "127.0.0.1", port: int = 0, context: ssl.SSLContext | None = None
) -> AsyncIterator[Sink]:
    here = Sink()
    server = await asyncio.start_server(here.answer, host, port, ssl=context)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()
