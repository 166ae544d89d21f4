"""Rings the router beside everything else, for a moment only: no answer waits for it, and the keeper rings as well."""

from __future__ import annotations

import asyncio
import contextlib

from runtime.doorbells import Doorbells
from schemas.messages import CLASSIFIER_QUEUE

RING_S = 2.0

_under_way = set[asyncio.Task[None]]()
"""Held, since a task that nobody holds may vanish."""


def ring(bells: Doorbells) -> None:
    task = asyncio.create_task(_once(bells))
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)


async def _once(bells: Doorbells) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RING_S):
            await bells.ring(CLASSIFIER_QUEUE, 1)
