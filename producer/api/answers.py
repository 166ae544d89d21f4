"""`/v1/chat/completions` and `/v1/responses`: one document, and its answer in the same request.

It is a batch of one in the urgent lane, and takes the way of every job: policy, limits, budgets, audit. The request
only waits for its end. Without an `Idempotency-Key` nobody could come back for the answer, so whoever leaves, or is
told that it takes too long, leaves nothing behind that is still paid for: it is cancelled. With a key it goes on, and
the same request again waits for the same answer, or has it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Request
from fastapi.responses import Response

from producer.api.asked import NO_MODEL, Wanted, wanted_of
from producer.api.auth import Caller
from producer.api.batches import require_small
from producer.api.errors import ApiError
from producer.api.files import Submitter
from producer.api.lines import CHAT, RESPONSES
from producer.api.output import body_of, chunks_of
from producer.api.requests import Asked, read_request
from producer.api.ring import ring
from producer.api.state import ApiState, names_now, state_of
from producer.api.waiting import Waiting
from producer.intake.accept import Accepted, accept
from producer.intake.cancel import cancel_batch
from runtime.db.session import Row
from runtime.db.stores import views
from schemas.errors import BadInput
from schemas.lifecycle import FINAL
from schemas.review import Review
from schemas.sensitivity import Lane
from schemas.submission import Requirements

GOES_ON_S = 600
"""A deadline for work that somebody waits for; a nearer one may be asked for."""

PAST_S = 1.0
"""So long after its deadline it is seen that it has passed."""

MAX_KEY_CHARACTERS = 200

STATUSES = {"refused": 422, "failed": 502, "expired": 504, "cancelled": 409}
"""Of what ended without an answer. To ask again would give the same, so clients are told not to."""

GONE = 499
"""To a caller who has gone; for the record only."""

NO_RETRY = {"x-should-retry": "false"}

router = APIRouter()

Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=MAX_KEY_CHARACTERS)]


@router.post(CHAT)
async def chat(request: Request, caller: Submitter, idempotency_key: Key = None) -> Response:
    return await _answered(request, caller, CHAT, idempotency_key)


@router.post(RESPONSES)
async def response(request: Request, caller: Submitter, idempotency_key: Key = None) -> Response:
    return await _answered(request, caller, RESPONSES, idempotency_key)


async def _answered(request: Request, caller: Caller, endpoint: str, key: str | None) -> Response:
    """Raises `ApiError`, `BadInput` and `KeyConflict`."""
    state, waiting = state_of(request), request.app.state.waiting
    asked = read_request(await request.body(), endpoint)
    require_small(asked.metadata)
    with waiting.place():
        review, wanted = await _wanted(state, asked)
        batch_id = (await _accepted(state, caller, asked, review, wanted, endpoint, key)).batch_id
        ring(state.bells)
        within_s = min(request.app.state.limits.answer_seconds, (wanted.deadline_s or GOES_ON_S) + PAST_S)
        is_there = await _awaited(request, waiting, batch_id, within_s)
    row = before = await _row(state, batch_id)
    if before["state"] not in FINAL and key is None:
        await cancel_batch(state.database, caller.tenant, batch_id, actor=f"api key {caller.key_id}")
        row = await _row(state, batch_id)  # it may have been done in the last moment
    if row["output"] is not None:
        return _shown(row, batch_id, endpoint, asked)
    if not is_there:
        return Response(status_code=GONE)
    if before["state"] in STATUSES:
        raise _ended(row, batch_id)
    raise _late(before, batch_id, within_s, goes_on=key is not None)


async def _row(state: ApiState, batch_id: str) -> Row:
    async with state.database.transaction() as connection:
        return await views.first_result(connection, state.tenant, batch_id)


async def _wanted(state: ApiState, asked: Asked) -> Wanted:
    names = await names_now(state)
    try:
        review, wanted = wanted_of(asked.ask, asked.metadata, GOES_ON_S, find=state.reviews, names=names)
    except BadInput as error:
        status = 404 if error.code == NO_MODEL else 400
        param = error.where.removeprefix("body.") or None
        raise ApiError(status, error.sentence, code=error.code, param=param) from error
    if "classyard_priority" not in asked.metadata:
        wanted = wanted.model_copy(update={"lane": Lane.URGENT})
    return Wanted(review, wanted)


async def _accepted(
    state: ApiState,
    caller: Caller,
    asked: Asked,
    review: Review,
    wanted: Requirements,
    endpoint: str,
    key: str | None,
) -> Accepted:
    return await accept(
        state.database,
        [asked.document],
        tenant_id=caller.tenant,
        source=f"{endpoint}, key {caller.key_id}",
        review=review,
        requirements=wanted,
        defaults=state.settings.tenant_defaults,
        key=f"{endpoint} {key}" if key else None,
    )


async def _awaited(request: Request, waiting: Waiting, batch_id: str, within_s: float) -> bool:
    """Until its end, or for so long; False where the caller has gone."""
    final = asyncio.create_task(waiting.until_final(batch_id))
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait((final, gone), timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        return final.done() or not gone.done()
    finally:
        for task in (final, gone):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _gone(request: Request) -> None:
    """The body is read; what still comes is that the connection has ended."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _shown(row: Row, batch_id: str, endpoint: str, asked: Asked) -> Response:
    body = body_of(row, endpoint)
    body["classyard"] |= {"job_id": row["job_id"], "batch_id": batch_id}
    if asked.streams:
        content = b"".join(chunks_of(body, has_usage=asked.has_usage))
        return Response(content, headers=_ids(row, batch_id), media_type="text/event-stream")
    return Response(orjson.dumps(body), headers=_ids(row, batch_id), media_type="application/json")


def _ids(row: Mapping[str, Any], batch_id: str) -> dict[str, str]:
    """`x-request-id` is what clients keep of an answer and of an error."""
    return {"x-request-id": row["job_id"], "x-classyard-batch": batch_id}


def _ended(row: Row, batch_id: str) -> ApiError:
    state = row["state"]
    return ApiError(
        STATUSES[state],
        row["reason"] or f"It is {state}.",
        code=row["reason_code"] or state,
        headers={**_ids(row, batch_id), **NO_RETRY},
    )


def _late(row: Row, batch_id: str, within_s: float, *, goes_on: bool) -> ApiError:
    """Held work is told with what it waits for: that is for an operator, and no matter of patience."""
    is_held = row["state"] == "held"
    code = row["reason_code"] if is_held else "timeout"
    status = 504 if not is_held else 429 if code == "budget" else 503
    because = f" {row['reason']}" if is_held else ""
    after = (
        f"It goes on as job {row['job_id']} of batch {batch_id}: send the same request again, or read "
        f"/v1/reviews/{batch_id}/results."
        if goes_on
        else "It was cancelled, since nobody could come back for it; with an Idempotency-Key it would go on."
    )
    again = {"x-should-retry": "true", "Retry-After": "1"} if goes_on else NO_RETRY
    return ApiError(
        status,
        f"It was not done within {within_s:g} s, it is {row['state']}.{because} {after}",
        code="insufficient_quota" if status == 429 else code,
        headers={**_ids(row, batch_id), **again},
    )
