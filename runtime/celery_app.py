"""The Celery application: the transport of bells, with every setting that would make it more than that turned off.

Nothing is acknowledged and nothing taken ahead, since the table and not the broker holds the work: a bell that dies
with its worker is rung again from there. No result backend, no ETA, no late acks, no priorities. Why each of these
loses or repeats work on Redis otherwise: `docs/architecture.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery import Celery
from kombu.entity import Queue

from runtime.topology import KEY_PREFIX, broker_url, task_of

POOL = "runtime.pool:AsyncioPool"


def make_app(redis_url: str, queues: Sequence[str], *, task_events: bool = False) -> Celery:
    """An application whose worker consumes `queues`. Its tasks are names only; the pool runs the role's service."""
    app = Celery("classyard", set_as_current=False)
    app.conf.update(_settings(redis_url, task_events), task_queues=[_direct(name) for name in queues])
    for name in {task_of(queue) for queue in queues}:
        app.task(_rung_outside_a_worker, name=name, shared=False)
    return app


def _rung_outside_a_worker() -> None:
    raise RuntimeError("A bell was rung outside a Classyard worker; start one with `classyard run`.")


def _direct(name: str) -> Queue:
    # The anonymous exchange delivers by queue name and needs no binding table, which can go missing.
    return Queue(name, exchange="", routing_key=name)  # type: ignore[no-untyped-call]


def _settings(redis_url: str, task_events: bool) -> dict[str, Any]:
    return {
        "broker_url": broker_url(redis_url),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a worker outlives its broker
        "broker_channel_error_retry": True,
        "broker_pool_acquire_timeout": 2,
        "broker_transport_options": {
            "global_keyprefix": KEY_PREFIX,
            "socket_timeout": 10,
            "socket_connect_timeout": 3,
            "socket_keepalive": not redis_url.startswith("unix"),
            "health_check_interval": 10,
            "max_connections": 64,
            "priority_steps": [0],
            "ack_emulation": False,
        },
        "accept_content": ["json"],
        "task_serializer": "json",
        "task_ignore_result": True,
        "result_backend": None,
        "task_acks_late": False,
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "task_create_missing_queues": False,
        "task_send_sent_event": False,
        "worker_send_task_events": task_events,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_enable_remote_control": True,  # pool_grow, pool_shrink, and Flower
        "worker_soft_shutdown_timeout": 0,
    }


SAFE: dict[str, Any] = {
    "task_acks_late": False,  # the table holds the work; a bell that comes again would only ring twice
    "task_reject_on_worker_lost": None,
    "result_backend": None,
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    "task_serializer": "json",
    "accept_content": ["json"],  # pickle would run what anybody with access to the broker sends
    "beat_schedule": {},  # what is due later stands in the table; an ETA beyond the visibility timeout comes twice
}


def transport_faults(app: Celery) -> list[str]:
    """What would make more of Celery than a carrier of bells, a sentence each; empty where nothing does.

    Settings may come from elsewhere than from here, such as the module that CELERY_CONFIG_MODULE names.
    """
    wrong = [
        f"Celery's {name} is {getattr(app.conf, name)!r}, and must be {wanted!r}."
        for name, wanted in SAFE.items()
        if getattr(app.conf, name) != wanted
    ]
    own = [task for name, task in app.tasks.items() if not name.startswith("celery.")]
    late = [task for task in own if task.acks_late and not app.conf.task_acks_late]
    wrong += [f"The task {task.name} is acknowledged late; bells must not be." for task in late]
    return wrong
