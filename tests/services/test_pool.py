"""The pool inside a real Celery worker process on a real Valkey: concurrency, live growth, faults and the way out."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from runtime.celery_app import make_app
from runtime.doorbells import RedisDoorbells
from runtime.metrics import Metrics
from runtime.redis_client import make_redis
from runtime.topology import KEY_PREFIX
from schemas.messages import CLASSIFIER_QUEUE
from tests.conftest import Services

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("pool")]

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 3


class Worker:
    """A process, the broker that it listens to, and an operator's remote control."""

    def __init__(self, process: subprocess.Popen[bytes], redis_url: str) -> None:
        self.process = process
        self.redis_url = redis_url
        self.broker = Redis.from_url(redis_url, decode_responses=True)
        self.control = make_app(redis_url, ()).control

    def mode(self, word: str) -> None:
        self.broker.set("mode", word)

    def ring(self, bells: int) -> None:
        """So many more, whatever lies there."""
        asyncio.run(_ring(self.redis_url, bells + self.waiting()))

    def waiting(self) -> int:
        return int(self.broker.llen(KEY_PREFIX + CLASSIFIER_QUEUE))  # type: ignore[arg-type]

    def seen(self) -> dict[str, int]:
        found: Any = self.broker.hgetall("seen")
        return {name: int(number) for name, number in found.items()}

    def until(self, **wanted: int) -> dict[str, int]:
        deadline = time.monotonic() + 15
        while (found := self.seen()) | wanted != found:
            assert time.monotonic() < deadline, f"wanted {wanted}, saw {found}"
            time.sleep(0.01)
        return found

    def stays(self, **wanted: int) -> None:
        """For a moment long enough for a bell to begin."""
        self.until(**wanted)
        time.sleep(0.2)
        assert self.seen() | wanted == self.seen()


async def _ring(redis_url: str, bells: int) -> None:
    doorbells = RedisDoorbells(make_redis(redis_url), Metrics())
    await doorbells.ring(CLASSIFIER_QUEUE, bells)
    await doorbells.close()


@contextmanager
def worker(services: Services, number: int, *, drain_s: float = 10.0) -> Iterator[Worker]:
    """In a database of the broker of its own, so that workers do not take each other's bells."""
    redis_url = services.redis_url.replace("db=0", f"db={number}")
    with Redis.from_url(redis_url) as broker:
        broker.flushdb()
        broker.set("mode", "hold")
    command = [sys.executable, "-m", "tests.pool_worker", redis_url, str(LIMIT), str(drain_s)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    found = Worker(process, redis_url)
    try:
        found.until(closed=0)
        yield found
    finally:
        process.kill()
        process.wait(10)
        found.broker.close()


@pytest.fixture(scope="module")
def running(services: Services) -> Iterator[Worker]:
    """One worker for the tests that leave it as it was: idle, with its limit."""
    with worker(services, 1) as found:
        yield found


@pytest.fixture
def idle(running: Worker) -> Iterator[Worker]:
    running.mode("hold")
    yield running
    running.mode("fast")
    while running.waiting():
        time.sleep(0.01)
    running.stays(running=0)


def test_bells_run_side_by_side_up_to_the_limit_and_the_others_stay_with_the_broker(idle: Worker) -> None:
    before = idle.seen()["ended"]
    idle.ring(8)

    idle.stays(running=LIMIT, peak=LIMIT)
    assert idle.waiting() == 8 - LIMIT, "free for other workers"

    idle.mode("fast")
    idle.until(running=0, ended=before + 8, peak=LIMIT)
    assert idle.waiting() == 0


def test_a_bell_has_others_run_beside_it_up_to_the_limit(idle: Worker) -> None:
    idle.broker.set("more", 1)
    before = idle.seen()["ended"]
    idle.ring(1)

    idle.stays(running=LIMIT, more=LIMIT - 1)
    idle.mode("fast")
    idle.until(running=0, ended=before + LIMIT)


def test_a_freed_slot_takes_the_next_bell_at_once(idle: Worker) -> None:
    """Celery's loop by itself turns up to a second later. The best of three, since the machine may be busy."""
    assert min(_seconds_to_empty(idle) for _ in range(3)) < 0.7


def _seconds_to_empty(idle: Worker) -> float:
    """Of a full pool with four times as many bells behind it, once they may end."""
    idle.mode("hold")
    before = idle.seen()["ended"]
    idle.ring(5 * LIMIT)
    idle.until(running=LIMIT)
    began = time.monotonic()
    idle.mode("fast")
    idle.until(running=0, ended=before + 5 * LIMIT)
    return time.monotonic() - began


def test_a_pool_grows_and_shrinks_while_bells_are_running(idle: Worker) -> None:
    idle.ring(20)
    idle.until(running=LIMIT)

    idle.control.pool_grow(4)
    idle.stays(running=LIMIT + 4)

    yielded = idle.seen()["yielded"]
    idle.control.pool_shrink(5)
    idle.stays(running=LIMIT - 1)
    assert idle.seen()["yielded"] >= yielded + 5, "who is too many comes to a good place to stop"

    idle.control.pool_grow(1)
    idle.stays(running=LIMIT)


def test_an_operator_sees_the_limit_and_what_is_running(idle: Worker) -> None:
    idle.ring(2)
    idle.until(running=2)

    replies = idle.control.inspect(timeout=5, limit=1).stats() or {}

    (stats,) = replies.values()
    assert (stats["pool"]["max-concurrency"], stats["pool"]["running"], stats["pool"]["waiting"]) == (
        LIMIT,
        2,
        0,
    )


def test_a_service_that_raises_does_not_take_the_worker_down(idle: Worker) -> None:
    before = idle.seen()
    idle.mode("break")
    idle.ring(5)
    idle.until(broken=before["broken"] + 5, running=0)
    idle.broker.set("more", 1)
    idle.ring(1)
    idle.until(broken=before["broken"] + 5 + LIMIT, running=0)

    idle.mode("fast")
    idle.ring(2)

    idle.until(ended=before["ended"] + 7 + LIMIT)
    assert idle.process.poll() is None


def test_sigterm_asks_running_bells_to_come_to_an_end_and_takes_no_more(services: Services) -> None:
    with worker(services, 2) as ending:
        ending.ring(6)
        ending.until(running=LIMIT)

        ending.process.terminate()

        assert ending.process.wait(15) == 0
        seen = ending.seen()
        assert (seen["started"], seen["yielded"], seen["cancelled"], seen["closed"]) == (LIMIT, LIMIT, 0, 1)
        assert ending.waiting() == 6 - LIMIT, "free for other workers"


@pytest.mark.parametrize(("mode", "number"), [("deaf", 3), ("stubborn", 4)])
def test_a_bell_that_does_not_come_to_an_end_is_cut_off_after_the_drain(
    services: Services, mode: str, number: int
) -> None:
    """A stubborn one swallows the first time, and is told once more."""
    with worker(services, number, drain_s=0.3) as ending:
        ending.mode(mode)
        ending.ring(2)
        ending.until(running=2)

        ending.process.terminate()

        assert ending.process.wait(15) == 0
        seen = ending.seen()
        assert (seen["cancelled"], seen["running"], seen["closed"]) == (2, 0, 1)
