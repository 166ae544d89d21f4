"""`/v1/files`: what batches are read from and written to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import StreamingResponse

from producer.api.auth import Caller, Needs
from producer.api.errors import ApiError, not_found
from producer.api.objects import file_object, listed
from producer.api.state import ApiState, state_of
from producer.api.uploads import Form, read_form
from runtime.db.session import Database, Row
from runtime.db.stores import batches, files
from schemas.scopes import Scope

PURPOSE, OWN_PURPOSE = "batch", "user_data"
PURPOSES = (PURPOSE, OWN_PURPOSE)
MAX_BATCH_BYTES = 200 * 1024 * 1024
"""As OpenAI has it, for its batches; a file for the yard's own API may be as long as an upload."""
KEPT_S = 30 * 86_400
"""As long as OpenAI keeps a batch's input and output."""
LEAST_KEPT_S = 3_600

Submitter = Annotated[Caller, Depends(Needs(Scope.SUBMITTER))]
Reader = Annotated[Caller, Depends(Needs(Scope.SUBMITTER, Scope.REVIEWER, Scope.AUDITOR))]

FileId = Annotated[str, Path(max_length=100)]

router = APIRouter(prefix="/v1/files")


@router.post("")
async def upload(request: Request, caller: Submitter) -> dict[str, Any]:
    """Each piece is committed by itself; the file is there for others with the last one."""
    state = state_of(request)
    file_id, number = f"file-{bare(state.ids())}", 0

    async def take(piece: bytes) -> None:
        nonlocal number
        async with state.database.transaction() as connection:
            if not number:
                await batches.ensure_tenant(connection, caller.tenant)
                await files.begin(connection, file_id, caller.tenant, "", PURPOSE, None)
            await files.add_piece(connection, file_id, number, piece)
        number += 1

    try:
        form = await read_form(
            request.headers.get("content-type", ""),
            request.stream(),
            take,
            piece_bytes=files.PIECE_BYTES,
            check=_require_size,
        )
        row = await _finish(state, file_id, form, has_begun=bool(number), caller=caller)
    except BaseException:
        if number:
            await _forget(state.database, caller.tenant, file_id)
        raise
    return file_object(row)


async def _finish(state: ApiState, file_id: str, form: Form, *, has_begun: bool, caller: Caller) -> Row:
    expires_s = _checked(form)
    async with state.database.transaction() as connection:
        if not has_begun:
            raise ApiError(400, "The file is empty.", code="empty_file", param="file")
        return await files.finish(
            connection,
            file_id,
            size_bytes=form.size_bytes,
            filename=form.filename or "",
            purpose=form.fields["purpose"],
            expires_s=expires_s,
        )


async def _forget(database: Database, tenant: str, file_id: str) -> None:
    async with database.transaction() as connection:
        await files.delete(connection, tenant, file_id)


def _require_size(form: Form) -> None:
    """Its purpose may come after its content; until then it may be as long as any."""
    if form.fields.get("purpose") == PURPOSE and form.size_bytes > MAX_BATCH_BYTES:
        raise ApiError(
            413,
            f"A file of the purpose 'batch' has at most {MAX_BATCH_BYTES:,} bytes; one of 'user_data' may be longer.",
            code="too_large",
            param="file",
        )


def _checked(form: Form) -> int:
    """Seconds that the file is kept."""
    purpose = form.fields.get("purpose")
    if purpose is None:
        raise ApiError(
            400, "Missing required parameter: 'purpose'.", code="missing_required_parameter", param="purpose"
        )
    if purpose not in PURPOSES:
        raise ApiError(
            400,
            "The purpose of a file is 'batch' here, or 'user_data' for /v1/reviews.",
            code="invalid_value",
            param="purpose",
        )
    given = form.fields.get("expires_after[seconds]")
    if given is None:
        return KEPT_S
    if form.fields.get("expires_after[anchor]", "created_at") != "created_at":
        raise ApiError(
            400, "A file expires after its 'created_at'.", code="invalid_value", param="expires_after.anchor"
        )
    if not (given.isascii() and given.isdecimal() and LEAST_KEPT_S <= int(given[:9]) <= KEPT_S):
        raise ApiError(
            400,
            f"A file expires after {LEAST_KEPT_S:,} to {KEPT_S:,} seconds.",
            code="invalid_value",
            param="expires_after.seconds",
        )
    return int(given)


@router.get("")
async def every(
    request: Request,
    caller: Reader,
    purpose: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Literal["asc", "desc"] = "desc",
    after: Annotated[str | None, Query(max_length=100)] = None,
) -> dict[str, Any]:
    async with state_of(request).database.transaction() as connection:
        rows = await files.page(
            connection,
            caller.tenant,
            purpose=purpose,
            after=after,
            newest_first=order == "desc",
            most=limit + 1,
        )
    return listed([file_object(row) for row in rows[:limit]], has_more=len(rows) > limit)


@router.get("/{file_id}")
async def one(request: Request, caller: Reader, file_id: FileId) -> dict[str, Any]:
    return file_object(await _found(state_of(request).database, caller, file_id))


@router.get("/{file_id}/content")
async def content(request: Request, caller: Reader, file_id: FileId) -> StreamingResponse:
    database = state_of(request).database
    row = await _found(database, caller, file_id)
    headers = {
        "Content-Length": str(row["size_bytes"]),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(row['filename'])}",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(
        pieces(database, file_id), media_type="application/octet-stream", headers=headers
    )


async def pieces(database: Database, file_id: str) -> AsyncIterator[bytes]:
    """No transaction is open while a slow client reads."""
    number = 0
    while True:
        async with database.transaction() as connection:
            piece = await files.piece(connection, file_id, number)
        if piece is None:
            return
        yield piece
        number += 1


@router.delete("/{file_id}")
async def delete(request: Request, caller: Submitter, file_id: FileId) -> dict[str, Any]:
    async with state_of(request).database.transaction() as connection:
        if not await files.delete(connection, caller.tenant, file_id):
            raise not_found("file", file_id)
    return {"id": file_id, "object": "file", "deleted": True}


async def _found(database: Database, caller: Caller, file_id: str) -> Row:
    async with database.transaction() as connection:
        row = await files.find(connection, caller.tenant, file_id)
    if row is None:
        raise not_found("file", file_id)
    return row


def bare(identifier: str) -> str:
    return identifier.replace("-", "")
