"""Names that the stages share: which task listens on which queue, and the addresses of one broker in three dialects."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from schemas.errors import ConfigurationError
from schemas.messages import CLASSIFIER_QUEUE, ROUTE_TASK, SERVE_TASK, provider_queue

KEY_PREFIX = "classyard:"
"""Of every key in Redis, so that an instance shared by mistake harms nobody."""


def task_of(queue: str) -> str:
    return ROUTE_TASK if queue == CLASSIFIER_QUEUE else SERVE_TASK


def queues(providers: tuple[str, ...]) -> tuple[str, ...]:
    return (CLASSIFIER_QUEUE, *(provider_queue(name) for name in providers))


def broker_url(redis_url: str) -> str:
    """The address as Celery wants it: a Unix socket is `redis+socket://PATH?virtual_host=N` there."""
    parts = urlsplit(redis_url)
    if parts.scheme in ("redis", "rediss"):
        return redis_url
    if parts.scheme != "unix":
        raise ConfigurationError("REDIS_URL must begin with 'redis://', 'rediss://' or 'unix://'.")
    query = parse_qs(parts.query)
    login = "".join(parts.netloc.rpartition("@")[:2])  # user and password, percent-encoded as they came
    return f"redis+socket://{login}{parts.path}?virtual_host={query.get('db', ['0'])[0]}"
