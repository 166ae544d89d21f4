"""A bell as kombu and Celery themselves read it: a valid task message without arguments."""

from __future__ import annotations

import orjson
import pytest
from celery import Celery
from celery.worker.request import Request
from kombu import Connection
from kombu.transport.virtual import Channel, Message

from runtime.celery_app import make_app
from runtime.doorbells import message
from runtime.ids import new_id
from runtime.topology import task_of

QUEUES = ("classifier", "provider.alpha")


@pytest.fixture
def app() -> Celery:
    return make_app("redis://localhost:1/0", QUEUES)


def decoded(queue: str, bell_id: str = "b-1") -> Message:
    """As a consumer gets it. Redis adds the delivery tag's bookkeeping only when it hands the message out."""
    with Connection("memory://") as connection, connection.channel() as channel:
        assert isinstance(channel, Channel)
        return channel.message_to_python(orjson.loads(message(queue, bell_id)))


@pytest.mark.parametrize("queue", QUEUES)
def test_a_bell_decodes_to_a_task_without_arguments(queue: str) -> None:
    found = decoded(queue)

    args, kwargs, embed = found.decode()
    assert (args, kwargs) == ([], {})
    assert embed == {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    assert found.headers["task"] == task_of(queue)
    assert found.headers["id"] == found.properties["correlation_id"] == "b-1"
    assert (found.content_type, found.content_encoding) == ("application/json", "utf-8")
    assert found.delivery_info["routing_key"] == queue


@pytest.mark.parametrize("queue", QUEUES)
def test_celery_takes_a_bell_as_a_request_that_can_run_at_once(queue: str, app: Celery) -> None:
    found = decoded(queue)

    request = Request(found, app=app, task=app.tasks[task_of(queue)], decoded=False)

    assert (request.id, request.name) == ("b-1", task_of(queue))
    assert (request.eta, request.expires, request.time_limits) == (None, None, [None, None])
    assert not request.delivery_info.get("redelivered")
    assert request.ignore_result


def test_a_bell_has_the_headers_of_a_message_that_celery_itself_sends(app: Celery) -> None:
    task = app.tasks[task_of("classifier")]

    theirs = app.amqp.as_task_v2("b-1", task.name)
    ours = decoded("classifier")

    missing = set(theirs.headers) - set(ours.headers)
    assert missing <= {
        "group_index",
        "shadow",
        "replaced_task_nesting",
        "stamped_headers",
        "stamps",
        "delivery_count",
    }
    assert list(theirs.body[:2]) == [(), {}]


def test_every_bell_has_an_id_of_its_own_and_nothing_else_differs() -> None:
    first, second = (message("classifier", new_id()) for _ in range(2))

    a, b = orjson.loads(first), orjson.loads(second)
    assert a["headers"]["id"] != b["headers"]["id"]
    assert first.replace(a["headers"]["id"].encode(), b"") == second.replace(b["headers"]["id"].encode(), b"")


def test_a_bell_carries_no_more_than_a_kilobyte() -> None:
    assert len(message("provider." + "a" * 63, new_id())) < 1_024
