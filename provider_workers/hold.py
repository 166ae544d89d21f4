"""A slot as the worker that has it sees it: whether it is still held, which of its jobs are, and the call under way."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


class Hold:
    """Lost when the slot was taken back: its lease ended, or its provider was killed. Then the call under way is
    given up at once, so that nothing is sent or waited for beyond what the slot permits.

    A single job can be withdrawn: it was cancelled. Then its call is not made, or given up, and the others go on."""

    def __init__(self, jobs: Iterable[str] = ()) -> None:
        self.jobs = frozenset(jobs)
        """Of the parcel, by id."""
        self._lost = False
        self._withdrawn: frozenset[str] = frozenset()
        self._job = ""
        self._call: asyncio.Task[Any] | None = None

    def add(self, jobs: Iterable[str]) -> None:
        """The slot goes on with these; those before them are done."""
        self.jobs = frozenset(jobs)
        self._withdrawn = frozenset()

    @property
    def is_lost(self) -> bool:
        return self._lost

    def lose(self) -> None:
        self._lost = True
        if self._call is not None:
            self._call.cancel()

    def withdraw(self, jobs: Collection[str]) -> None:
        self._withdrawn |= frozenset(jobs)
        if self._job in jobs and self._call is not None:
            self._call.cancel()

    def is_withdrawn(self, job: str) -> bool:
        return job in self._withdrawn

    async def during(self, work: Coroutine[Any, Any, T], *, job: str = "") -> T | None:
        """What `work` comes to; None where slot or job was taken back before it came to its end."""
        if self._lost or job in self._withdrawn:
            work.close()
            return None
        self._job = job
        call = self._call = asyncio.create_task(work)
        try:
            done: T = await call
            return done
        except asyncio.CancelledError:
            gone = self._lost or job in self._withdrawn
            if gone and call.cancelled() and not _is_cancelled():
                return None
            raise
        finally:
            self._job, self._call = "", None


def _is_cancelled() -> bool:
    """Whether somebody wants the task that waits here to end, and not only its call."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
