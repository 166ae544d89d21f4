"""The control: two Celery tasks as a competent engineer writes them first. Run by `naive`, and by nothing else.

One task picks the model and hands on; the next calls it by httpx with a client that is kept, reads the answer and
writes it down. SQLAlchemy over psycopg, a pool of connections, a commit for each row that changes; prefork.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Any

import httpx
from celery import Celery
from celery.signals import worker_process_init
from sqlalchemy import JSON, String, Text, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

app = Celery("naive", broker=os.environ.get("NAIVE_BROKER", "memory://"), set_as_current=False)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=4,
    broker_connection_retry_on_startup=True,
    task_routes={"naive.route": {"queue": "naive"}, "naive.review": {"queue": "naive"}},
)

SYSTEM = """\
You review a document. Look for these findings. Use only these ids:
- governing-law: which law applies
- termination: how it ends
Answer with one JSON object: {"summary": "...", "findings": [...], "verdict": "...", "confidence": 0.5}"""

MODELS = ((2_000, "bench-1"), (10**9, "bench-1"))
"""Up to so many tokens, the model that is asked."""


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON}  # noqa: RUF012  SQLAlchemy's own way


class Job(Base):
    __tablename__ = "naive_jobs"

    id: Mapped[str] = mapped_column(String, primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String, index=True, default="accepted")
    model: Mapped[str | None]
    result: Mapped[dict[str, Any] | None]
    finished_at: Mapped[datetime | None]


_held: dict[str, Any] = {}


@worker_process_init.connect
def open_clients(**_: object) -> None:
    """After the fork: neither connections to the database nor to the provider are shared."""
    engine = create_engine(os.environ["NAIVE_DATABASE"], pool_size=2)
    _held["sessions"] = sessionmaker(engine)
    _held["http"] = httpx.Client(base_url=os.environ["NAIVE_URL"], timeout=60)


def _session() -> Session:
    made: Session = _held["sessions"]()
    return made


@app.task(name="naive.route")
def route(job_id: str) -> None:
    """Picks a model by the length of the document."""
    with _session() as session:
        job = session.get_one(Job, job_id)
        tokens = len(job.text) // 4
        job.model = next(model for most, model in MODELS if tokens <= most)
        job.state = "routed"
        session.commit()
    review.delay(job_id)


@app.task(name="naive.review", autoretry_for=(httpx.TransportError,), retry_backoff=True, max_retries=3)
def review(job_id: str) -> None:
    """Asks it, and writes down what it said."""
    with _session() as session:
        job = session.get_one(Job, job_id)
        if job.state == "succeeded":
            return
        reply = _held["http"].post(
            "/chat/completions",
            json={
                "model": job.model,
                "messages": [
                    {"role": "system", "content": SYSTEM},
                    {"role": "user", "content": f"<document>\n{job.text}\n</document>"},
                ],
                "response_format": {"type": "json_object"},
            },
            headers={"authorization": "Bearer none", "idempotency-key": job_id},
        )
        reply.raise_for_status()
        job.result = json.loads(reply.json()["choices"][0]["message"]["content"])
        job.state = "succeeded"
        job.finished_at = datetime.now(UTC)
        session.commit()
