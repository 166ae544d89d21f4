"""`/v1/webhooks`: endpoints that are told what happened, and the log of every delivery."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from producer.api.auth import Caller, Needs
from producer.api.errors import WEBHOOKS
from producer.api.state import state_of
from producer.webhooks.endpoints import MOST_OVERLAP_S, OVERLAP_S, Endpoints, Made
from runtime.db.session import Row
from runtime.db.stores import deliveries, webhooks
from schemas.errors import UnknownName
from schemas.scopes import Scope
from schemas.webhooks import USUAL

Keeper = Annotated[Caller, Depends(Needs(Scope.OPERATOR, Scope.KEY_ADMIN))]
Watcher = Annotated[Caller, Depends(Needs(Scope.OPERATOR, Scope.KEY_ADMIN, Scope.AUDITOR))]
Id = Annotated[str, Path(max_length=100)]
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]

MAX_EVENTS = 100

router = APIRouter(prefix=WEBHOOKS)


class NewEndpoint(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    url: str
    name: str = ""
    events: list[str] = Field(default=list(USUAL), max_length=MAX_EVENTS)
    tenant_wide: bool = True
    """False: only of batches that name it."""


class Changes(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    url: str | None = None
    name: str | None = None
    events: list[str] | None = Field(default=None, max_length=MAX_EVENTS)
    tenant_wide: bool | None = None
    disabled: bool | None = None


class Rotation(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    overlap_s: int = Field(default=OVERLAP_S, ge=0, le=MOST_OVERLAP_S)


@router.post("", status_code=201)
async def create(request: Request, caller: Keeper, asked: NewEndpoint) -> dict[str, Any]:
    """With its secret, which is shown this once."""
    made = await _endpoints(request, caller).add(
        asked.url, name=asked.name, events=asked.events, is_tenant_wide=asked.tenant_wide
    )
    return _with_secret(made)


@router.get("")
async def every(request: Request, caller: Watcher) -> dict[str, Any]:
    async with state_of(request).database.transaction() as connection:
        rows = await webhooks.every(connection, caller.tenant)
    counts = ("waiting", "exhausted")
    return {"data": [{**_endpoint(row), **{name: row[name] for name in counts}} for row in rows]}


@router.get("/{endpoint_id}")
async def one(request: Request, caller: Watcher, endpoint_id: Id) -> dict[str, Any]:
    return _endpoint(await _found(request, caller, endpoint_id))


@router.patch("/{endpoint_id}")
async def change(request: Request, caller: Keeper, endpoint_id: Id, asked: Changes) -> dict[str, Any]:
    row = await _endpoints(request, caller).change(
        endpoint_id,
        url=asked.url,
        name=asked.name,
        events=asked.events,
        is_tenant_wide=asked.tenant_wide,
        is_disabled=asked.disabled,
    )
    return _endpoint(row)


@router.delete("/{endpoint_id}")
async def remove(request: Request, caller: Keeper, endpoint_id: Id) -> dict[str, Any]:
    """With its log."""
    await _endpoints(request, caller).remove(endpoint_id)
    return {"id": endpoint_id, "deleted": True}


@router.post("/{endpoint_id}/rotate")
async def rotate(
    request: Request, caller: Keeper, endpoint_id: Id, asked: Rotation | None = None
) -> dict[str, Any]:
    """A new secret, shown this once; the one before signs as well until `previous_until`."""
    overlap_s = (asked or Rotation()).overlap_s
    return _with_secret(await _endpoints(request, caller).rotate(endpoint_id, overlap_s=overlap_s))


@router.post("/{endpoint_id}/test", status_code=202)
async def test(request: Request, caller: Keeper, endpoint_id: Id) -> dict[str, Any]:
    return dict(await _endpoints(request, caller).test(endpoint_id))


@router.get("/{endpoint_id}/deliveries")
async def log(
    request: Request,
    caller: Watcher,
    endpoint_id: Id,
    state: Literal["waiting", "delivered", "exhausted"] | None = None,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """Newest first; the next page begins `before` the last one of this."""
    await _found(request, caller, endpoint_id)
    async with state_of(request).database.transaction() as connection:
        rows = await deliveries.log(
            connection, caller.tenant, endpoint_id, state=state, before=before, most=limit + 1
        )
    return {"data": [_delivery(row) for row in rows[:limit]], "has_more": len(rows) > limit}


@router.post("/{endpoint_id}/redeliver", status_code=202)
async def redeliver_all(request: Request, caller: Keeper, endpoint_id: Id) -> dict[str, Any]:
    """All that were given up."""
    return {"redelivered": await _endpoints(request, caller).redeliver_all(endpoint_id)}


@router.post("/deliveries/{delivery_id}/redeliver", status_code=202)
async def redeliver(request: Request, caller: Keeper, delivery_id: Number) -> dict[str, Any]:
    """Whatever became of it, with the same event id."""
    return dict(await _endpoints(request, caller).redeliver(delivery_id))


def _endpoints(request: Request, caller: Caller) -> Endpoints:
    state = state_of(request)
    return Endpoints(
        state.database, caller.tenant, state.pepper, state.settings.webhook_networks, ids=state.ids
    )


async def _found(request: Request, caller: Caller, endpoint_id: str) -> Row:
    async with state_of(request).database.transaction() as connection:
        row = await webhooks.find(connection, caller.tenant, endpoint_id)
    if row is None:
        raise UnknownName(f"There is no endpoint {endpoint_id[:60]!r}.")
    return row


def _with_secret(made: Made) -> dict[str, Any]:
    return {**_endpoint(made.row), "secret": made.secret}


def _endpoint(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = ("id", "name", "url", "events", "created_at", "failures", "failing_since", "rests_until")
    return {
        **{name: row[name] for name in shown},
        "tenant_wide": row["is_tenant_wide"],
        "disabled": row["disabled_at"] is not None,
        "disabled_at": row["disabled_at"],
        "disabled_reason": row["disabled_reason"] or None,
        "previous_until": row["before_until"],
    }


def _delivery(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = ("id", "event_id", "type", "subject", "created_at", "state", "attempts", "ended_at")
    return {
        **{name: row[name] for name in shown},
        "due_at": row["due_at"] if row["state"] == "waiting" else None,
        "reason": row["reason"] or None,
        "tries": row["tries"],
    }
