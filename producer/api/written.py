"""A file that is written line after line, a piece at a time; it is there with its first line."""

from __future__ import annotations

from producer.api.files import bare
from producer.api.state import ApiState
from runtime.db.session import Connection
from runtime.db.stores import files


class Written:
    def __init__(
        self, connection: Connection, state: ApiState, filename: str, *, purpose: str, kept_s: int
    ) -> None:
        self._connection, self._tenant, self._filename = connection, state.tenant, filename
        self._id, self._purpose, self._kept_s = f"file-{bare(state.ids())}", purpose, kept_s
        self._waiting, self._size, self._number = bytearray(), 0, 0

    async def add(self, line: bytes) -> None:
        self._waiting += line
        if len(self._waiting) >= files.PIECE_BYTES:
            await self._write()

    async def _write(self) -> None:
        if not self._number:
            await files.begin(
                self._connection, self._id, self._tenant, self._filename, self._purpose, self._kept_s
            )
        await files.add_piece(self._connection, self._id, self._number, bytes(self._waiting))
        self._size += len(self._waiting)
        self._number += 1
        self._waiting.clear()

    async def finish(self) -> str | None:
        """Its id; None where it has no line."""
        if self._waiting:
            await self._write()
        if not self._number:
            return None
        await files.finish(
            self._connection,
            self._id,
            size_bytes=self._size,
            filename=self._filename,
            purpose=self._purpose,
            expires_s=self._kept_s,
        )
        return self._id
