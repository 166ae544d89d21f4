"""The body of a new Message Batch on its way in: stored a piece at a time and read at once; the whole is never held."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

from producer.api.anthropic_lines import Requests
from producer.api.anthropic_objects import KEPT_S
from producer.api.errors import ApiError
from producer.api.files import bare
from producer.api.lines import LineError
from producer.api.state import ApiState
from runtime.db.session import Connection
from runtime.db.stores import batches, files


class Body:
    """Of one request. What was stored of one that is wrong has to be forgotten."""

    def __init__(self, state: ApiState, batch_id: str) -> None:
        self._state, self._filename = state, f"{batch_id}_requests.json"
        self.id = f"file-{bare(state.ids())}"
        self.requests = Requests(batch_id)
        self._number, self._size, self._digest = 0, 0, hashlib.sha256()
        self._error: LineError | None = None

    @property
    def digest(self) -> str:
        """Of its bytes as they came."""
        return self._digest.hexdigest()

    async def read(self, stream: AsyncIterator[bytes]) -> None:
        """Raises `ApiError` with the first mistake.

        Not before the last byte: clients send all of a body before they look for an answer.
        """
        waiting = bytearray()
        async for chunk in stream:
            waiting += chunk
            while len(waiting) >= files.PIECE_BYTES:
                await self._take(bytes(waiting[: files.PIECE_BYTES]))
                del waiting[: files.PIECE_BYTES]
        await self._take(bytes(waiting))
        if self._error is None:
            self._error = next((one for one in self.requests.finish() if isinstance(one, LineError)), None)
        if self._error is not None:
            raise wrong_request(self._error)

    async def _take(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._size += len(piece)
        if self._error is None:
            # In a thread: a megabyte takes some hundredths of a second.
            self._error = await asyncio.to_thread(self._first_error, piece)
        if self._error is None and piece:
            async with self._state.database.transaction() as connection:
                if not self._number:
                    await batches.ensure_tenant(connection, self._state.tenant)
                    await files.begin(
                        connection, self.id, self._state.tenant, self._filename, files.INNER, None
                    )
                await files.add_piece(connection, self.id, self._number, piece)
            self._number += 1

    def _first_error(self, piece: bytes) -> LineError | None:
        return next((one for one in self.requests.feed(piece) if isinstance(one, LineError)), None)

    async def finish(self, connection: Connection) -> None:
        """It is kept, where the transaction is."""
        await files.finish(
            connection,
            self.id,
            size_bytes=self._size,
            filename=self._filename,
            purpose=files.INNER,
            expires_s=KEPT_S,
        )

    async def forget(self) -> None:
        if self._number:
            async with self._state.database.transaction() as connection:
                await files.delete(connection, self._state.tenant, self.id, is_inner=True)


def wrong_request(error: LineError) -> ApiError:
    """With its place, as in `requests.3.params.tools`."""
    request = None if error.line is None else f"requests.{error.line}"
    place = ".".join(part for part in (request, error.param) if part)
    return ApiError(400, error.message, code=error.code, param=place or None)
