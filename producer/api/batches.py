"""`/v1/batches`: batches of OpenAI's shape. A request here writes one row; the desk does the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from producer.api.asked import requirements_of
from producer.api.auth import Caller, Needs
from producer.api.errors import ApiError, not_found
from producer.api.files import KEPT_S, LEAST_KEPT_S, Submitter, bare
from producer.api.lines import ENDPOINTS
from producer.api.objects import batch_object, listed
from producer.api.shapes import OPENAI
from producer.api.state import state_of
from producer.durations import parse_duration
from runtime.db.session import Connection, Row
from runtime.db.stores import api_batches, files
from schemas.canonical import canonical, digest
from schemas.errors import BadInput, KeyConflict
from schemas.scopes import Scope

MAX_PAIRS, MAX_NAME, MAX_VALUE = 16, 64, 512
MAX_KEY_CHARACTERS = 255

Watcher = Annotated[Caller, Depends(Needs(Scope.SUBMITTER, Scope.REVIEWER, Scope.OPERATOR, Scope.AUDITOR))]

router = APIRouter(prefix="/v1/batches")


def _text(given: str) -> str:
    if "\0" in given or (not given.isascii() and any("\ud800" <= one <= "\udfff" for one in given)):
        raise ValueError("It holds U+0000 or half a character")
    return given


Text = Annotated[str, AfterValidator(_text)]


class OutputExpires(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    anchor: str = Field(pattern="^created_at$")
    seconds: int = Field(ge=LEAST_KEPT_S, le=KEPT_S)


class NewBatch(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    input_file_id: Text = Field(max_length=100)
    endpoint: Text = Field(max_length=100)
    completion_window: Text = Field(max_length=60)
    metadata: dict[Text, Text] | None = None
    output_expires_after: OutputExpires | None = None


@router.post("")
async def create(
    request: Request,
    caller: Submitter,
    asked: NewBatch,
    idempotency_key: Annotated[str | None, Header(max_length=MAX_KEY_CHARACTERS)] = None,
) -> dict[str, Any]:
    """Raises `ApiError`, `BadInput` and `KeyConflict`; then nothing is written."""
    state = state_of(request)
    window_s = _checked(asked)
    row = {
        "id": f"batch_{bare(state.ids())}",
        "tenant_id": caller.tenant,
        "key_id": caller.key_id,
        "endpoint": asked.endpoint,
        "input_file_id": asked.input_file_id,
        "completion_window": asked.completion_window,
        "call_metadata": asked.metadata,
        "output_expires_s": asked.output_expires_after.seconds if asked.output_expires_after else None,
        "idempotency_key": idempotency_key,
        "request_digest": digest(canonical(asked.model_dump(mode="json"))),
        "shape": OPENAI,
        "requests": None,
    }
    async with state.database.transaction() as connection:
        if await files.find(connection, caller.tenant, asked.input_file_id) is None:
            raise ApiError(400, "There is no such input file.", code="invalid_value", param="input_file_id")
        made = await api_batches.create(connection, row, window_s=window_s)
        if made is None:
            made = await made_before(connection, row)
        shown = await _objects(connection, caller.tenant, [made])
    state.nudge.set()
    return shown[0]


async def made_before(connection: Connection, row: Row) -> Row:
    made = await api_batches.by_key(connection, row["tenant_id"], row["idempotency_key"])
    if made["request_digest"] != row["request_digest"]:
        raise KeyConflict("This Idempotency-Key was used before, for another request.")
    return made


def _checked(asked: NewBatch) -> int:
    """Seconds that the batch may take."""
    if asked.endpoint not in ENDPOINTS:
        known = " and ".join(ENDPOINTS)
        raise ApiError(400, f"Batches are for {known} here.", code="invalid_value", param="endpoint")
    metadata = asked.metadata or {}
    require_small(metadata)
    try:
        window_s = parse_duration(asked.completion_window)
    except BadInput as error:
        raise ApiError(400, error.sentence, code="invalid_value", param="completion_window") from error
    wanted = requirements_of(metadata, window_s)
    return wanted.deadline_s or window_s


def require_small(metadata: Mapping[str, str]) -> None:
    if len(metadata) > MAX_PAIRS:
        raise ApiError(
            400, f"metadata has at most {MAX_PAIRS} pairs.", code="invalid_value", param="metadata"
        )
    for name, value in metadata.items():
        if len(name) > MAX_NAME or len(value) > MAX_VALUE:
            raise ApiError(
                400,
                f"A key of metadata has at most {MAX_NAME} characters, and a value {MAX_VALUE}.",
                code="invalid_value",
                param="metadata",
            )


@router.get("")
async def every(
    request: Request,
    caller: Watcher,
    after: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    async with state_of(request).database.transaction() as connection:
        rows = await api_batches.page(connection, caller.tenant, OPENAI, after=after, most=limit + 1)
        shown = await _objects(connection, caller.tenant, rows[:limit])
    return listed(shown, has_more=len(rows) > limit)


@router.get("/{batch_id}")
async def one(
    request: Request, caller: Watcher, batch_id: Annotated[str, Path(max_length=100)]
) -> dict[str, Any]:
    async with state_of(request).database.transaction() as connection:
        row = await api_batches.find(connection, caller.tenant, OPENAI, batch_id)
        if row is None:
            raise not_found("batch", batch_id)
        return (await _objects(connection, caller.tenant, [row]))[0]


@router.post("/{batch_id}/cancel")
async def cancel(
    request: Request, caller: Submitter, batch_id: Annotated[str, Path(max_length=100)]
) -> dict[str, Any]:
    """`cancelling` at once, and `cancelled` when its partial results are written."""
    state = state_of(request)
    async with state.database.transaction() as connection:
        row = await api_batches.cancel(connection, caller.tenant, OPENAI, batch_id)
        if row is None:
            raise not_found("batch", batch_id)
        if row["end"] not in (None, "cancelled"):
            raise ApiError(409, f"The batch is {row['end']} and cannot be cancelled.", code="batch_ended")
        shown = await _objects(connection, caller.tenant, [row])
    state.nudge.set()
    return shown[0]


async def _objects(connection: Connection, tenant: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    begun = [str(row["batch_id"]) for row in rows if row["batch_id"]]
    states = await api_batches.counts(connection, tenant, begun) if begun else {}
    usage = await api_batches.usage(connection, tenant, begun) if begun else {}
    return [
        batch_object(row, states.get(str(row["batch_id"]), {}), usage.get(str(row["batch_id"])))
        for row in rows
    ]
