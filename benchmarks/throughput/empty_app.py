"""Celery's own limit: a task that does nothing. Run by `empty`, and by nothing else."""

from __future__ import annotations

import os

from celery import Celery

from runtime.topology import KEY_PREFIX
from schemas.messages import SERVE_TASK

app = Celery("empty", broker=os.environ.get("EMPTY_BROKER", "memory://"), set_as_current=False)
app.conf.update(
    task_ignore_result=True,
    task_default_queue="empty",
    broker_connection_retry_on_startup=True,
    broker_transport_options={"global_keyprefix": KEY_PREFIX},
)


@app.task(name=SERVE_TASK)
def nothing() -> None:
    pass
