"""The contract of the doorbells, held by the broker in memory that unit tests use and by a real Valkey alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import fakeredis
import orjson
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from runtime.doorbells import MOST_AT_ONCE, Doorbells, RedisDoorbells
from runtime.metrics import Metrics
from runtime.redis_client import make_redis
from runtime.topology import KEY_PREFIX

QUEUE = "provider.alpha"


@dataclass
class Ringing:
    """Doorbells with their broker, and the same doorbells over a broker that is down."""

    bells: Doorbells
    broker: Redis
    metrics: Metrics
    dead: Doorbells

    async def waiting(self, queue: str = QUEUE) -> int:
        return int(await self.broker.llen(KEY_PREFIX + queue))

    async def taken(self, queue: str = QUEUE) -> bytes:
        """As kombu takes one: from the other end."""
        found = await self.broker.rpop(KEY_PREFIX + queue)
        assert isinstance(found, bytes)
        return found

    def counted(self, outcome: str) -> float:
        return self.metrics.bells.labels(QUEUE, outcome)._value.get()


@pytest_asyncio.fixture(params=["memory", pytest.param("valkey", marks=pytest.mark.services)])
async def ringing(request: pytest.FixtureRequest) -> AsyncIterator[Ringing]:
    metrics = Metrics()
    if request.param == "memory":
        down = fakeredis.FakeServer()
        down.connected = False
        broker, dead = fakeredis.FakeAsyncRedis(), fakeredis.FakeAsyncRedis(server=down)
    else:
        broker = make_redis(request.getfixturevalue("redis_url"))
        dead = make_redis("unix:///nowhere/at/all.sock")
    bells = RedisDoorbells(broker, metrics)
    yield Ringing(bells, broker, metrics, RedisDoorbells(dead, metrics))
    await bells.close()


@pytest.mark.asyncio
async def test_an_empty_queue_is_filled_to_what_is_wanted(ringing: Ringing) -> None:
    added = await ringing.bells.ring(QUEUE, 3)

    assert (added, await ringing.waiting()) == (3, 3)
    assert ringing.counted("rung") == 3


@pytest.mark.asyncio
async def test_a_queue_is_topped_up_and_never_filled_beyond_what_is_wanted(ringing: Ringing) -> None:
    await ringing.bells.ring(QUEUE, 3)

    added = [await ringing.bells.ring(QUEUE, want) for want in (3, 2, 5, 5, 0, -1)]

    assert added == [0, 0, 2, 0, 0, 0]
    assert await ringing.waiting() == 5


@pytest.mark.asyncio
async def test_what_was_taken_is_rung_again(ringing: Ringing) -> None:
    await ringing.bells.ring(QUEUE, 2)
    await ringing.taken()

    assert await ringing.bells.ring(QUEUE, 2) == 1
    assert await ringing.waiting() == 2


@pytest.mark.asyncio
async def test_queues_do_not_touch_each_other(ringing: Ringing) -> None:
    added = await ringing.bells.ring_all({QUEUE: 2, "classifier": 1, "provider.idle": 0})

    assert added == 3
    assert [await ringing.waiting(name) for name in (QUEUE, "classifier", "provider.idle")] == [2, 1, 0]


@pytest.mark.asyncio
async def test_one_push_holds_no_more_than_so_many(ringing: Ringing) -> None:
    assert await ringing.bells.ring(QUEUE, 5_000) == MOST_AT_ONCE
    assert await ringing.waiting() == MOST_AT_ONCE


@pytest.mark.asyncio
async def test_the_first_bell_rung_is_the_first_one_taken_and_each_has_its_id(ringing: Ringing) -> None:
    await ringing.bells.ring(QUEUE, 3)

    ids = [orjson.loads(await ringing.taken())["headers"]["id"] for _ in range(3)]

    assert len(set(ids)) == 3
    assert ids == sorted(ids)


@pytest.mark.asyncio
async def test_ringers_at_once_ring_a_few_too_many_at_most_and_none_too_few(ringing: Ringing) -> None:
    await asyncio.gather(*(ringing.bells.ring(QUEUE, 2) for _ in range(5)))

    assert 2 <= await ringing.waiting() <= 10
    assert await ringing.bells.ring(QUEUE, 2) == 0


@pytest.mark.asyncio
async def test_a_broker_that_is_down_is_counted_and_never_raises(ringing: Ringing) -> None:
    added = await ringing.dead.ring(QUEUE, 3)

    assert added == 0
    assert ringing.counted("not_delivered") == 1
    assert ringing.counted("rung") == 0
    assert await ringing.dead.ring_all({QUEUE: 1, "classifier": 1}) == 0
    await ringing.dead.close()


@pytest.mark.asyncio
async def test_a_queue_that_is_something_else_is_counted_and_never_raises(ringing: Ringing) -> None:
    await ringing.broker.set(KEY_PREFIX + QUEUE, "not a list")

    assert await ringing.bells.ring(QUEUE, 1) == 0
    assert ringing.counted("not_delivered") == 1
