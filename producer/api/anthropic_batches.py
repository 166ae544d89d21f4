"""`/v1/messages/batches`: batches of Anthropic's shape. Requests are read with the body; the desk does the rest."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import StreamingResponse

from producer.api.anthropic_body import Body
from producer.api.anthropic_lines import MESSAGES, OURS
from producer.api.anthropic_objects import KEPT_S, has_lost_results, listed, message_batch
from producer.api.asked import PREFIX, wanted_of
from producer.api.batches import MAX_KEY_CHARACTERS, Watcher, made_before
from producer.api.errors import ApiError, not_found
from producer.api.files import Reader, Submitter, bare, pieces
from producer.api.shapes import ANTHROPIC
from producer.api.state import ApiState, names_now, state_of
from producer.intake.names import Names
from runtime.db.session import Connection, Row, clock
from runtime.db.stores import api_batches, files
from schemas.canonical import canonical, digest
from schemas.errors import BadInput

WINDOW, WINDOW_S = "24h", 86_400

VERSIONS = ("2026-10-21", "2023-06-01", "2023-01-01")
"""They differ in what is not taken here anyway. Source: platform.claude.com/docs/en/api/versioning, checked
2026-11-28."""

_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def _known_version(
    given: Annotated[
        str | None, Header(alias="anthropic-version", json_schema_extra={"enum": list(VERSIONS)})
    ] = None,
) -> str:
    if given is None:
        raise ApiError(400, f"The header is required; send {VERSIONS[0]}.", param="anthropic-version")
    if given not in VERSIONS:
        known = ", ".join(VERSIONS)
        raise ApiError(400, f"It is not known; there are {known}.", param="anthropic-version")
    return given


Version = Annotated[str, Depends(_known_version)]
"""Behind the caller in every route: who has no key learns nothing else."""

BatchId = Annotated[str, Path(max_length=100)]

router = APIRouter(prefix="/v1/messages/batches")


@router.post("")
async def create(
    request: Request,
    caller: Submitter,
    version: Version,
    idempotency_key: Annotated[str | None, Header(max_length=MAX_KEY_CHARACTERS)] = None,
) -> dict[str, Any]:
    """What is asked for beside stands in the body under `classyard`, or in headers such as `classyard-deadline`.

    Raises `ApiError` with the first thing that is wrong; then nothing is kept.
    """
    state = state_of(request)
    if request.headers.get("content-encoding", "identity") != "identity":
        raise ApiError(400, "A body is taken as it is, not compressed.", param="content-encoding")
    asked = _of_headers(request.headers)
    batch_id = f"msgbatch_{bare(state.ids())}"
    body = Body(state, batch_id)
    try:
        await body.read(request.stream())
        asked = _together(asked, body.requests.asked)
        row = {
            "id": batch_id,
            "tenant_id": caller.tenant,
            "key_id": caller.key_id,
            "endpoint": MESSAGES,
            "input_file_id": body.id,
            "completion_window": WINDOW,
            "call_metadata": asked,
            "output_expires_s": KEPT_S,
            "idempotency_key": idempotency_key,
            "request_digest": digest(canonical([body.digest, asked])),
            "shape": ANTHROPIC,
            "requests": body.requests.count,
        }
        window_s = _checked(state, body, asked, await names_now(state))
        made = await _made(state, body, row, window_s)
        if made["id"] != batch_id:
            await body.forget()
    except BaseException:
        await asyncio.shield(body.forget())
        raise
    state.nudge.set()
    return await _shown(request, state, made)


def _of_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """`classyard-max-cost: 2` by the name in a batch's metadata."""
    start = f"{OURS}-"
    return {
        PREFIX + name.removeprefix(start).replace("-", "_"): value
        for name, value in headers.items()
        if name.startswith(start)
    }


def _together(of_headers: dict[str, str], of_body: dict[str, str]) -> dict[str, str]:
    for name, value in of_headers.items():
        if of_body.get(name, value) != value:
            raise ApiError(
                400,
                "The header and the body ask for different things.",
                code="invalid_value",
                param=_place(f"metadata.{name}"),
            )
    return {**of_body, **of_headers}


def _checked(state: ApiState, body: Body, asked: dict[str, str], names: Names) -> int:
    """Seconds that the batch may take. Reviews and models are looked for here, so that the desk will find them."""
    assert body.requests.ask is not None
    try:
        _, wanted = wanted_of(body.requests.ask, asked, WINDOW_S, find=state.reviews, names=names)
    except BadInput as error:
        sentence = error.sentence.replace(f"metadata.{PREFIX}", f"{OURS}.").replace(PREFIX, f"{OURS}.")
        raise ApiError(400, sentence, code=error.code, param=_place(error.where)) from error
    return wanted.deadline_s or WINDOW_S


