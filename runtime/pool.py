"""A Celery worker pool on one event loop: hundreds of calls in flight in one process.

Celery's main thread takes bells from the broker; this pool runs the role's service on a loop in a thread of its own.
Each bell becomes one task of the loop, at most `limit` at once. `grow` and `shrink` work while calls are in flight:
shrinking lets running ones come to a good place to stop (`should_yield`) instead of ending them.

The pool is found by Celery's documented hook (`CELERY_CUSTOM_WORKER_POOL`, `-P custom`).
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import uvloop
from billiard.einfo import ExceptionInfo
from celery.concurrency.base import BasePool
from celery.exceptions import WorkerShutdown
from kombu.asynchronous import Hub

from runtime.logs import logger
from schemas.errors import ClassyardError

START_S = 60.0
"""A service that has not started by then does not start."""

CUT_OFF_S = 5.0
"""For a bell that was cut off, to put its things in order, before it is told once more."""


class Room(Protocol):
    """What a running bell may ask of its pool."""

    def should_yield(self) -> bool:
        """Whether this bell should stop at the next good place: the pool shrank, or the worker stops."""

    @property
    def limit(self) -> int:
        """Bells that may run at once."""

    def run_more(self, count: int) -> int:
        """As though so many bells had rung, as far as there is room; returns how many will run beside this one."""


class Service(Protocol):
    """A role: started on the loop before the first bell, and closed after the last."""

    async def start(self, room: Room) -> None: ...

    async def answer(self) -> None:
        """One bell. Never raises for what can be expected."""

    async def close(self) -> None: ...


class AsyncioPool(BasePool):  # type: ignore[misc]
    """`app.service` is the role's `Service`; `app.drain_s` bounds how long a stop waits for running bells. What keeps
    the service from starting is left in `app.refusal`."""

    body_can_be_buffer = True
    signal_safe = False
    limit: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="classyard-loop", daemon=True)
        self._running: set[asyncio.Task[None]] = set()
        self._waiting: deque[Callable[[], Coroutine[Any, Any, None]]] = deque()
        self._stopping = False
        self._hub: Hub | None = None

    # -- what Celery calls, from its own threads

    def register_with_event_loop(self, loop: Hub) -> None:
        """At every connection to the broker. Celery's loop is kept here: kombu's `get_event_loop` knows it until the
        first connection is lost, and no longer."""
        self._hub = loop

    def on_start(self) -> None:
        self._thread.start()
        try:
            self._on_loop(self.app.service.start(self), START_S)
        except ClassyardError as error:
            self.app.refusal = error
            raise WorkerShutdown(error.exit_code) from error
        self._started = True

    def on_apply(
        self,
        target: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        callback: Callable[[Any], None] | None = None,
        accept_callback: Callable[[int, float], None] | None = None,
        **_: Any,
    ) -> None:
        self._loop.call_soon_threadsafe(self._admit, lambda: self._bell(callback, accept_callback))

    def grow(self, n: int = 1) -> None:
        self.limit += n
        self._loop.call_soon_threadsafe(self._fill)

    def shrink(self, n: int = 1) -> None:
        self.limit = max(1, self.limit - n)

    def on_stop(self) -> None:
        self._stopping = True
        try:
            if self._started:
                self._on_loop(self._drain(), self.app.drain_s + START_S)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=5)

    on_terminate = on_stop

    def stop_soon(self) -> None:
        """Asks running bells to yield; Celery stops the pool only after it has stopped consuming."""
        self._stopping = True

    def _get_info(self) -> dict[str, Any]:
        return {**super()._get_info(), "running": len(self._running), "waiting": len(self._waiting)}

    @property
    def num_processes(self) -> int:
        return self.limit

    # -- what a bell may ask

    def should_yield(self) -> bool:
        return self._stopping or len(self._running) > self.limit

    def run_more(self, count: int) -> int:
        more = max(0, min(count, self.limit - len(self._running) - len(self._waiting)))
        self._waiting.extend([lambda: self._bell(None, None)] * more)
        self._fill()
        return more

    # -- on the loop

    def _admit(self, bell: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._waiting.append(bell)
        self._fill()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self.limit and not self._stopping:
            task = self._loop.create_task(self._waiting.popleft()())
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._fill()

    async def _bell(
        self,
        callback: Callable[[Any], None] | None,
        accept_callback: Callable[[int, float], None] | None,
    ) -> None:
        started = time.monotonic()
        if accept_callback:
            accept_callback(os.getpid(), started)
        try:
            await self.app.service.answer()
            outcome: tuple[bool, Any, float] = (False, None, time.monotonic() - started)
        except Exception as error:
            outcome = (True, ExceptionInfo(), time.monotonic() - started)
            if callback is None:
                logger().error("bell.failed", error=type(error).__name__)
        if callback:
            callback(outcome)
        self._wake_celery()

    def _wake_celery(self) -> None:
        """Celery's loop takes the next bell when it next turns, up to a second later; a slot should not wait so
        long."""
        if self._hub is not None:
            self._hub.call_soon(_nothing)  # type: ignore[no-untyped-call]

    async def _drain(self) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=self.app.drain_s)
        # More than once, since a library may swallow a cancellation.
        while alive := {task for task in self._running if not task.done()}:
            for task in alive:
                task.cancel()
            await asyncio.wait(alive, timeout=CUT_OFF_S)
        await self.app.service.close()

    # -- the thread

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _on_loop(self, work: Coroutine[Any, Any, None], timeout_s: float) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)


def _nothing() -> None:
    pass
