"""`Client`: a yard's API for programs that wait. Its methods are those of `operations`; they are carried out here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from uuid import uuid4

import httpx

from classyard.client import wire
from classyard.client.bodies import Body, Given
from classyard.client.effects import Effect, Give, Open, Operation, Pause, Reply, Request, Send, advance
from classyard.client.operations import Requirements, Which
from classyard.client.place import find_place
from classyard.client.problems import Misconfigured
from classyard.client.values import Batch, Cancelled, Result, Retried, Submitted

T = TypeVar("T")


class Client:
    """May be shared by threads.

    `url`, `key`: else `CLASSYARD_URL` and `CLASSYARD_KEY`, else those of the yard that runs on this machine.
    `timeout_s` is for each wait on the network, `retries` how often a request is sent again. Every method raises
    `ClientError`.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout_s: float = 60.0,
        retries: int = 4,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._operations = wire.operations(retries)
        self._http = httpx.Client(
            **wire.settings(find_place(url, key, os.environ), timeout_s), transport=transport
        )

    def submit(
        self,
        documents: str | os.PathLike[str] | Iterable[Given],
        *,
        review: str,
        key: str | None = None,
        **requirements: Unpack[Requirements],
    ) -> Submitted:
        """Hands in a path of JSON Lines, or documents; committed whole when it returns, and not at all when it raises.

        With the same `key` the same documents are the same batch, so that it is safe to call again. By default there
        is a new key for each call, for its retries.
        """
        body = Body(documents)
        if body.is_asynchronous:
            raise Misconfigured("These documents come asynchronously; they are for AsyncClient.")
        return self._one(
            self._operations.submit(body, review=review, requirements=requirements, key=key or uuid4().hex)
        )

    def get(self, batch: Which) -> Batch:
        return self._one(self._operations.get(batch))

    def wait(
        self,
        batch: Which,
        *,
        timeout_s: float | None = None,
        on_progress: Callable[[Batch], object] | None = None,
    ) -> Batch:
        """The batch when it is not open any more. Raises `NotFinished`; the batch goes on then."""
        for found in self.progress(batch, timeout_s=timeout_s):
            if on_progress:
                on_progress(found)
        return found

    def progress(self, batch: Which, *, timeout_s: float | None = None) -> Iterator[Batch]:
        """The batch as it is, and again whenever it moves, until it is not open any more."""
        return self._many(self._operations.progress(batch, timeout_s=timeout_s))

    def results(self, batch: Which) -> Iterator[Result]:
        """A result a document, in one order, as they are read; also of those that are open."""
        return self._many(self._operations.results(batch))

    def cancel(self, batch: Which) -> Cancelled:
        """Ends what is still open."""
        return self._one(self._operations.cancel(batch))

    def retry(self, batch: Which) -> Retried:
        """What failed, expired or was refused, as a new batch."""
        return self._one(self._operations.retry(batch))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- carrying out

    def _one(self, operation: Operation[T]) -> T:
        return list(self._many(operation))[-1]

    def _many(self, operation: Operation[T]) -> Iterator[T]:
        carrier, effect = _Carrier(self._http), advance(operation, None)
        try:
            while effect is not None:
                if isinstance(effect, Give):
                    yield effect.value
                    effect = advance(operation, None)
                else:
                    effect = advance(operation, carrier.carry_out(effect))
        finally:
            carrier.close()


class _Carrier:
    """Of one operation, with the stream that it has open."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._stream: httpx.Response | None = None
        self._pieces: Iterator[bytes] = iter(())

    def carry_out(self, effect: Effect) -> Any:
        """What came of it; a fault is a value, too."""
        if isinstance(effect, Pause):
            time.sleep(effect.seconds)
            return None
        try:
            if isinstance(effect, Send):
                response = self._send(effect.request, stream=False)
                return wire.reply(response, response.content)
            if isinstance(effect, Open):
                return self._open(effect.request)
            return next(self._pieces, b"")
        except (httpx.HTTPError, httpx.StreamError) as error:
            return wire.fault(error)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _open(self, request: Request) -> Reply:
        self.close()
        self._stream = response = self._send(request, stream=True)
        self._pieces = (piece for piece in response.iter_bytes() if piece)
        return wire.reply(response, b"" if response.is_success else response.read())

    def _send(self, request: Request, *, stream: bool) -> httpx.Response:
        content = request.body.pieces() if request.body else None
        return self._http.send(wire.built(self._http, request, content), stream=stream)
