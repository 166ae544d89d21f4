"""Requests that wait for a job's end: one look at the table for all of them, and no connection held in between.

A wait is looked at again when it has lasted a twentieth longer: work that is soon done is answered soon, and work that
takes its time is asked for seldom. The table is what is asked, so it does not matter which process did the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from producer.api.errors import ApiError
from runtime.clock import Ticks, ticks
from runtime.db.session import Database
from runtime.db.stores import views
from runtime.logs import logger
from schemas.errors import ClassyardError

TICK_S = 0.005
SELDOM_S = 0.25
SHARE = 1 / 20
"""Of the time that a wait has lasted: when it is looked at again."""

RETRY_AFTER_S = 2


@dataclass(eq=False)
class _Wait:
    batch_id: str
    since: float
    due: float
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Waiting:
    def __init__(self, database: Database, tenant: str, *, most: int, now: Ticks = ticks) -> None:
        self._database, self._tenant, self._most, self._now = database, tenant, most, now
        self._places = 0
        self._waits: set[_Wait] = set()
        self.looking: asyncio.Task[None] | None = None
        """Lives while anybody waits."""

    @contextmanager
    def place(self) -> Iterator[None]:
        """Raises `ApiError` where all places are taken; before anything is accepted."""
        if self._places >= self._most:
            raise ApiError(
                429,
                f"{self._most} requests wait for their answers here already. Try again, or hand in a batch.",
                code="too_many_waiting",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        self._places += 1
        try:
            yield
        finally:
            self._places -= 1

    async def until_final(self, batch_id: str) -> None:
        """Returns when the batch's one document is final, however long that takes."""
        wait = _Wait(batch_id, self._now(), self._now())
        self._waits.add(wait)
        if self.looking is None or self.looking.done():
            self.looking = asyncio.create_task(self._look())
        try:
            await wait.ended.wait()
        finally:
            self._waits.discard(wait)

    async def _look(self) -> None:
        while self._waits:
            await asyncio.sleep(TICK_S)
            now = self._now()
            due = [wait for wait in self._waits if wait.due <= now]
            if due:
                await self._ask(due)

    async def _ask(self, due: list[_Wait]) -> None:
        ended: frozenset[str] = frozenset()
        try:
            async with self._database.transaction() as connection:
                ended = await views.ended(connection, self._tenant, [wait.batch_id for wait in due])
        except ClassyardError as error:  # a database that restarts: they go on waiting, each to its own limit
            logger().warning("answers.missed", error=type(error).__name__)
        now = self._now()
        for wait in due:
            wait.due = now + min(SELDOM_S, max(TICK_S, (now - wait.since) * SHARE))
            if wait.batch_id in ended:
                wait.ended.set()
