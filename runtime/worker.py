"""Run a role as a Celery worker: its queue, its pool, its service. Returns when the worker has stopped."""

from __future__ import annotations

import gc
import os
import socket

from celery.signals import worker_ready, worker_shutting_down

from runtime.celery_app import POOL, make_app, transport_faults
from runtime.pool import Service
from runtime.settings import Settings
from schemas.errors import ConfigurationError


def run_worker(settings: Settings, service: Service, *, name: str, queue: str, concurrency: int) -> int:
    """Blocks until SIGTERM (lets calls in flight finish, up to `drain_s`) or SIGINT; returns the exit code.

    `name` shows in Flower and in `classyard status`. Raises `ConfigurationError` where Celery is set up to hold work.
    """
    os.environ["CELERY_CUSTOM_WORKER_POOL"] = POOL  # read by Celery when it is first imported, or by us below
    app = make_app(settings.redis_url, (queue,), task_events=settings.task_events)
    if faults := transport_faults(app):
        raise ConfigurationError(f"{' '.join(faults)} Under it work could be lost or done twice.")
    app.service, app.drain_s, app.refusal = service, settings.drain_s, None
    worker = app.Worker(
        # Celery fills in `%h` on its own command line only; two workers of one name would both obey `pool_grow`.
        hostname=f"{name}.{os.getpid()}@{socket.gethostname()}",
        quiet=True,  # its banner is not a line of JSON
        pool_cls=POOL,
        concurrency=concurrency,
        queues=[queue],
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        optimization="fair",
    )

    def yield_soon(**_: object) -> None:
        if worker.pool is not None:
            worker.pool.stop_soon()

    def keep_what_is_loaded(**_: object) -> None:
        """Modules, models and schemas are there until the end. Looked through by the collector again and again, they
        would cost a twentieth of the processor time of a job."""
        gc.collect()
        gc.freeze()

    worker_ready.connect(keep_what_is_loaded, weak=False)
    worker_shutting_down.connect(yield_soon, weak=False)
    worker.start()
    if app.refusal is not None:
        raise app.refusal
    return int(worker.exitcode or 0)
