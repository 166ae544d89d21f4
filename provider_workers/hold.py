"""A slot as the worker that has it sees it: whether it is still held, and the one call that is under way in it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Hold:
    """Lost when the slot was taken back: its lease ended, or its provider was killed. Then the call under way is
    given up at once, so that nothing is sent or waited for beyond what the slot permits."""

    def __init__(self) -> None:
        self._lost = False
        self._call: asyncio.Task[Any] | None = None

    @property
    def is_lost(self) -> bool:
        return self._lost

    def lose(self) -> None:
        self._lost = True
        if self._call is not None:
            self._call.cancel()

    async def during(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What `work` comes to; None where the slot was lost before it came to its end."""
        if self._lost:
            work.close()
            return None
        call = self._call = asyncio.create_task(work)
        try:
            done: T = await call
            return done
        except asyncio.CancelledError:
            if self._lost and call.cancelled() and not _is_cancelled():
                return None
            raise
        finally:
            self._call = None


def _is_cancelled() -> bool:
    """Whether somebody wants the task that waits here to end, and not only its call."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
