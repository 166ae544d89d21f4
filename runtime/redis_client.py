"""The one place that makes a Redis client: short deadlines, and no hidden repeats.

redis-py 8 repeats a failed command up to ten times by default; an `LPUSH` would then be applied more than once.
"""

from __future__ import annotations

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def make_redis(url: str, *, timeout_s: float = 2.0) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 0),
        max_connections=32,
    )
