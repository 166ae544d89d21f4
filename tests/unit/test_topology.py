"""Which task listens where, and the broker's address as Celery wants it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kombu.utils.url import url_to_parts
from redis.asyncio import Redis

from runtime.topology import broker_url, queues, task_of
from schemas.errors import ConfigurationError
from schemas.messages import CLASSIFIER_QUEUE, ROUTE_TASK, SERVE_TASK


def test_the_classifier_routes_and_every_provider_serves() -> None:
    assert task_of(CLASSIFIER_QUEUE) == ROUTE_TASK
    assert task_of("provider.alpha") == SERVE_TASK


def test_a_yard_has_the_classifier_and_a_queue_for_each_provider() -> None:
    assert queues(("alpha", "beta")) == ("classifier", "provider.alpha", "provider.beta")


@pytest.mark.parametrize("url", ["redis://h:6379/2", "rediss://:pw@h:6380/0", "redis://u:p%40w@h/1"])
def test_a_network_address_is_celery_s_own(url: str) -> None:
    assert broker_url(url) == url


def test_a_socket_is_written_in_celery_s_way() -> None:
    assert broker_url("unix:///run/v.sock?db=3") == "redis+socket:///run/v.sock?virtual_host=3"
    assert broker_url("unix:///run/v.sock") == "redis+socket:///run/v.sock?virtual_host=0"


_login = st.text("aZ9@:/%?#é ", min_size=1, max_size=8)


@given(st.none() | _login, _login)
@settings(max_examples=100)
def test_the_login_of_a_socket_is_the_same_for_celery_as_for_us(user: str | None, password: str) -> None:
    url = f"unix://{quote(user or '', safe='')}:{quote(password, safe='')}@/run/v.sock?db=1"
    ours = Redis.from_url(url).connection_pool.connection_kwargs

    theirs = url_to_parts(broker_url(url).removeprefix("redis+"))

    assert theirs.password == ours["password"] == password
    assert theirs.username == ours.get("username") == user
    assert f"/{theirs.path}" == ours["path"] == "/run/v.sock"
    assert theirs.query == {"virtual_host": "1"}


def test_a_path_with_odd_letters_is_the_same_for_celery_as_for_us() -> None:
    url = f"unix://{quote('/run/my yard#1/v.sock')}?db=0"

    assert f"/{url_to_parts(broker_url(url)).path}" == "/run/my yard#1/v.sock"


@pytest.mark.parametrize("url", ["", "amqp://h", "/run/v.sock", "http://h"])
def test_another_broker_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(ConfigurationError, match="must begin with"):
        broker_url(url)
