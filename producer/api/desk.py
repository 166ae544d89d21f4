"""The desk behind the counter: reads the lines of new batches, cancels, and writes the results of what is done.

It works from rows, so that what one API process began another one ends; several may work at once. Each step is safe to
do twice: the yard takes a batch's documents once, by its id as the submission's key, and an end is written once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from producer.api.asked import wanted_of
from producer.api.files import KEPT_S, bare
from producer.api.lines import Ask, Line, LineError, read_lines
from producer.api.output import line_of
from producer.api.ring import ring
from producer.api.state import ApiState, names_now
from producer.durations import parse_duration
from producer.intake.accept import Accepted, accept
from producer.intake.cancel import cancel_batch
from producer.intake.names import Names
from runtime.db.session import Connection, Database, Row
from runtime.db.stores import api_batches, files, views
from runtime.heartbeat import repeat, stop
from runtime.logs import logger
from schemas.errors import BadInput, ClassyardError
from schemas.review import Review
from schemas.submission import Requirements, SourceDocument

EVERY_S = 0.5
RENEW_S = 10.0
"""A third of a claim."""
SWEEP_EVERY_S = 300.0
SHOWN_ERRORS = 100
"""Of one file; whoever has more has made the same mistake in all lines."""


class Desk:
    def __init__(self, state: ApiState) -> None:
        self._state = state

    async def work(self) -> None:
        """Until cancelled. What fails is logged, and done again when its claim has ended."""
        swept_at = asyncio.get_running_loop().time()
        while True:
            try:
                while await self.step():
                    pass
                if asyncio.get_running_loop().time() - swept_at > SWEEP_EVERY_S:
                    swept_at = asyncio.get_running_loop().time()
                    await self._sweep()
            except ClassyardError as error:
                logger().warning("desk.missed", error=type(error).__name__)
            except Exception as error:
                logger().error("desk.failed", error=type(error).__name__)
            await self._pause()

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._state.nudge.wait(), EVERY_S)
        self._state.nudge.clear()

    async def step(self) -> bool:
        """Does what one batch needs; False where none needs anything."""
        database, tenant = self._state.database, self._state.tenant
        async with database.transaction() as connection:
            row = await api_batches.claim(connection, tenant)
        if row is None:
            return False
        if row["batch_id"] is None:
            async with self.held(row["id"]):
                await self._begin(row)
            return True
        if row["cancelling_at"] is not None:
            async with self.held(row["id"]):
                await cancel_batch(database, tenant, str(row["batch_id"]), actor=f"api key {row['key_id']}")
        await self._finish(row)
        return True

    @asynccontextmanager
    async def held(self, api_batch_id: str) -> AsyncIterator[None]:
        """Renews the claim until the block ends."""

        async def once() -> None:
            await asyncio.sleep(RENEW_S)
            async with self._state.database.transaction() as connection:
                await api_batches.renew(connection, api_batch_id)

        renewing = asyncio.create_task(repeat(once, every_s=0, name="claim"))
        try:
            yield
        finally:
            await stop(renewing)

    # -- its lines

    async def _begin(self, row: Row) -> None:
        if row["cancelling_at"] is not None:
            await self._end(row["id"], "cancelled")
            return
        # In a thread with a loop of its own: reading 200 MB must not keep others waiting for their answers.
        names = await names_now(self._state)
        outcome = await asyncio.to_thread(_read_and_accept, self._state, row, names)
        if isinstance(outcome, list):
            await self._end(row["id"], "failed", [error.shown for error in outcome])
            logger().info("batch.invalid", batch=row["id"], errors=len(outcome))
            return
        accepted, ask = outcome
        async with self._state.database.transaction() as connection:
            await api_batches.started(connection, row["id"], accepted.batch_id, ask.model)
        logger().info("batch.accepted", batch=row["id"], jobs=accepted.accepted)
        ring(self._state.bells)

    # -- its end

    async def _finish(self, row: Row) -> None:
        database, tenant = self._state.database, self._state.tenant
        async with database.transaction() as connection:
            await api_batches.finalizing(connection, row["id"])
        async with database.transaction() as connection:
            if not await api_batches.lock_open(connection, row["id"]):
                return
            found = _Files(connection, self._state, row)
            async for result in views.results(database, tenant, str(row["batch_id"])):
                await found.add(result)
            output, errors = await found.finish()
            how = _how(row, found.has_expired)
            await api_batches.end(connection, row["id"], how, output_file_id=output, error_file_id=errors)
        logger().info("batch.ended", batch=row["id"], how=how)

    async def _end(self, api_batch_id: str, how: str, errors: list[dict[str, Any]] | None = None) -> None:
        async with self._state.database.transaction() as connection:
            await api_batches.end(connection, api_batch_id, how, errors=errors)

    async def _sweep(self) -> None:
        async with self._state.database.transaction() as connection:
            await files.sweep(connection, self._state.tenant)


def _how(row: Row, has_expired: bool) -> str:
    if row["cancelling_at"] is not None:
        return "cancelled"
    return "expired" if has_expired else "completed"


class _Files:
    """The output and the error file of one batch, each made with its first line."""

    def __init__(self, connection: Connection, state: ApiState, row: Row) -> None:
        self._endpoint, self.has_expired = row["endpoint"], False
        kept_s = row["output_expires_s"] or KEPT_S
        self._output = _File(connection, state, f"{row['id']}_output.jsonl", kept_s)
        self._errors = _File(connection, state, f"{row['id']}_error.jsonl", kept_s)

    async def add(self, result: Row) -> None:
        self.has_expired = self.has_expired or result["state"] == "expired"
        has_answer, line = line_of(result, self._endpoint)
        await (self._output if has_answer else self._errors).add(line)

    async def finish(self) -> tuple[str | None, str | None]:
        return await self._output.finish(), await self._errors.finish()


class _File:
    def __init__(self, connection: Connection, state: ApiState, filename: str, kept_s: int) -> None:
        self._connection, self._tenant, self._filename = connection, state.tenant, filename
        self._id, self._kept_s = f"file-{bare(state.ids())}", kept_s
        self._waiting, self._size, self._number = bytearray(), 0, 0

    async def add(self, line: bytes) -> None:
        self._waiting += line
        if len(self._waiting) >= files.PIECE_BYTES:
            await self._write()

    async def _write(self) -> None:
        if not self._number:
            await files.begin(
                self._connection, self._id, self._tenant, self._filename, "batch_output", self._kept_s
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
            purpose="batch_output",
            expires_s=self._kept_s,
        )
        return self._id


# -- in a thread


def _read_and_accept(state: ApiState, row: Row, names: Names) -> tuple[Accepted, Ask] | list[LineError]:
    """Twice through the file: once to see that all of it is well, once to take it. Nothing is taken of a bad one."""
    ask, errors = _validated(state, row)
    if errors:
        return errors
    assert ask is not None
    metadata = row["call_metadata"] or {}
    try:
        window_s = parse_duration(row["completion_window"])
        review, wanted = wanted_of(ask, metadata, window_s, find=state.reviews, names=names)
        return asyncio.run(_accept(state, row, review, wanted)), ask
    except BadInput as error:
        return [LineError(error.code, str(error), None, error.where or None)]


def _validated(state: ApiState, row: Row) -> tuple[Ask | None, list[LineError]]:
    ask: Ask | None = None
    errors: list[LineError] = []
    for line in _lines(state, row):
        if isinstance(line, LineError):
            errors.append(line)
            if len(errors) >= SHOWN_ERRORS:
                break
        else:
            ask = ask or line.ask
    return ask, errors


def _lines(state: ApiState, row: Row) -> Iterator[Line | LineError]:
    pieces = files.read_pieces(state.settings.database_url, row["input_file_id"])
    return read_lines(pieces, row["endpoint"], row["input_file_id"])


async def _accept(state: ApiState, row: Row, review: Review, wanted: Requirements) -> Accepted:
    database = Database(state.settings.database_url, connections=1)
    await database.open()
    try:
        return await accept(
            database,
            _documents(state, row),
            tenant_id=state.tenant,
            source=f"{row['id']} ({row['input_file_id']})",
            review=review,
            requirements=wanted,
            defaults=state.settings.tenant_defaults,
            key=f"api:{row['id']}",
        )
    finally:
        await database.close()


def _documents(state: ApiState, row: Row) -> Iterator[SourceDocument]:
    for line in _lines(state, row):
        if isinstance(line, LineError):
            raise BadInput("The file changed while it was read.", code="input_modified")
        yield line.document
