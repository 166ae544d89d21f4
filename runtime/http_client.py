"""What carries calls to providers, and the one module that knows which library does.

httpx is what callers see: its requests, its replies and its interface of a transport. aiohttp carries, since it takes
a fifth of the processor time for a call, and there is no httpx client around it, since that takes as much again for
redirects, cookies and logins that no provider is to have. Nothing is taken from the environment: no proxy, no netrc,
no certificate variables. No cookie is kept, no redirect is followed.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from httpx_aiohttp import AiohttpTransport

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""Gives the addresses of a name; raises `OSError` where there are none, or none may be used."""

TRANSPORT_ERRORS: tuple[type[Exception], ...] = (httpx.HTTPError, aiohttp.ClientError, OSError, EOFError)
"""What a call may raise when the network or the other side fails. The transport of httpx-aiohttp 0.2 lets
some of aiohttp's errors through as they are, such as the one for a reply that is not HTTP."""


def make_transport(
    *,
    max_calls: int = 1_000,
    keepalive_s: float = 60.0,
    lookup: Lookup | None = None,
    context: ssl.SSLContext | None = None,
) -> httpx.AsyncBaseTransport:
    """For up to `max_calls` at once over all hosts; a further call waits for a free connection.

    It sets no limits of time: the caller puts one on connecting, and a deadline on the whole call. Close it with
    `aclose`. Connections that rest longer than `keepalive_s` are closed. With `lookup`, each new connection goes to an
    address that this call of it gave, and to no other; a host that is an address is not looked up. Certificates are
    checked against the name all the same. `context`: what is trusted, where it is not the usual authorities.
    """
    context = context or httpx.create_ssl_context(trust_env=False)

    def session() -> aiohttp.ClientSession:
        """Made at the first call, inside the running loop, as aiohttp wants it."""
        resolver = _Resolver(lookup) if lookup else None
        connector = aiohttp.TCPConnector(
            limit=max_calls,
            keepalive_timeout=keepalive_s,
            ssl=context,
            resolver=resolver,
            use_dns_cache=resolver is None,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"user-agent": "classyard"},
            trust_env=False,
            auto_decompress=False,
        )

    return AiohttpTransport(verify=context, trust_env=False, client=session)


class _Resolver(AbstractResolver):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._lookup(host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in found
        ]

    async def close(self) -> None:
        pass


class Break(Enum):
    """How a call ended without a reply."""

    TIMEOUT = "timeout"
    """No connection in the time that connecting may take."""
    UNREACHED = "unreached"
    """No connection: refused, no such host, no trust. Nothing was sent."""
    BROKEN = "broken"
    """A connection that ended or went wrong before the reply was whole. The other side may have done the work."""


def how_it_broke(error: Exception) -> Break:
    """What one of `TRANSPORT_ERRORS` means.

    By its cause, since httpx-aiohttp 0.2 gives `ConnectTimeout` for a refused connection and for a server that
    hung up as well.
    """
    cause = error.__cause__ or error
    if isinstance(cause, TimeoutError):
        return Break.TIMEOUT
    reached = not isinstance(cause, (aiohttp.ClientConnectorError, httpx.ConnectError))
    return Break.BROKEN if reached else Break.UNREACHED
