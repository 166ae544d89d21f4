"""The only place that sends to a provider. It adds the key, keeps the limits, and tells what happened as a
value.

Nothing here logs, and no sentence holds a body, a header or an address's query.

The base URL is the one that the wire's own client library takes, so OpenAI's holds its `/v1` and
Anthropic's and Gemini's do not; an adapter's path continues it. Where the base ends with the segment that
the path begins with (`https://api.anthropic.com/v1` and `/v1/messages`), it stands in the address once.
"""

from __future__ import annotations

import asyncio

import httpx

from provider_workers.adapters import Adapter, adapter_for
from runtime.credentials import Secret
from runtime.http_client import TRANSPORT_ERRORS, Break, how_it_broke
from schemas.attempt import Fault, FaultKind
from schemas.call import HttpReply, HttpRequest
from schemas.catalog import CatalogProvider
from schemas.errors import BadConfiguration

MAX_REPLY_BYTES = 8 * 1024 * 1024
"""An answer with log-probabilities for some ten thousand tokens is a few hundred kilobytes; more than this
is not an answer."""

CONNECT_S = 10.0
"""A provider that takes longer to accept a connection is down for us."""

_BROKE: dict[Break, Fault] = {
    Break.TIMEOUT: Fault(FaultKind.TIMEOUT, "The provider did not accept the connection in time."),
    Break.UNREACHED: Fault(FaultKind.CONNECTION, "The provider could not be reached."),
    Break.BROKEN: Fault(
        FaultKind.CONNECTION, "The connection to the provider broke before its reply was whole."
    ),
}


class Caller:
    """Sends to one provider. Many calls may be under way at once; the transport's owner closes it."""

    def __init__(
        self, provider: CatalogProvider, key: Secret | str | None, transport: httpx.AsyncBaseTransport
    ) -> None:
        """Raises `BadConfiguration` for an adapter or a base URL that cannot be used."""
        self._provider = provider
        self._base = _base(provider)
        self._transport = transport
        self._addresses: dict[str, httpx.URL] = {}
        # A reply is asked for as it is: a compressed one may grow a thousandfold when it is opened.
        self._headers = {
            "accept-encoding": "identity",
            **_key_headers(adapter_for(provider.adapter), key, provider.key_header),
        }

    async def send(
        self, request: HttpRequest, *, idempotency_key: str | None = None, timeout_s: float | None = None
    ) -> HttpReply | Fault:
        """Posts the request once and reads the whole reply. Never tries again, and raises for nothing that
        the network or the provider does.

        `timeout_s` bounds the call from connecting to the last byte; the provider's own limit where it is
        None, and never more than that.
        """
        limit_s = min(timeout_s or self._provider.timeout_s, self._provider.timeout_s)
        try:
            async with asyncio.timeout(limit_s):
                return await self._exchange(self._prepared(request, idempotency_key, limit_s))
        except TimeoutError:
            return Fault(FaultKind.TIMEOUT, f"The provider did not finish its reply within {limit_s:g} s.")
        except TRANSPORT_ERRORS as error:
            return _BROKE[how_it_broke(error)]

    def _prepared(self, request: HttpRequest, idempotency_key: str | None, limit_s: float) -> httpx.Request:
        headers = {**request.headers, **self._headers}
        if idempotency_key:
            headers["idempotency-key"] = idempotency_key
        # A stream that is read already: host and length are the transport's to say, so httpx need not find them out.
        prepared = httpx.Request(
            "POST",
            self._address(request.path),
            stream=httpx.ByteStream(request.body),
            headers=headers,
            extensions={"timeout": {"connect": min(CONNECT_S, limit_s)}},
        )
        prepared.read()
        return prepared

    def _address(self, path: str) -> httpx.URL:
        """An adapter has a path or two, and one for each model at most; reading an address takes its time."""
        found = self._addresses.get(path)
        if found is None:
            found = httpx.URL(_joined(self._base, path), params=self._provider.query or None)
            self._addresses[path] = found
        return found

    async def _exchange(self, prepared: httpx.Request) -> HttpReply | Fault:
        response = await self._transport.handle_async_request(prepared)
        headers = _headers(response)
        try:
            return _unreadable(response.status_code, headers) or await _reply(response, headers)
        finally:
            await response.aclose()


async def _reply(response: httpx.Response, headers: dict[str, str]) -> HttpReply | Fault:
    status = response.status_code
    assert isinstance(response.stream, httpx.AsyncByteStream)
    body = bytearray()
    async for chunk in response.stream:
        body += chunk
        if len(body) > MAX_REPLY_BYTES:
            return _fault(status, FaultKind.MALFORMED, f"it is larger than {MAX_REPLY_BYTES} bytes")
    return HttpReply(status, headers, bytes(body))


def _headers(response: httpx.Response) -> dict[str, str]:
    """By name in small letters; one that stands there twice holds both values."""
    found: dict[str, str] = {}
    for raw, value in response.headers.raw:
        name, told = raw.decode("latin-1").lower(), value.decode("latin-1")
        found[name] = f"{found[name]}, {told}" if name in found else told
    return found


def _unreadable(status: int, headers: dict[str, str]) -> Fault | None:
    if 300 <= status < 400:
        return _fault(status, FaultKind.BAD_REQUEST, "it is a redirect, which is not followed")
    if headers.get("content-encoding", "identity").lower() != "identity":
        return _fault(status, FaultKind.MALFORMED, "it is compressed, which was not asked for")
    return None


def _fault(status: int, kind: FaultKind, why: str) -> Fault:
    return Fault(kind, f"The provider's reply (HTTP {status}) was not read: {why}.", status)


def _key_headers(adapter: Adapter, key: Secret | str | None, header: str | None) -> dict[str, str]:
    if key is None:
        return {}
    return adapter.auth_headers(key.reveal() if isinstance(key, Secret) else key, header)


def _base(provider: CatalogProvider) -> str:
    try:
        url = httpx.URL(provider.base_url)
    except httpx.InvalidURL as error:
        raise BadConfiguration(f"The base URL of provider {provider.name!r} is not an address.") from error
    if url.userinfo or url.query or url.fragment or not url.host:
        raise BadConfiguration(
            f"The base URL of provider {provider.name!r} may hold a host and a path, and nothing else; "
            "a query belongs into 'query', and a key is named by 'key'."
        )
    return provider.base_url.rstrip("/")


def _joined(base: str, path: str) -> str:
    first = "/" + path.lstrip("/").split("/", 1)[0]
    return base.removesuffix(first) + path
