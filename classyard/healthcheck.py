"""Is the role in this container well? `python -m classyard.healthcheck`, for container engines; exit code 0 or 1.

A role is well when its metrics page answers and the database has heard its heartbeat lately: the very row by which the
router counts a provider's workers. So a role whose loop hangs, or which has lost the database, is not called healthy. A
keeper that stands by beats too.

    python -m classyard.healthcheck                the role of this host whose metrics are at CLASSYARD_METRICS_PORT
    python -m classyard.healthcheck --url URL      only that URL answers 200: for what has no heartbeat
"""

from __future__ import annotations

import argparse
import socket
import sys
import urllib.request
from collections.abc import Sequence

import psycopg

from runtime.settings import Settings

FRESH_S = 15.0
"""A worker that was silent for longer is not counted by the router."""

TIMEOUT_S = 3

_BEATS = """
select 1 from workers where tenant_id = %(tenant)s and host = %(host)s and metrics_address like %(port)s
    and seen_at > now() - make_interval(secs => %(fresh_s)s) limit 1
"""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    trouble = page_trouble(options.url) if options.url else role_trouble(Settings())
    if trouble:
        sys.stderr.write(f"{trouble}\n")
    return 1 if trouble else 0


def role_trouble(settings: Settings) -> str:
    """What is wrong, as a sentence; empty where all is well."""
    if not settings.metrics_port:
        return "CLASSYARD_METRICS_PORT is not set, so the role's metrics page cannot be found."
    host = "127.0.0.1" if settings.metrics_host in ("0.0.0.0", "::") else settings.metrics_host  # noqa: S104  compared, not bound
    return page_trouble(f"http://{host}:{settings.metrics_port}/metrics") or _beat_trouble(settings)


def page_trouble(url: str) -> str:
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({})
    )  # never through the provider's proxy
    try:
        with opener.open(url, timeout=TIMEOUT_S) as answer:
            return "" if answer.status == 200 else f"{url} answers {answer.status}."
    except (OSError, ValueError) as error:
        return f"{url} does not answer: {error}."


def _beat_trouble(settings: Settings) -> str:
    asked = {
        "tenant": settings.tenant,
        "host": socket.gethostname(),
        "port": f"%:{settings.metrics_port}",
        "fresh_s": FRESH_S,
    }
    try:
        with psycopg.connect(settings.database_url, connect_timeout=TIMEOUT_S, autocommit=True) as connection:
            beats = connection.execute(_BEATS, asked).fetchone() is not None
    except psycopg.Error as error:
        return f"The database does not answer ({type(error).__name__})."
    return "" if beats else f"No heartbeat of this role has reached the database for {FRESH_S:g} s."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m classyard.healthcheck")
    parser.add_argument("--url", default="", help="well when this answers 200, whatever the database says")
    return parser


if __name__ == "__main__":
    sys.exit(main())