def _place(where: str) -> str | None:
    """Of a body like this one, what is elsewhere in one of OpenAI's."""
    if where.startswith(f"metadata.{PREFIX}"):
        return f"{OURS}.{where.removeprefix(f'metadata.{PREFIX}')[:60]}"
    if where == "body" or where.startswith("body."):
        return f"requests.0.params{where.removeprefix('body')}"
    return where or None


async def _made(state: ApiState, body: Body, row: Row, window_s: int) -> Row:
    async with state.database.transaction() as connection:
        await body.finish(connection)
        made = await api_batches.create(connection, row, window_s=window_s)
        return made if made is not None else await made_before(connection, row)


@router.get("")
async def every(
    request: Request,
    caller: Watcher,
    version: Version,
    after_id: Annotated[str | None, Query(max_length=100)] = None,
    before_id: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 20,
) -> dict[str, Any]:
    """Newest first, whichever way a client goes."""
    state, tenant = state_of(request), caller.tenant
    if after_id and before_id:
        raise ApiError(400, "Give after_id or before_id, not both.", param="before_id")
    async with state.database.transaction() as connection:
        if before_id:
            rows = await api_batches.page_before(
                connection, tenant, ANTHROPIC, before=before_id, most=limit + 1
            )
        else:
            rows = await api_batches.page(connection, tenant, ANTHROPIC, after=after_id, most=limit + 1)
        now = await clock(connection)
    page = rows[:limit][::-1] if before_id else rows[:limit]
    address = address_of(request, state)
    return listed([message_batch(row, now, address) for row in page], has_more=len(rows) > limit)


@router.get("/{batch_id}")
async def one(request: Request, caller: Watcher, version: Version, batch_id: BatchId) -> dict[str, Any]:
    state = state_of(request)
    async with state.database.transaction() as connection:
        row = await _found(connection, caller.tenant, batch_id)
    return await _shown(request, state, row)


@router.post("/{batch_id}/cancel")
async def cancel(request: Request, caller: Submitter, version: Version, batch_id: BatchId) -> dict[str, Any]:
    """`canceling` at once, and `ended` when its partial results are written."""
    state = state_of(request)
    async with state.database.transaction() as connection:
        row = await api_batches.cancel(connection, caller.tenant, ANTHROPIC, batch_id)
    if row is None:
        raise not_found("message batch", batch_id)
    if row["cancelling_at"] is None:
        raise ApiError(409, "The batch has ended and cannot be canceled.", code="batch_ended")
    state.nudge.set()
    return await _shown(request, state, row)


@router.delete("/{batch_id}")
async def delete(request: Request, caller: Submitter, version: Version, batch_id: BatchId) -> dict[str, Any]:
    """The batch and its results; what the yard recorded of its work stays."""
    async with state_of(request).database.transaction() as connection:
        row = await api_batches.delete(connection, caller.tenant, ANTHROPIC, batch_id)
        if row is None:
            await _found(connection, caller.tenant, batch_id)
            raise ApiError(409, "The batch has not ended; cancel it first.", code="batch_open")
        if row["output_file_id"]:
            await files.delete(connection, caller.tenant, row["output_file_id"], is_inner=True)
    return {"id": batch_id, "type": "message_batch_deleted"}


@router.get("/{batch_id}/results")
async def results(request: Request, caller: Reader, version: Version, batch_id: BatchId) -> StreamingResponse:
    database = state_of(request).database
    async with database.transaction() as connection:
        row = await _found(connection, caller.tenant, batch_id)
        if row["ended_at"] is None:
            raise ApiError(404, "The batch has not ended, so it has no results yet.", code="batch_open")
        file = await files.find(connection, caller.tenant, row["output_file_id"] or "", is_inner=True)
        if file is None or has_lost_results(row, await clock(connection)):
            raise ApiError(404, "The results are no longer kept.", code="results_archived")
    return StreamingResponse(
        pieces(database, file["id"]),
        media_type="application/x-jsonl",
        headers={"Content-Length": str(file["size_bytes"]), "X-Content-Type-Options": "nosniff"},
    )


async def _found(connection: Connection, tenant: str, batch_id: BatchId) -> Row:
    row = await api_batches.find(connection, tenant, ANTHROPIC, batch_id)
    if row is None:
        raise not_found("message batch", batch_id)
    return row


async def _shown(request: Request, state: ApiState, row: Row) -> dict[str, Any]:
    async with state.database.transaction() as connection:
        now = await clock(connection)
    return message_batch(row, now, address_of(request, state))


def address_of(request: Request, state: ApiState) -> str:
    """Where this caller reaches the API: as it is set, else as the request itself says it. Empty where it says nothing
    of use; a client then goes on from its own base."""
    if state.settings.api_public_url:
        return state.settings.api_public_url
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host}" if _HOST.fullmatch(host) else ""
