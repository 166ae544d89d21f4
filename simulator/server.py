"""Where the pretend providers listen: a port, or a Unix socket; and how they stop.

`running` is for tests in the same process, `listening` for the command line. Uses aiohttp's low-level server,
without routing and middlewares, because benchmarks pay for every microsecond here.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from schemas.errors import BadConfiguration, PortInUse
from simulator.calls import LARGEST_BODY_BYTES, Simulator
from simulator.profiles import Profile, parse_profile

_BACKLOG = 4096  # a benchmark opens hundreds of connections at once


class Address(NamedTuple):
    host: str
    port: int
    unix: str = ""
    """The path of a Unix socket; then host and port mean nothing."""

    @property
    def url(self) -> str:
        """What paths such as `/fast/v1/models` are put behind."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}" if not self.unix else "http://simulator"

    def as_json(self) -> dict[str, Any]:
        return {"unix": self.unix} if self.unix else {"host": self.host, "port": self.port}


@asynccontextmanager
async def running(
    providers: Mapping[str, str | Profile],
    *,
    seed: int = 7,
    key: str | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[str]:
    """Providers in this process and event loop; gives the base URL, without a slash at its end.

        async with running({"fast": "instant", "bad": "flaky:rate_500=1"}) as url:
            await client.post(f"{url}/fast/v1/chat/completions", json=...)

    Raises `BadConfiguration` and `PortInUse` before anything listens.
    """
    simulator = Simulator(read_providers(providers), seed=seed, key=key)
    async with listening(simulator, host=host, port=port, grace_s=0.2) as address:
        yield address.url


def read_providers(providers: Mapping[str, str | Profile]) -> dict[str, Profile]:
    """Profiles by provider name, from profiles or strings such as `flaky:rate_500=1`."""
    for name in providers:
        if not name or name.startswith("_") or not name.replace("-", "").replace("_", "").isalnum():
            raise BadConfiguration(
                f"{name!r} cannot name a pretend provider: letters, digits, '-' and '_', not '_' first.",
            )
    return {n: parse_profile(p) if isinstance(p, str) else p for n, p in providers.items()}


@asynccontextmanager
async def listening(
    simulator: Simulator, *, host: str = "127.0.0.1", port: int = 0, unix: str = "", grace_s: float = 2.0
) -> AsyncIterator[Address]:
    """Serves until left; then takes no new calls, drops hanging ones and gives the others `grace_s` seconds.

    Port 0 takes a free one. Raises `PortInUse` where another process listens at the address.
    """
    server = web.Server(
        simulator.handle, request_factory=_request, handler_cancellation=True, access_log=None
    )
    runner = web.ServerRunner(server, shutdown_timeout=grace_s / 2)  # it is waited for twice
    await runner.setup()
    try:
        yield await _open(runner, host=host, port=port, unix=unix)
    finally:
        simulator.stopping.set()
        await runner.cleanup()


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: Any,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=LARGEST_BODY_BYTES)


async def _open(runner: web.ServerRunner, *, host: str, port: int, unix: str) -> Address:
    try:
        if unix:
            _refuse_live_socket(unix)
            await web.UnixSite(runner, unix, backlog=_BACKLOG).start()
            return Address("", 0, unix)
        await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
    except OSError as refused:
        raise _sentence(refused, unix or f"{host}:{port}") from refused
    return Address(host, int(runner.addresses[0][1]))


def _refuse_live_socket(path: str) -> None:
    """A socket file whose owner is gone is taken over; one that answers is in use."""
    if not Path(path).is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(path) == 0:
            raise OSError(errno.EADDRINUSE, "in use")


def _sentence(refused: OSError, address: str) -> PortInUse | BadConfiguration:
    if refused.errno == errno.EADDRINUSE:
        return PortInUse(f"Another process listens at {address!r}; choose another, or port 0 for a free one.")
    return BadConfiguration(f"The simulator cannot listen at {address!r}: {refused.strerror or refused}.")
