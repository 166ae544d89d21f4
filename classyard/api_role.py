"""The HTTP API as a process: `classyard run api`.

It needs the database to start, and not the broker: what it accepts is committed there, and rung for when it can be.
"""

from __future__ import annotations

import asyncio
import os
import socket

import uvloop

from classyard.advice import advisers
from classyard.commands.keys import add_key, pepper_of
from classyard.context import Context
from classyard.embedded.home import kept_key, write_atomically
from classyard.roles import prepared_for_the_database
from producer.api.app import create_app
from producer.api.keys import matches, new_key, read_key
from producer.api.server import bound, serve
from producer.api.state import ApiState
from producer.intake.accept import take_short_turns
from runtime.db.session import Database
from runtime.db.stores import api_keys, capacity
from runtime.db.stores.capacity import Heartbeat
from runtime.doorbells import RedisDoorbells
from runtime.heartbeat import pulse, stop
from runtime.ids import new_id
from runtime.logs import logger
from runtime.metrics import Metrics
from runtime.metrics import serve as serve_metrics
from runtime.redis_client import make_redis
from schemas.scopes import Scope

CONNECTIONS = 10
BELL_S = 1.0


def run_api(context: Context, *, host: str, port: int) -> int:
    """Blocks until stopped; returns the exit code. Raises `PortInUse`, `BadConfiguration`."""
    ready = prepared_for_the_database(context)
    take_short_turns()
    pepper = pepper_of(ready)
    with bound(host, port) as listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(ready, pepper, listener, host))
    return 0


async def _serve(context: Context, pepper: str, listener: socket.socket, host: str) -> None:
    settings, metrics = context.settings, Metrics()
    database = Database(settings.database_url, connections=CONNECTIONS)
    await database.open()
    bells = RedisDoorbells(make_redis(settings.redis_url, timeout_s=BELL_S), metrics)
    state = ApiState(
        settings,
        database,
        bells,
        pepper,
        context.review,
        context.review_names,
        advisers=advisers(context),
    )
    address = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    said = Heartbeat(
        new_id(),
        "api",
        None,
        socket.gethostname(),
        os.getpid(),
        detail=address,
        metrics_address=serve_metrics(metrics, settings.metrics_host, settings.metrics_port),
    )
    beats = asyncio.create_task(pulse(database, settings.tenant, lambda: said, every_s=settings.heartbeat_s))
    logger().info("api.ready", address=address)
    try:
        await serve(create_app(state), listener)
    finally:
        await stop(beats)
        async with database.transaction() as connection:
            await capacity.leave(connection, said.worker_id)
        await bells.close()
        await database.close()


def prepare_home_key(context: Context) -> None:
    """The embedded yard's own key, made at its first start and kept where only this user reads it.

    A key that was revoked, or is of a database that is gone, is replaced.
    """
    if not context.settings.api_pepper:
        kept_key(context.home.config / "api.pepper")
    asyncio.run(_ensure_key(context, pepper_of(context)))


async def _ensure_key(context: Context, pepper: str) -> None:
    path, tenant = context.home.run / "api.key", context.settings.tenant
    kept = read_key(path.read_text().strip()) if path.exists() else None
    async with context.database() as database:
        if kept is not None:
            async with database.transaction() as connection:
                row = await api_keys.valid(connection, tenant, kept.id)
            if row is not None and matches(pepper, kept.secret, bytes(row["secret_hmac"])):
                return
        key = new_key()
        await add_key(database, tenant, key, pepper, "this machine", [Scope.SUBMITTER], None)
    write_atomically(path, key.text.encode())
