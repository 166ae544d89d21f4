"""Who calls. A dependency of each route, never a matter of paths: a route without one does not start.

A key is looked up by its id in one statement with bound parameters, compared in constant time, and good for the tenant
of this yard only. Nothing is remembered from one request to the next, so a revoked key ends at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from producer.api.errors import ApiError
from producer.api.keys import matches, read_key
from producer.api.state import state_of
from runtime.db.stores import api_keys
from schemas.errors import InternalError
from schemas.scopes import Scope

INVALID = "The API key is missing or not valid here; send it as 'Authorization: Bearer cy_…'."


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
    state = state_of(request)
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    key = read_key(given.strip()) if kind.lower() == "bearer" else None
    if key is None:
        raise ApiError(401, INVALID, code="invalid_api_key")
    async with state.database.transaction() as connection:
        row = await api_keys.valid(connection, state.tenant, key.id)
        # The same work whether or not there is such a key.
        if not matches(state.pepper, key.secret, bytes(row["secret_hmac"]) if row else b"") or row is None:
            raise ApiError(401, INVALID, code="invalid_api_key")
        if row["is_stale"]:
            await api_keys.used(connection, key.id)
    return Caller(row["id"], state.tenant, frozenset(row["scopes"]))


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
