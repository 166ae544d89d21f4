"""`/v1/reviews`: the yard's own API, for what was handed in (`submissions.py` takes it)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from producer.api.auth import Caller
from producer.api.batches import Watcher
from producer.api.errors import NATIVE, not_found
from producer.api.files import Reader, Submitter
from producer.api.ring import ring
from producer.api.state import state_of
from producer.intake.cancel import cancel_batch
from producer.intake.retry import Which
from producer.intake.retry import retry as take_up
from runtime.db.session import Connection, Database, Row
from runtime.db.stores import batches, views
from schemas.lifecycle import FINAL

_SHOWN = (
    "job_id", "custom_id", "name", "state", "reason_code", "reason", "provider", "model", "model_version", "simulated",
    "output", "standing", "checks", "sensitivity", "input_tokens", "output_tokens", "cost_usd_micros", "attempts",
    "policy_digest", "catalog_digest", "snapshot_digest", "decision_digest",
)  # fmt: skip

router = APIRouter(prefix=NATIVE)


@router.get("/{batch_id}")
async def one(request: Request, caller: Watcher, batch_id: str) -> dict[str, Any]:
    async with state_of(request).database.transaction() as connection:
        row = await _found(connection, caller, batch_id)
        states = await views.states(connection, caller.tenant, row["id"])
    is_open = any(name not in FINAL for name in states)
    return {
        "id": row["id"],
        "review": row["review_name"],
        "status": "open" if is_open else "cancelled" if row["cancelled_at"] else "done",
        "accepted": row["accepted"],
        "rejected": row["rejected"],
        "states": states,
        "requirements": row["requirements"],
        "created_at": row["created_at"].isoformat(),
        "finished_at": row["finished_at"].isoformat() if row["finished_at"] else None,
        "retry_of": str(row["retry_of"]) if row["retry_of"] else None,
    }


@router.get("/{batch_id}/results")
async def results(request: Request, caller: Reader, batch_id: str) -> StreamingResponse:
    """One line a document, also of those that are open."""
    database = state_of(request).database
    async with database.transaction() as connection:
        row = await _found(connection, caller, batch_id)
    return StreamingResponse(_lines(database, caller.tenant, row["id"]), media_type="application/x-ndjson")


async def _lines(database: Database, tenant: str, batch_id: str) -> AsyncIterator[bytes]:
    async for row in views.results(database, tenant, batch_id):
        yield orjson.dumps({name: row[name] for name in _SHOWN}, option=orjson.OPT_APPEND_NEWLINE)


@router.post("/{batch_id}/cancel")
async def cancel(request: Request, caller: Submitter, batch_id: str) -> dict[str, Any]:
    database = state_of(request).database
    async with database.transaction() as connection:
        row = await _found(connection, caller, batch_id)
    done = await cancel_batch(database, caller.tenant, row["id"], actor=f"api key {caller.key_id}")
    return {"id": row["id"], "cancelled": done.jobs, "in_flight": done.in_flight}


@router.post("/{batch_id}/retry", status_code=202)
async def retry(request: Request, caller: Submitter, batch_id: str) -> dict[str, Any]:
    """What failed, expired or was refused, as a new batch."""
    state = state_of(request)
    async with state.database.transaction() as connection:
        row = await _found(connection, caller, batch_id)
    made = await take_up(state.database, caller.tenant, row["id"], Which())
    ring(state.bells)
    return {"id": made.batch_id, "accepted": made.jobs, "retry_of": row["id"]}


async def _found(connection: Connection, caller: Caller, given: str) -> Row:
    try:
        batch_id = str(UUID(given))
    except ValueError:
        raise not_found("review batch", given) from None
    row = await batches.find(connection, caller.tenant, batch_id)
    if row is None:
        raise not_found("review batch", given)
    return row
