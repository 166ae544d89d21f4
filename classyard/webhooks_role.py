"""Delivery of webhooks as a process of its own: `classyard run webhooks`. API processes deliver as well."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

from classyard.commands.keys import pepper_of
from classyard.context import Context
from classyard.roles import prepared_for_the_database
from producer.webhooks.service import deliver
from runtime.db.session import Database
from runtime.db.stores import capacity
from runtime.db.stores.capacity import Heartbeat
from runtime.heartbeat import pulse, stop
from runtime.ids import new_id
from runtime.logs import logger

CONNECTIONS = 3


def run_webhooks(context: Context) -> int:
    """Blocks until stopped; returns the exit code. Raises `BadConfiguration`."""
    ready = prepared_for_the_database(context)
    asyncio.run(_deliver(ready, pepper_of(ready)))
    return 0


async def _deliver(context: Context, pepper: str) -> None:
    settings, stopping = context.settings, asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    database = Database(settings.database_url, connections=CONNECTIONS)
    await database.open()
    said = Heartbeat(new_id(), "webhooks", None, socket.gethostname(), os.getpid())
    beats = asyncio.create_task(pulse(database, settings.tenant, lambda: said, every_s=settings.heartbeat_s))
    work = asyncio.create_task(deliver(settings, database, pepper))
    logger().info("webhooks.ready")
    try:
        await stopping.wait()
    finally:
        await stop(work, beats)
        async with database.transaction() as connection:
            await capacity.leave(connection, said.worker_id)
        await database.close()
