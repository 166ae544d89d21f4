"""Those who ask at the same time are answered together: one piece of work after the other, and who comes while one is
under way is in the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked(Generic[T]):
    job_ms: int | None
    """What a job takes here lately."""
    into: str | None
    """The slot that is to have more jobs; None: a new one."""
    patience_s: float
    """For so long it can wait for others to ask, unless one of them cannot."""
    done: asyncio.Future[T | None]


class Together(Generic[T]):
    """`work` gives what each of those who ask gets, by the `id` of its question; nothing for who is not in it."""

    def __init__(self, work: Callable[[Sequence[Asked[T]]], Awaitable[Mapping[int, T]]]) -> None:
        self._work = work
        self._asking: list[Asked[T]] = []
        self._working: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._unwanted: list[T] = []

    async def ask(self, job_ms: int | None, into: str | None, *, patience_s: float) -> T | None:
        asked: Asked[T] = Asked(job_ms, into, patience_s, asyncio.get_running_loop().create_future())
        self._asking.append(asked)
        if not patience_s:
            self._hurry.set()
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._run())
        return await asked.done

    async def close(self) -> list[T]:
        """Ends; returns what those got who did not wait for it."""
        self._hurry.set()
        if self._working is not None:
            await asyncio.gather(self._working, return_exceptions=True)
        return self._unwanted

    async def _run(self) -> None:
        while self._asking:
            if patience_s := min(each.patience_s for each in self._asking):
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._hurry.wait(), patience_s)
            self._hurry.clear()
            asking, self._asking = self._asking, []
            try:
                found = await self._work([each for each in asking if not each.done.done()])
            except Exception as error:
                for each in asking:
                    if not each.done.done():
                        each.done.set_exception(error)
                continue
            for each in asking:
                got = found.get(id(each))
                if not each.done.done():
                    each.done.set_result(got)
                elif got is not None:
                    self._unwanted.append(got)
