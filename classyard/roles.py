"""The roles of a yard as processes: `classyard run router | provider NAME | keeper`.

The same code in the embedded yard, in containers and by hand; an address in the settings is all that differs.
"""

from __future__ import annotations

import asyncio
import os
import signal

from classyard.context import Context
from classyard.embedded.processes import PARENT_FD, watch_parent
from provider_workers.service import ProviderService
from runtime import failpoints, logs
from runtime.db.revision import head, revision
from runtime.db.session import Database
from runtime.doorbells import RedisDoorbells
from runtime.health import check_database, require_healthy
from runtime.keeper import Keeper
from runtime.metrics import Metrics, serve
from runtime.redis_client import make_redis
from runtime.worker import run_worker
from schemas.errors import ConfigurationError, ServiceUnreachable, UnknownName
from schemas.messages import CLASSIFIER_QUEUE, provider_queue


def run_router(context: Context) -> int:
    """Blocks until stopped; returns the exit code."""
    # Here, since it brings what bounds are computed by, which no other role needs.
    from router_worker.service import RouterService

    ready = _prepared(context)
    service = RouterService(ready.settings, ready.rules())
    # One chunk at a time: a second one would wait for the same rows and decide on an older picture.
    return run_worker(ready.settings, service, name="router", queue=CLASSIFIER_QUEUE, concurrency=1)


def run_provider(context: Context, name: str, concurrency: int | None = None) -> int:
    """Serves one provider with up to `concurrency` calls in flight; by default its ceiling."""
    ready = _prepared(context)
    catalog = ready.catalog()
    provider = catalog.provider(name)
    if provider is None:
        known = ", ".join(one.name for one in catalog.providers)
        raise UnknownName(f"There is no provider {name!r} in the catalog; it has: {known}.")
    service = ProviderService(ready.settings, provider, ready.policy().plan, ready.environ)
    return run_worker(
        ready.settings,
        service,
        name=f"provider-{name}",
        queue=provider_queue(name),
        concurrency=concurrency or provider.ceiling,
    )


def run_keeper(context: Context) -> int:
    ready = _prepared(context)
    return asyncio.run(_keep(ready))


async def _keep(context: Context) -> int:
    stopping, metrics, settings = asyncio.Event(), Metrics(), context.settings
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    database = Database(settings.database_url, connections=3)
    await database.open()
    bells = RedisDoorbells(make_redis(settings.redis_url), metrics)
    keeper = Keeper(settings, database, bells, metrics, bind_late_s=context.policy().bind_late.seconds)
    keeper.metrics_address = serve(metrics, settings.metrics_host, settings.metrics_port)
    try:
        await keeper.keep(stopping)
    finally:
        await bells.close()
        await database.close()
    return 0


def _prepared(context: Context) -> Context:
    """With the checks without which no role starts that is woken by the broker."""
    ready = _connected(context)
    if failpoints.ARMED_BY in ready.environ:
        failpoints.arm(ready.environ, all_simulated=all(one.simulated for one in ready.catalog().providers))
    require_schema(ready.settings.database_url)
    require_healthy(ready.settings)
    return ready


def prepared_for_the_database(context: Context) -> Context:
    """For a role that does its work while the broker is away, too."""
    ready = _connected(context)
    for finding in check_database(ready.settings):
        if not finding.ok and finding.fatal:
            raise ServiceUnreachable(finding.sentence)
    require_schema(ready.settings.database_url)
    return ready


def _connected(context: Context) -> Context:
    """Logs, the watch on a supervising parent, the addresses."""
    logs.configure(context.settings.log_level)
    if (ear := os.environ.pop(PARENT_FD, None)) is not None:
        watch_parent(int(ear))
    return context.connected()


def require_schema(database_url: str) -> None:
    found, wanted = revision(database_url), head()
    if found != wanted:
        raise ConfigurationError(
            f"The database is at revision {found or 'none'} and this version needs {wanted}; "
            "run `classyard migrate`."
        )
