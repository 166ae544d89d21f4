"""The control: what is usually built. A Celery task that calls the provider and writes the job's row, with early or
late acknowledgement; nothing else keeps the work. Run by `benchmarks.faults.controls`, and by nothing else.
"""

from __future__ import annotations

import os
import urllib.request

import orjson
import psycopg
from celery import Celery

QUEUE = "control"

app = Celery("control", broker=os.environ.get("CONTROL_BROKER", "memory://"), set_as_current=False)
app.conf.update(
    task_acks_late=os.environ.get("CONTROL_LATE") == "1",
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_default_queue=QUEUE,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 5},
)


@app.task(name="control.serve")
def serve(job_id: str) -> None:
    """One call, one result."""
    body = {"model": "steady-1", "messages": [{"role": "user", "content": f"Review {job_id}."}]}
    asked = urllib.request.Request(
        os.environ["CONTROL_URL"],
        orjson.dumps(body),
        {"content-type": "application/json", "idempotency-key": f"{job_id}-1"},
    )
    with urllib.request.urlopen(asked, timeout=60) as reply:
        reply.read()
    with psycopg.connect(os.environ["CONTROL_DATABASE"]) as connection:
        connection.execute("update control_jobs set state = 'succeeded' where id = %s", (job_id,))
        connection.execute("insert into control_results (job_id) values (%s)", (job_id,))
