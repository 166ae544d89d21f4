"""Around every request: its name, how large its body may be, how long it may take, and no error without an answer.

The time is for the whole request, so that a client which sends a byte a minute holds nothing for long. Paths choose a
limit here and never a right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from producer.api.errors import NATIVE, REQUEST_ID, ApiError
from producer.api.lines import ENDPOINTS
from runtime.ids import NewId
from runtime.logs import logger

MEGABYTE = 1024 * 1024

MAX_ADDRESS_BYTES = 16 * 1024
"""Of a path and its parameters together."""

_STREAMS = ("/results", "/events")
"""Answers that go on for longer."""


@dataclass(frozen=True, slots=True)
class Limits:
    body_bytes: int = MEGABYTE
    """Of a request with JSON."""
    inline_bytes: int = 8 * MEGABYTE
    """Of documents in a JSON object, which is held while it is read."""
    seconds: float = 30.0
    upload_bytes: int = 4 * 1024 * MEGABYTE + 64 * 1024
    """Of a file with what stands around it in its form, and of lines; both pass in pieces."""
    requests_bytes: int = 256 * MEGABYTE
    """Of a Message Batch, which comes with all of its requests."""
    transfer_seconds: float = 900.0
    """Of a file, up or down."""
    submission_seconds: float = 3_600.0
    """Of lines, with the time until all of them are committed."""
    answer_seconds: float = 60.0
    """For the answer to one document that is waited for."""
    waiting: int = 200
    """Requests of one process that wait for such an answer."""


_NOTED = "classyard.headers"


def note_headers(scope: MutableMapping[str, Any], headers: Mapping[str, str]) -> None:
    """For the answer of this request, whichever it will be."""
    scope.setdefault(_NOTED, {}).update(headers)


class Guard:
    def __init__(self, app: ASGIApp, limits: Limits, files: str, requests: str, ids: NewId) -> None:
        """`files`: the path below which files are; `requests`: the one that takes whole batches."""
        self._app, self._limits, self._ids = app, limits, ids
        self._files, self._requests = files, requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = scope[REQUEST_ID] = f"req_{self._ids().replace('-', '')}"
        # In the headers that clients of either shape look at.
        scope[_NOTED] = {"request-id": name, "x-request-id": name}
        most, seconds = self._of(scope)
        body = _Body(receive, most)
        answer = _Answer(send, body, scope)
        try:
            _require_address(scope)
            body.require_announced(scope)
            async with asyncio.timeout(seconds):
                await self._app(scope, body, answer)
        except ApiError as error:
            await answer.instead(error)
        except TimeoutError:
            late = ApiError(504, f"The request was not done within {seconds:g} s.", code="timeout")
            await answer.instead(late)
        except Exception as error:
            logger().error("api.failed", error=type(error).__name__, path=scope["path"][:200])
            bug = ApiError(500, "Something went wrong on our side; it is in the log.", code="internal_error")
            await answer.instead(bug)

    def _of(self, scope: Scope) -> tuple[int, float]:
        """Bytes and seconds."""
        limits, path = self._limits, scope["path"]
        if path == NATIVE:
            is_object = any(
                name == b"content-type" and value.lower().startswith(b"application/json")
                for name, value in scope["headers"]
            )
            return limits.inline_bytes if is_object else limits.upload_bytes, limits.submission_seconds
        if path == f"{NATIVE}/quote":
            return limits.inline_bytes, limits.seconds
        if path in ENDPOINTS:
            return limits.inline_bytes, limits.seconds + limits.answer_seconds
        if path == self._requests:
            return limits.requests_bytes, limits.transfer_seconds
        if path.startswith(self._files):
            return limits.upload_bytes, limits.transfer_seconds
        return limits.body_bytes, limits.transfer_seconds if path.endswith(_STREAMS) else limits.seconds


def _require_address(scope: Scope) -> None:
    """Raises `ApiError` for an address that is too long, or that nothing here could be called."""
    path, asked = scope.get("raw_path") or scope["path"].encode(), scope["query_string"]
    if len(path) + len(asked) > MAX_ADDRESS_BYTES:
        raise ApiError(414, f"The address has more than {MAX_ADDRESS_BYTES:,} bytes.", code="too_long")
    if "\0" in scope["path"] or b"%00" in asked or b"\0" in asked:
        raise ApiError(400, "The address holds the character U+0000.", code="invalid_value")


class _Body:
    """Counts what comes in. Raises `ApiError` at the first byte too many."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._most, self._seen = receive, most, 0
        self.error: ApiError | None = None

    def require_announced(self, scope: Scope) -> None:
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self._most:
                raise self._too_large()

    async def __call__(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > self._most:
            self.error = self._too_large()
            raise self.error
        return message

    def _too_large(self) -> ApiError:
        return ApiError(
            413, f"The body is larger than the {self._most:,} bytes that are taken here.", code="too_large"
        )


class _Answer:
    def __init__(self, send: Send, body: _Body, scope: Scope) -> None:
        self._send, self._body, self._scope = send, body, scope
        self._has_begun, self._is_replaced = False, False

    async def __call__(self, message: Message) -> None:
        """A body that was too large has its own answer, whatever was made of it on the way."""
        if self._body.error and not self._has_begun:
            await self.instead(self._body.error)
        if not self._is_replaced:
            self._has_begun = True
            await self._send_noted(message)

    def _noted(self, message: Message) -> Message:
        noted = self._scope[_NOTED]
        if message["type"] != "http.response.start" or not noted:
            return message
        said = {name.lower() for name, _ in message["headers"]}
        named = ((name.lower().encode(), value.encode()) for name, value in noted.items())
        more = [(name, value) for name, value in named if name not in said]
        return {**message, "headers": [*message["headers"], *more]}

    async def instead(self, error: ApiError) -> None:
        """Nothing can be said any more where the answer has begun; the connection then ends short of its length."""
        if self._is_replaced:
            return
        if self._has_begun:
            raise _CutOff from None
        self._has_begun = self._is_replaced = True
        await error.answer(self._scope)(self._scope, self._body, self._send_noted)

    async def _send_noted(self, message: Message) -> None:
        await self._send(self._noted(message))


class _CutOff(Exception):
    pass
