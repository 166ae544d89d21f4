"""One look a second at all batches that somebody watches, whoever they are and however many: they share it.

A watcher waits in memory and holds no connection. Nobody watches: nothing is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby

from producer.api.values import Progress, Status
from runtime.db.session import Database, Row
from runtime.db.stores import reading
from runtime.logs import logger
from schemas.errors import ClassyardError
from schemas.lifecycle import FINAL, JobState

EVERY_S = 1.0


def progress_of(rows: Iterable[Row]) -> dict[str, Progress]:
    """By batch, from rows of `reading.progress`. Pure."""
    return {batch: _progress(batch, list(found)) for batch, found in groupby(rows, key=lambda row: row["id"])}


def _progress(batch_id: str, rows: list[Row]) -> Progress:
    states = {JobState(row["state"]): row["jobs"] for row in rows if row["state"] is not None}
    open_ = sum(jobs for state, jobs in states.items() if state not in FINAL)
    ended: Status = "cancelled" if rows[0]["cancelled_at"] else "done"
    return Progress(
        id=batch_id,
        status="open" if open_ else ended,
        accepted=rows[0]["accepted"],
        finished=sum(states.values()) - open_,
        open=open_,
        states=states,
        cost_usd_micros=sum(row["cost_usd_micros"] for row in rows),
        moves=sum(row["moves"] for row in rows),
    )


@dataclass
class _Watched:
    watchers: int = 0
    seen: Progress | None = None


@dataclass
class Watch:
    database: Database
    tenant: str
    every_s: float = EVERY_S
    _batches: dict[str, _Watched] = field(default_factory=dict)
    _looked: asyncio.Condition = field(default_factory=asyncio.Condition)
    _looking: asyncio.Task[None] | None = None

    @property
    def watchers(self) -> int:
        return sum(one.watchers for one in self._batches.values())

    @asynccontextmanager
    async def on(self, batch_id: str) -> AsyncIterator[Watcher]:
        """Looks go on while somebody is in such a block."""
        watched = self._batches.setdefault(batch_id, _Watched())
        watched.watchers += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield Watcher(self._looked, watched)
        finally:
            watched.watchers -= 1
            if not watched.watchers:
                del self._batches[batch_id]
            if not self._batches and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def _look(self) -> None:
        while True:
            try:
                async with self.database.transaction() as connection:
                    rows = await reading.progress(connection, self.tenant, list(self._batches))
                for batch_id, seen in progress_of(rows).items():
                    if batch_id in self._batches:
                        self._batches[batch_id].seen = seen
                async with self._looked:
                    self._looked.notify_all()
            except ClassyardError as error:
                logger().warning("watch.missed", error=type(error).__name__)
            await asyncio.sleep(self.every_s)


@dataclass
class Watcher:
    _looked: asyncio.Condition
    _watched: _Watched

    async def beyond(self, moves: int, *, within_s: float) -> Progress | None:
        """The newest that is seen, once there were more moves than these or it is over; None where neither came."""

        def is_news() -> bool:
            seen = self._watched.seen
            return seen is not None and (seen.moves > moves or seen.is_over)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s), self._looked:
                await self._looked.wait_for(is_news)
                return self._watched.seen
        return None
