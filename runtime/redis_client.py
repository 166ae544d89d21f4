"""The one place that makes a Redis client: short deadlines, and no hidden repeats.

redis-py 8 repeats a failed command up to ten times by default; an `LPUSH` would then be applied more than once.
"""

from __future__ import annotations

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from schemas.errors import ConfigurationError


def make_redis(url: str, *, timeout_s: float = 2.0) -> Redis:
    """Connects to nothing yet. Raises `ConfigurationError` for an address of another form."""
    try:
        return Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            health_check_interval=15,
            retry=Retry(NoBackoff(), 0),
            max_connections=32,
        )
    except ValueError as error:  # its words may hold the password
        raise ConfigurationError(
            "REDIS_URL is not the address of a broker; it looks like redis://:PASSWORD@HOST:6379/0 or unix:///PATH."
        ) from error
