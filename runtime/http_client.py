"""The HTTP client for calls to providers, and the one module that knows which library carries them.

httpx is what callers see; aiohttp carries, since it takes a fifth of the processor time for a call. Nothing
is taken from the environment: no proxy, no netrc, no certificate variables. No cookie is kept, no redirect
is followed.
"""

from __future__ import annotations

from enum import Enum
from http.cookiejar import CookieJar, DefaultCookiePolicy

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

TRANSPORT_ERRORS: tuple[type[Exception], ...] = (httpx.HTTPError, aiohttp.ClientError, OSError, EOFError)
"""What a call may raise when the network or the other side fails. The transport of httpx-aiohttp 0.2 lets
some of aiohttp's errors through as they are, such as the one for a reply that is not HTTP."""


def make_client(
    *, max_calls: int = 1_000, connect_s: float = 10.0, keepalive_s: float = 60.0
) -> httpx.AsyncClient:
    """A client for up to `max_calls` at once over all hosts; a further call waits for a free connection.

    It sets a limit on connecting only: the caller puts a deadline on the whole call. Close it with `aclose`.
    Connections that rest longer than `keepalive_s` are closed.
    """
    context = httpx.create_ssl_context(trust_env=False)

    def session() -> aiohttp.ClientSession:
        """Made at the first call, inside the running loop, as aiohttp wants it."""
        connector = aiohttp.TCPConnector(limit=max_calls, keepalive_timeout=keepalive_s, ssl=context)
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
        )

    return httpx.AsyncClient(
        transport=AiohttpTransport(verify=context, trust_env=False, client=session),
        timeout=httpx.Timeout(None, connect=connect_s),
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"user-agent": "classyard"},
    )


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
