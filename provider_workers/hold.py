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
        """The task in which it is under way."""
        self._given_up = False

    def add(self, jobs: Iterable[str]) -> None:
        """The slot goes on with these; those before them are done."""
        self.jobs = frozenset(jobs)
        self._withdrawn = frozenset()

    @property
    def is_lost(self) -> bool:
        return self._lost

    def lose(self) -> None:
        self._lost = True
        self._give_up()

    def withdraw(self, jobs: Collection[str]) -> None:
        self._withdrawn |= frozenset(jobs)
        if self._job in jobs:
            self._give_up()

    def is_withdrawn(self, job: str) -> bool:
        return job in self._withdrawn

    async def during(self, work: Coroutine[Any, Any, T], *, job: str = "") -> T | None:
        """What `work` comes to; None where slot or job was taken back before it came to its end.

        It runs in the task that waits here, which is cancelled for it and told so, as `asyncio.timeout` does: a task
        of its own for each call would let everything else that is ready run in between.
        """
        if self._lost or job in self._withdrawn:
            work.close()
            return None
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        self._job, self._call, self._given_up = job, task, False
        try:
            return await work
        except asyncio.CancelledError:
            if self._given_up and task.cancelling() == before + 1:  # and nobody else wants the task to end
                return None
            raise
        finally:
            if self._given_up:
                task.uncancel()
            self._job, self._call = "", None

    def _give_up(self) -> None:
        if self._call is not None and not self._given_up:
            self._given_up = True
            self._call.cancel()
