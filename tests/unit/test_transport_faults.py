"""Celery carries bells. A role does not start where it was set up to hold work."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery

from runtime.celery_app import SAFE, make_app, transport_faults
from runtime.settings import Settings
from runtime.worker import run_worker
from schemas.errors import ConfigurationError
from schemas.messages import CLASSIFIER_QUEUE, ROUTE_TASK


def an_app() -> Celery:
    return make_app("redis://127.0.0.1:1", (CLASSIFIER_QUEUE,))


def test_our_own_application_has_no_faults() -> None:
    assert transport_faults(an_app()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task_acks_late", True),
        ("task_reject_on_worker_lost", True),
        ("result_backend", "redis://127.0.0.1:1"),
        ("worker_prefetch_multiplier", 4),
        ("worker_disable_prefetch", False),
        ("task_serializer", "pickle"),
        ("accept_content", ["json", "pickle"]),
        ("beat_schedule", {"later": {"task": ROUTE_TASK, "schedule": 5}}),
    ],
)
def test_each_setting_under_which_work_is_lost_or_repeated_is_named(name: str, value: Any) -> None:
    app = an_app()
    app.conf[name] = value

    (fault,) = transport_faults(app)

    assert name in fault and name in SAFE


def test_a_task_that_is_acknowledged_late_is_named() -> None:
    app = an_app()
    app.tasks[ROUTE_TASK].acks_late = True

    assert transport_faults(app) == [f"The task {ROUTE_TASK} is acknowledged late; bells must not be."]


def test_a_role_does_not_start_with_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*arguments: Any, **options: Any) -> Celery:
        app = make_app(*arguments, **options)
        app.conf.task_acks_late = True
        return app

    monkeypatch.setattr("runtime.worker.make_app", late)
    settings = Settings(database_url="", redis_url="redis://127.0.0.1:1")

    with pytest.raises(ConfigurationError, match=r"task_acks_late is True.*done twice"):
        run_worker(settings, None, name="router", queue=CLASSIFIER_QUEUE, concurrency=1)  # type: ignore[arg-type]
