"""`AsyncClient`: the same as `Client` for programs that await. Its methods are those of `operations`, too."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from uuid import uuid4

import httpx

from classyard.client import wire
from classyard.client.bodies import Body, Source
from classyard.client.effects import Effect, Give, Open, Operation, Pause, Reply, Request, Send, advance
from classyard.client.operations import Requirements, Which
from classyard.client.place import find_place
from classyard.client.values import Batch, Cancelled, Result, Retried, Submitted

T = TypeVar("T")


class AsyncClient:
    """For one event loop. What `Client` says of its arguments and errors holds here."""

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout_s: float = 60.0,
        retries: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._operations = wire.operations(retries)
        self._http = httpx.AsyncClient(
            **wire.settings(find_place(url, key, os.environ), timeout_s), transport=transport
        )

    async def submit(
        self, documents: Source, *, review: str, key: str | None = None, **requirements: Unpack[Requirements]
    ) -> Submitted:
        """As `Client.submit`; the documents may come asynchronously, too."""
        return await self._one(
            self._operations.submit(
                Body(documents), review=review, requirements=requirements, key=key or uuid4().hex
            )
        )

    async def get(self, batch: Which) -> Batch:
        return await self._one(self._operations.get(batch))

    async def wait(
        self,
        batch: Which,
        *,
        timeout_s: float | None = None,
        on_progress: Callable[[Batch], object] | None = None,
    ) -> Batch:
        async for found in self.progress(batch, timeout_s=timeout_s):
            if on_progress:
                on_progress(found)
        return found

    def progress(self, batch: Which, *, timeout_s: float | None = None) -> AsyncIterator[Batch]:
        return self._many(self._operations.progress(batch, timeout_s=timeout_s))

    def results(self, batch: Which) -> AsyncIterator[Result]:
        return self._many(self._operations.results(batch))

    async def cancel(self, batch: Which) -> Cancelled:
        return await self._one(self._operations.cancel(batch))

    async def retry(self, batch: Which) -> Retried:
        return await self._one(self._operations.retry(batch))

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- carrying out

    async def _one(self, operation: Operation[T]) -> T:
        return [given async for given in self._many(operation)][-1]

    async def _many(self, operation: Operation[T]) -> AsyncIterator[T]:
        carrier, effect = _Carrier(self._http), advance(operation, None)
        try:
            while effect is not None:
                if isinstance(effect, Give):
                    yield effect.value
                    effect = advance(operation, None)
                else:
                    effect = advance(operation, await carrier.carry_out(effect))
        finally:
            await carrier.close()


class _Carrier:
    """Of one operation, with the stream that it has open."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._stream: httpx.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None

    async def carry_out(self, effect: Effect) -> Any:
        """What came of it; a fault is a value, too."""
        if isinstance(effect, Pause):
            await asyncio.sleep(effect.seconds)
            return None
        try:
            if isinstance(effect, Send):
                response = await self._send(effect.request, stream=False)
                return wire.reply(response, response.content)
            if isinstance(effect, Open):
                return await self._open(effect.request)
            return await anext(self._pieces, b"") if self._pieces else b""
        except (httpx.HTTPError, httpx.StreamError) as error:
            return wire.fault(error)

    async def close(self) -> None:
        if self._stream is not None:
            await self._stream.aclose()
            self._stream = None

    async def _open(self, request: Request) -> Reply:
        await self.close()
        self._stream = response = await self._send(request, stream=True)
        self._pieces = (piece async for piece in response.aiter_bytes() if piece)
        return wire.reply(response, b"" if response.is_success else await response.aread())

    async def _send(self, request: Request, *, stream: bool) -> httpx.Response:
        content = _content(request.body) if request.body else None
        return await self._http.send(wire.built(self._http, request, content), stream=stream)


def _content(body: Body) -> AsyncIterator[bytes]:
    return body.pieces_to_come() if body.is_asynchronous else _beside(body)


async def _beside(body: Body) -> AsyncIterator[bytes]:
    """A file is read in a thread; documents of the caller's own are taken where the caller made them."""
    pieces: Iterator[bytes] = body.pieces()
    while piece := await asyncio.to_thread(next, pieces, b"") if body.is_file else next(pieces, b""):
        yield piece
