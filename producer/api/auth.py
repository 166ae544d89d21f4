"""Who calls. A dependency of each route, never a matter of paths: a route without one does not start.

A key is looked up by its id in one statement with bound parameters, compared in constant time, and good for the tenant
of this yard only. The same statement counts the request against the key's limit. Nothing is remembered from one request
to the next, so a revoked key ends at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from producer.api.errors import ApiError
from producer.api.guard import note_headers
from producer.api.keys import hmac_of, matches, read_key
from producer.api.rates import Allowance, after
from producer.api.state import state_of
from runtime.db.session import Row
from runtime.db.stores import api_keys
from schemas.errors import InternalError
from schemas.scopes import Scope

INVALID = (
    "The API key is missing or not valid here; send it as 'Authorization: Bearer cy_…' or 'x-api-key: cy_…'."
)
TRIED = "Too many keys that are not valid came from your address; come back in a moment, with one that is."


@dataclass(frozen=True, slots=True)
class Caller:
    key_id: str
    tenant: str
    scopes: frozenset[str]


class Needs:
    """`Depends(Needs(Scope.SUBMITTER))`: a valid key with at least one of these scopes."""

    def __init__(self, *scopes: Scope) -> None:
        self.scopes = frozenset(scopes)

    async def __call__(self, request: Request) -> Caller:
        caller = await _caller(request)
        if not caller.scopes & self.scopes:
            wanted = " or ".join(sorted(self.scopes))
            raise ApiError(
                403, f"This key may not do that; it takes one with the scope {wanted}.", code="scope"
            )
        return caller


async def _caller(request: Request) -> Caller:
    state, address = state_of(request), request.client.host if request.client else ""
    key = read_key(_given(request.headers))
    if key is None:
        raise ApiError(401, INVALID, code="invalid_api_key")
    failures = state.settings.api_failures_per_minute
    if wait_s := state.peers.wait_s(address, key.id, failures):
        note_headers(request.scope, after(wait_s))
        raise ApiError(429, TRIED, code="too_many_failures")
    proof = hmac_of(state.pepper, key.secret)
    async with state.database.transaction() as connection:
        row = await api_keys.admitted(
            connection, state.tenant, key.id, proof, default=state.settings.api_requests_per_minute
        )
    # The same work whether or not there is such a key.
    if not matches(state.pepper, key.secret, bytes(row["secret_hmac"]) if row else b"") or row is None:
        state.peers.failed(address, failures)
        raise ApiError(401, INVALID, code="invalid_api_key")
    state.peers.succeeded(address, key.id)
    _require_within(request, row)
    return Caller(row["id"], state.tenant, frozenset(row["scopes"]))


def _given(headers: Mapping[str, str]) -> str:
    """As Anthropic's clients send it, or as all others do; the first where there are both."""
    if own := headers.get("x-api-key", "").strip():
        return own
    kind, _, given = headers.get("authorization", "").partition(" ")
    return given.strip() if kind.lower() == "bearer" else ""


def _require_within(request: Request, row: Row) -> None:
    """Tells where the key stands, whatever the answer will be."""
    if not row["per_minute"]:
        return
    standing = Allowance(row["per_minute"], row["busy_s"])
    note_headers(request.scope, standing.headers())
    if not row["is_admitted"]:
        note_headers(request.scope, after(standing.wait_s))
        raise ApiError(
            429,
            f"This key may ask {standing.per_minute:,} times a minute and did; come back in a moment, or ask whoever "
            "made the key for more.",
            code="rate_limit_exceeded",
        )


def require_guarded(app: FastAPI) -> None:
    """Raises `InternalError` where a route asks nobody who calls."""
    for path in unguarded(app.routes):
        raise InternalError(f"The route {path} has no check of who calls.")


def unguarded(routes: Iterable[object]) -> Iterator[str]:
    """What is no route of ours is not known to be guarded."""
    for route in every_route(routes):
        if not (isinstance(route, APIRoute) and any(_calls(route.dependant))):
            yield getattr(route, "path", repr(route))


def every_route(routes: Iterable[object]) -> Iterator[object]:
    """Routes of included routers too."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from every_route(included.routes)
        else:
            yield route


def _calls(dependant: Dependant) -> Iterator[bool]:
    for one in dependant.dependencies:
        yield isinstance(one.call, Needs)
        yield from _calls(one)
