"""A body on its way in: laid down in the files' pieces as it comes, and taken from there. The whole is never held.

So no transaction waits for a slow client, an archive can be read from its end, and whoever stops in the middle leaves
nothing: what is laid down is no file to anybody, and goes when the request ends, however that is. What a killed process
leaves is swept with broken uploads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect

from producer.api.errors import ApiError
from producer.api.state import ApiState
from runtime.db.stores import batches, files

PURPOSE = "submission"


@asynccontextmanager
async def spooled(state: ApiState, tenant: str, body: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The id of what was laid down, for as long as the block lasts. Raises `ApiError` for an empty body."""
    spool = Spool(state, tenant, f"spool-{state.ids().replace('-', '')}")
    try:
        try:
            async for chunk in body:
                await spool.add(chunk)
        except ClientDisconnect:
            raise ApiError(
                400, "The body was cut short; nothing of it was taken.", code="cut_short"
            ) from None
        if not await spool.end():
            raise ApiError(400, "The body is empty: send a line for each document.", code="empty_file")
        yield spool.file_id
    finally:
        # Also where the request was given up: its client is gone, and its time may be over.
        await asyncio.shield(asyncio.ensure_future(spool.forget()))


class Spool:
    """Pieces of one size, the last one shorter."""

    def __init__(self, state: ApiState, tenant: str, file_id: str) -> None:
        self.file_id = file_id
        self._state, self._tenant = state, tenant
        self._waiting, self._number = bytearray(), 0

    async def add(self, chunk: bytes) -> None:
        self._waiting += chunk
        while len(self._waiting) >= files.PIECE_BYTES:
            await self._lay_down(bytes(self._waiting[: files.PIECE_BYTES]))
            del self._waiting[: files.PIECE_BYTES]

    async def end(self) -> int:
        """The number of pieces."""
        if self._waiting:
            await self._lay_down(bytes(self._waiting))
            self._waiting.clear()
        return self._number

    async def forget(self) -> None:
        if self._number:
            async with self._state.database.transaction() as connection:
                await files.delete(connection, self._tenant, self.file_id)

    async def _lay_down(self, piece: bytes) -> None:
        async with self._state.database.transaction() as connection:
            if not self._number:
                await batches.ensure_tenant(connection, self._tenant)
                await files.begin(connection, self.file_id, self._tenant, "", PURPOSE, None)
            await files.add_piece(connection, self.file_id, self._number, piece)
        self._number += 1
