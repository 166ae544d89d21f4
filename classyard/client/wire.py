"""What both clients make of httpx: its settings, its requests, its answers, its faults."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Any

import httpx

from classyard.client.effects import Reply, Request
from classyard.client.operations import Operations
from classyard.client.place import Place
from classyard.client.problems import ConnectionBroken, ConnectionFault, NotConnected
from classyard.client.retries import Retries

CONNECT_S = 10.0

NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


def operations(retries: int) -> Operations:
    # Chance for pauses only; nothing is kept secret with it.
    return Operations(Retries(random.random, lambda: datetime.now(UTC), most=retries), time.monotonic)


def settings(place: Place, timeout_s: float) -> dict[str, Any]:
    """Redirects are not followed: the key would go with them."""
    return {
        "base_url": place.url,
        "headers": {"Authorization": f"Bearer {place.key}", "Accept": "application/json"},
        "timeout": httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
        "follow_redirects": False,
    }


def built(http: httpx.Client | httpx.AsyncClient, request: Request, content: Any) -> httpx.Request:
    return http.build_request(
        request.method,
        request.path,
        params=dict(request.params) or None,
        headers=dict(request.headers),
        content=content,
        timeout=httpx.USE_CLIENT_DEFAULT if request.timeout_s is None else request.timeout_s,
    )


def reply(response: httpx.Response, body: bytes = b"") -> Reply:
    return Reply(
        response.status_code, {name.lower(): value for name, value in response.headers.items()}, body
    )


def fault(error: httpx.HTTPError | httpx.StreamError) -> ConnectionFault:
    if isinstance(error, NOT_CONNECTED):
        return NotConnected(
            f"The yard cannot be reached ({type(error).__name__}). Is it up, and the address right?"
        )
    if isinstance(error, httpx.TimeoutException):
        return ConnectionBroken(f"The yard did not answer in time ({type(error).__name__}).")
    return ConnectionBroken(f"The connection to the yard broke ({type(error).__name__}).")
