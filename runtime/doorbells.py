"""Ring the next stage: put bells on its queue, no more of them than are of use.

A bell is a Celery message without arguments, in the form that kombu's Redis transport reads (task protocol 2, virtual
transport envelope). Many go out in one `LPUSH`. A bell that cannot be delivered is counted and forgotten: the keeper
rings again from the table, so losing one costs seconds and nothing else.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Protocol

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from runtime import failpoints
from runtime.ids import NewId, new_id
from runtime.logs import logger
from runtime.metrics import Metrics
from runtime.topology import KEY_PREFIX, task_of

_BODY = base64.b64encode(b'[[],{},{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]').decode()

MOST_AT_ONCE = 256
"""Bells in one push."""

QUICK_MS = 50


def jobs_a_bell(job_ms: int | None, most: int) -> int:
    """Jobs, up to `most`, that one slot does in a twentieth of a second: they are not worth a bell each,
    which costs as much as a quick call. One where a call takes longer, or nobody knows."""
    return 1 if job_ms is None else max(1, min(most, QUICK_MS // max(1, job_ms)))


class Doorbells(Protocol):
    async def ring(self, queue: str, want: int) -> int:
        """Tops the queue up to `want` waiting bells; returns how many were added. Never raises."""

    async def ring_all(self, wants: Mapping[str, int]) -> int: ...

    async def close(self) -> None: ...


class RedisDoorbells:
    def __init__(self, redis: Redis, metrics: Metrics, *, ids: NewId = new_id) -> None:
        self._redis, self._metrics, self._ids = redis, metrics, ids
        self._one = asyncio.Lock()

    async def ring(self, queue: str, want: int) -> int:
        try:
            async with self._one:  # of many slots that ring at once, the first rings for all
                added = await self._top_up(queue, min(want, MOST_AT_ONCE))
        except (TimeoutError, RedisError, OSError) as error:
            self._metrics.bells.labels(queue, "not_delivered").inc()
            logger().warning("bell.not_delivered", queue=queue, error=type(error).__name__)
            return 0
        if added:
            self._metrics.bells.labels(queue, "rung").inc(added)
        return added

    async def ring_all(self, wants: Mapping[str, int]) -> int:
        return sum([await self.ring(queue, want) for queue, want in wants.items() if want > 0])

    async def close(self) -> None:
        await self._redis.aclose()

    async def _top_up(self, queue: str, want: int) -> int:
        # Two processes may both see a short queue. The bell too many finds nothing to do, and that is all.
        there = int(await self._redis.llen(KEY_PREFIX + queue))
        missing = max(0, want - there)
        if missing:
            bells = [message(queue, self._ids()) for _ in range(missing)]
            failpoints.reach("bell.ring")
            await self._redis.lpush(KEY_PREFIX + queue, *bells)
            failpoints.reach("bell.rung")
        return missing


def message(queue: str, bell_id: str) -> bytes:
    """One bell, as the bytes of a list element. Source: kombu 5.7 `transport/virtual/base.py`, checked 2026-11-23."""
    return orjson.dumps(
        {
            "body": _BODY,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {
                "lang": "py",
                "task": task_of(queue),
                "id": bell_id,
                "root_id": bell_id,
                "parent_id": None,
                "group": None,
                "argsrepr": "()",
                "kwargsrepr": "{}",
                "origin": "classyard",
                "ignore_result": True,
                "retries": 0,
                "eta": None,
                "expires": None,
                "timelimit": [None, None],
            },
            "properties": {
                "correlation_id": bell_id,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": bell_id,
            },
        }
    )
