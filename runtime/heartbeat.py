"""A role's pulse: every few seconds it tells the database that it lives and how it fares."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from runtime.db.session import Database
from runtime.db.stores import capacity
from runtime.db.stores.capacity import Heartbeat
from runtime.logs import logger
from schemas.errors import ClassyardError


async def pulse(database: Database, tenant_id: str, said: Callable[[], Heartbeat], *, every_s: float) -> None:
    """Beats until cancelled. A beat that fails is logged and left out; the next one says it all again."""
    await repeat(lambda: beat_once(database, tenant_id, said()), every_s=every_s, name="heartbeat")


async def beat_once(database: Database, tenant_id: str, said: Heartbeat) -> None:
    async with database.transaction() as connection:
        await capacity.beat(connection, tenant_id, said)


async def repeat(work: Callable[[], Awaitable[None]], *, every_s: float, name: str) -> None:
    """Awaits `work()` again and again until cancelled; what it raises is logged, and does not end it."""
    while True:
        try:
            await work()
        except ClassyardError as error:
            logger().warning(f"{name}.missed", error=type(error).__name__, detail=str(error))
        except Exception as error:
            logger().error(f"{name}.failed", error=type(error).__name__)
        await asyncio.sleep(every_s)


async def stop(*tasks: asyncio.Task[None] | None) -> None:
    """Cancels background tasks and waits for their end."""
    living = [task for task in tasks if task is not None]
    for task in living:
        task.cancel()
    await asyncio.gather(*living, return_exceptions=True)
