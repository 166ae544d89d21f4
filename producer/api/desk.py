"""The desk behind the counter: reads the lines of new batches, cancels, and writes the results of what is done.

It works from rows, so that what one API process began another one ends; several may work at once. Each step is safe to
do twice: the yard takes a batch's documents once, by its id as the submission's key, and an end is written once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from producer.api.asked import PREFIX, wanted_of
from producer.api.lines import Ask, Line, LineError
from producer.api.ring import ring
from producer.api.shapes import SHAPES
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
            await self._end_unread(row, "cancelled", [])
            return
        # In a thread with a loop of its own: reading 200 MB must not keep others waiting for their answers.
        names = await names_now(self._state)
        outcome = await asyncio.to_thread(_read_and_accept, self._state, row, names)
        if isinstance(outcome, list):
            await self._end_unread(row, "failed", outcome)
            logger().info("batch.invalid", batch=row["id"], errors=len(outcome))
            return
        accepted, ask = outcome
        async with self._state.database.transaction() as connection:
            await api_batches.started(connection, row["id"], accepted.batch_id, ask.model)
            await self._forget_input(connection, row)
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
            results, has_expired = SHAPES[row["shape"]].results(connection, self._state, row), False
            async for result in views.results(database, tenant, str(row["batch_id"])):
                has_expired = has_expired or result["state"] == "expired"
                await results.add(result)
            how = _how(row, has_expired)
            await api_batches.end(connection, row["id"], how, **(await results.finish())._asdict())
        logger().info("batch.ended", batch=row["id"], how=how)

    async def _end_unread(self, row: Row, how: str, errors: list[LineError]) -> None:
        async with self._state.database.transaction() as connection:
            if not await api_batches.lock_open(connection, row["id"]):
                return
            ending = await SHAPES[row["shape"]].unread(connection, self._state, row, errors)
            shown = [error.shown for error in errors]
            await api_batches.end(connection, row["id"], how, errors=shown, **ending._asdict())
            await self._forget_input(connection, row)

    async def _forget_input(self, connection: Connection, row: Row) -> None:
        if SHAPES[row["shape"]].is_read_before:
            await files.delete(connection, self._state.tenant, row["input_file_id"], is_inner=True)

    async def _sweep(self) -> None:
        async with self._state.database.transaction() as connection:
            await files.sweep(connection, self._state.tenant)


def _how(row: Row, has_expired: bool) -> str:
    if row["cancelling_at"] is not None:
        return "cancelled"
    return "expired" if has_expired else "completed"


# -- in a thread


def _read_and_accept(state: ApiState, row: Row, names: Names) -> tuple[Accepted, Ask] | list[LineError]:
    """Twice through the file, unless it was read before: once to see that all of it is well, once to take it. Nothing
    is taken of a bad one."""
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
    is_read_before = SHAPES[row["shape"]].is_read_before
    for line in _lines(state, row):
        if isinstance(line, LineError):
            errors.append(line)
            if len(errors) >= SHOWN_ERRORS:
                break
        else:
            ask = ask or line.ask
            if is_read_before:
                break
    return ask, errors


def _lines(state: ApiState, row: Row) -> Iterator[Line | LineError]:
    pieces = files.read_pieces(state.settings.database_url, row["input_file_id"])
    return SHAPES[row["shape"]].lines(pieces, row)


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
            webhook=(row["call_metadata"] or {}).get(f"{PREFIX}webhook"),
        )
    finally:
        await database.close()


def _documents(state: ApiState, row: Row) -> Iterator[SourceDocument]:
    for line in _lines(state, row):
        if isinstance(line, LineError):
            raise BadInput("The file changed while it was read.", code="input_modified")
        yield line.document
