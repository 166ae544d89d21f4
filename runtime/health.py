"""Is what the yard stands on safe to stand on? Checked by every role at its start, and by `classyard doctor`."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from runtime.settings import Settings
from schemas.errors import ConfigurationError, ServiceUnreachable


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    ok: bool
    sentence: str
    """What was found, and where it is not well, what to do."""
    fatal: bool = False
    """Whether a role must not start with it."""


def require_healthy(settings: Settings) -> None:
    """Raises `ServiceUnreachable` or `ConfigurationError` with the first fatal finding."""
    for finding in (*check_database(settings), *check_broker(settings)):
        if not finding.ok and finding.fatal:
            kind = ServiceUnreachable if finding.name.endswith("answers") else ConfigurationError
            raise kind(finding.sentence)


def check_database(settings: Settings) -> list[Finding]:
    """Does it answer, and does it keep what it confirms?"""
    try:
        with psycopg.connect(
            settings.database_url, connect_timeout=5, autocommit=True, tcp_user_timeout=10_000
        ) as connection:
            shown = {
                name: str((connection.execute(f"show {name}").fetchone() or ("",))[0])
                for name in ("server_version", "fsync", "full_page_writes", "synchronous_commit")
            }
    except psycopg.Error as error:
        return [
            Finding("database answers", False, f"PostgreSQL does not answer ({type(error).__name__}).", True)
        ]
    found = [Finding("database answers", True, f"PostgreSQL {shown['server_version']} answers.")]
    for name in ("fsync", "full_page_writes"):
        on = shown[name] == "on"
        found.append(Finding(f"database {name}", on, _durable(name, on), True))
    return found


def _durable(name: str, on: bool) -> str:
    if on:
        return f"{name} is on."
    return f"PostgreSQL runs with {name} off and may lose confirmed work in a crash; turn it on."


def check_broker(settings: Settings) -> list[Finding]:
    """Does it answer, and does it never throw bells away to make room?"""
    client = Redis.from_url(
        settings.redis_url, socket_timeout=5, socket_connect_timeout=5, retry=Retry(NoBackoff(), 0)
    )
    try:
        version = str(client.info("server").get("redis_version", ""))
        policy = _eviction_policy(client)
    except (RedisError, OSError) as error:
        return [
            Finding("broker answers", False, f"The broker does not answer ({type(error).__name__}).", True)
        ]
    finally:
        client.close()
    return [Finding("broker answers", True, f"The broker answers (version {version})."), _eviction(policy)]


def _eviction_policy(client: Redis) -> str | None:
    """None where the server does not let us ask."""
    try:
        return str(client.info("memory").get("maxmemory_policy") or "") or None
    except RedisError:
        return None


def _eviction(policy: str | None) -> Finding:
    if policy in ("noeviction", None):
        known = "is noeviction" if policy else "cannot be read here; make sure it is noeviction"
        return Finding("broker eviction", True, f"Its maxmemory-policy {known}.")
    return Finding(
        "broker eviction",
        False,
        f"The broker's maxmemory-policy is {policy!r} and may throw bells away; set it to noeviction.",
        fatal=True,
    )
