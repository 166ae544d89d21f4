"""One attempt: the only place that sends a webhook, and the only one that looks at its answer.

A name is looked up once for each new connection, all its addresses are checked, and the connection goes to one of those
that were checked: what the name says a moment later does not matter. No redirect is followed and no proxy is used. One
deadline covers all of it. What the answer says beyond its status is thrown away unread.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, partial

import httpx

from producer.webhooks.addresses import Network, is_named, read_address, why_closed
from producer.webhooks.targets import Target, read_target
from runtime.clock import Ticks, ticks
from runtime.http_client import TRANSPORT_ERRORS, Break, Lookup, how_it_broke, make_transport
from schemas.errors import BadInput

CONNECT_S = 5.0
KEEPALIVE_S = 15.0
BODY_BYTES = 16 * 1024
BODY_S = 1.0
"""What is read of an answer's body, so that the connection can be used again; one with more is closed."""
GONE = 410
SENT = {"user-agent": "classyard", "accept": "*/*"}


class Outcome(StrEnum):
    DELIVERED = "delivered"
    REFUSED = "refused"
    """An answer that is not 2xx."""
    GONE = "gone"
    FORBIDDEN = "forbidden"
    """The name leads to where nothing is sent."""
    TIMEOUT = "timeout"
    UNREACHED = "unreached"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Answer:
    outcome: Outcome
    took_ms: int
    sentence: str
    http_status: int | None = None
    retry_after: str | None = None


class Forbidden(OSError):
    """Nothing is sent there; the message says why, with the kind of address."""


async def system_lookup(host: str) -> list[str]:
    """As the operating system has it."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class Sender:
    """`allowed`: ranges that the operator named, beside the open internet."""

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        lookup: Lookup = system_lookup,
        deadline_s: float = 15.0,
        context: ssl.SSLContext | None = None,
        clock: Ticks = ticks,
    ) -> None:
        self._allowed, self._deadline_s, self._clock = tuple(allowed), deadline_s, clock
        make = partial(make_transport, keepalive_s=KEEPALIVE_S, context=context)
        self._https = make(lookup=partial(self._checked, lookup, False))
        self._http = make(lookup=partial(self._checked, lookup, True))

    async def close(self) -> None:
        await self._https.aclose()
        await self._http.aclose()

    async def send(self, url: str, headers: Mapping[str, str], payload: bytes) -> Answer:
        """Whatever happens is an answer; nothing is raised but a cancellation."""
        began = self._clock()

        def answered(outcome: Outcome, sentence: str, reply: httpx.Response | None = None) -> Answer:
            took_ms = round((self._clock() - began) * 1_000)
            if reply is None:
                return Answer(outcome, took_ms, sentence)
            after = reply.headers.get("retry-after")
            return Answer(outcome, took_ms, sentence, reply.status_code, after)

        try:
            target = _target(url, may_be_plain=bool(self._allowed))
            if target.address is not None:
                self._require(str(target.address), only_named=not target.is_https)
            return await self._post(target, headers, payload, answered)
        except TimeoutError:
            return answered(Outcome.TIMEOUT, f"There was no answer within {self._deadline_s:g} s.")
        except BadInput as error:
            return answered(Outcome.FORBIDDEN, error.sentence)
        except TRANSPORT_ERRORS as error:
            forbidden = next((one for one in _causes(error) if isinstance(one, Forbidden)), None)
            if forbidden is not None:
                return answered(Outcome.FORBIDDEN, str(forbidden))
            return answered(*_broken(error))

    async def _post(
        self, target: Target, headers: Mapping[str, str], payload: bytes, answered: Callable[..., Answer]
    ) -> Answer:
        transport = self._https if target.is_https else self._http
        sent = {"host": target.authority, "content-type": "application/json", **SENT, **headers}
        extensions = {"timeout": {"connect": CONNECT_S}}
        request = httpx.Request(
            "POST", _url(target.url), headers=sent, content=payload, extensions=extensions
        )
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(self._deadline_s):
                reply = await transport.handle_async_request(request)
                stack.push_async_callback(reply.aclose)
            answer = answered(*_read(reply.status_code), reply)
            await _discard(reply)
        return answer

    # -- addresses

    async def _checked(self, lookup: Lookup, only_named: bool, host: str) -> Sequence[str]:
        found = await lookup(host)
        for address in found:
            self._require(address, only_named=only_named)
        return found

    def _require(self, text: str, *, only_named: bool) -> None:
        """One closed address among several closes the name."""
        try:
            address = read_address(text)
        except ValueError:
            raise Forbidden("Its name leads to an address that cannot be read.") from None
        if is_named(address, self._allowed):
            return
        if only_named:
            raise Forbidden("http is only for ranges that CLASSYARD_WEBHOOK_ALLOW names; use https.")
        if (why := why_closed(address)) is not None:
            raise Forbidden(f"Its name leads to an address that is {why}; nothing is sent there.")


_target = lru_cache(maxsize=1_000)(read_target)
_url = lru_cache(maxsize=1_000)(httpx.URL)
"""One endpoint has many events."""


def _read(status: int) -> tuple[Outcome, str]:
    if 200 <= status < 300:
        return Outcome.DELIVERED, f"It answered {status}."
    if status == GONE:
        return Outcome.GONE, "It answered 410: it is gone, and wants no more."
    if 300 <= status < 400:
        return Outcome.REFUSED, f"It answered {status}, a redirect, and none is followed."
    return Outcome.REFUSED, f"It answered {status}."


async def _discard(reply: httpx.Response) -> None:
    """For a moment, and not much; the status is the answer, whatever becomes of the body."""
    seen = 0
    with suppress(TimeoutError, *TRANSPORT_ERRORS):
        async with asyncio.timeout(BODY_S):
            async for piece in reply.aiter_raw():
                seen += len(piece)
                if seen > BODY_BYTES:
                    return


def _broken(error: Exception) -> tuple[Outcome, str]:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Outcome.UNREACHED, "Its certificate is not one to trust for this name."
        if isinstance(cause, socket.gaierror):
            return Outcome.UNREACHED, "Its name leads nowhere."
    match how_it_broke(error):
        case Break.TIMEOUT:
            return Outcome.TIMEOUT, f"There was no connection within {CONNECT_S:g} s."
        case Break.UNREACHED:
            return Outcome.UNREACHED, "There was no connection to be had."
        case Break.BROKEN:
            return Outcome.BROKEN, "The connection ended before there was an answer."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it came from, and what aiohttp keeps beside it."""
    seen = set[int]()
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [
            one.__cause__,
            one.__context__,
            getattr(one, "os_error", None),
            *getattr(one, "exceptions", ()),
        ]
