"""`/v1/reviews/{id}/results`: by page, or all of them as lines of JSON or CSV.

Read page by page by a cursor, each in a short transaction: a slow reader holds no connection, and memory holds a page.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from producer.api.errors import NATIVE, ApiError
from producer.api.files import Reader
from producer.api.native.found import After, BatchId, cursor, the_batch
from producer.api.state import state_of
from producer.api.values import Result, ResultPage
from producer.exports import ExportFormat, encoded
from producer.result_rows import COLUMNS, result_row
from runtime.db.session import Database, Row
from runtime.db.stores import views
from schemas.lifecycle import JobState
from schemas.submission import MAX_CUSTOM_ID_CHARACTERS

GROUP = 200
"""Rows that are read at a time."""
PAGE, MOST = 100, 1_000

JSON, JSONL, CSV = "application/json", "application/x-ndjson", "text/csv"

Form = Literal["json", "jsonl", "csv"]

FIELDS = tuple(Result.model_fields)

router = APIRouter(prefix=NATIVE, tags=["results"])


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs of a batch, and from where on."""

    tenant: str
    batch_id: str
    last: str | None
    """The last job of the batch."""
    after: str | None = None
    states: Sequence[str] = ()
    verdicts: Sequence[str] = ()
    custom_id: str | None = None

    async def page(self, database: Database, most: int) -> list[Row]:
        async with database.transaction() as connection:
            return await views.results_page(
                connection,
                self.tenant,
                self.batch_id,
                after=self.after,
                last=self.last,
                most=most,
                states=self.states,
                verdicts=self.verdicts,
                custom_id=self.custom_id,
            )


States = Annotated[list[JobState], Query(max_length=len(JobState))]
Verdict = Literal["acceptable", "needs_attention", "unacceptable", "not_applicable"]
Verdicts = Annotated[list[Verdict], Query(max_length=4)]


@router.get(
    "/{batch_id}/results",
    summary="Results, by page or all",
    response_class=Response,
    responses={
        200: {
            "model": ResultPage,
            "description": "A page, or a line a document.",
            "content": {
                JSONL: {
                    "schema": {"type": "string", "description": "A `Result` a line."},
                    "example": '{"job_id": "…"}\n',
                },
                CSV: {
                    "schema": {
                        "type": "string",
                        "description": "Columns as `classyard results` writes them.",
                    },
                    "example": ",".join(COLUMNS) + "\r\n",
                },
            },
        }
    },
)
async def results(
    request: Request,
    caller: Reader,
    batch_id: BatchId,
    format: Annotated[Form | None, Query(description="Goes before what `Accept` says.")] = None,
    after: After = None,
    limit: Annotated[int | None, Query(ge=1, le=MOST)] = None,
    state: States = [],  # noqa: B006 (never changed)
    verdict: Verdicts = [],  # noqa: B006
    custom_id: Annotated[str | None, Query(max_length=MAX_CUSTOM_ID_CHARACTERS)] = None,
) -> Response:
    """Every document, also those that are open, in the order of acceptance. A page is `application/json`; without a
    format, a limit or an `Accept` header that asks for one, all of them come as lines of JSON."""
    database = state_of(request).database
    async with database.transaction() as connection:
        row = await the_batch(connection, caller, batch_id)
        last = await views.last_job(connection, caller.tenant, row["id"])
    wanted = Wanted(caller.tenant, row["id"], last, cursor(after), state, verdict, custom_id)
    form = format or _accepted(request.headers.get("accept", ""), is_page=limit is not None)
    if form == "json":
        return await _page(database, wanted, limit or PAGE)
    kind = JSONL if form == "jsonl" else f"{CSV}; charset=utf-8"
    headers = {"Content-Disposition": f'attachment; filename="{row["id"]}.{form}"'}
    return StreamingResponse(
        lines(database, wanted, ExportFormat(form), limit), media_type=kind, headers=headers
    )


def _accepted(accept: str, *, is_page: bool) -> Form:
    """The first kind of the header that there is. Raises `ApiError` (406) where it names others only."""
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",") if part.strip()]
    for kind in kinds:
        if kind == JSON:
            return "json"
        if kind in (JSONL, "application/jsonl"):
            return "jsonl"
        if kind == CSV:
            return "csv"
        if kind in ("*/*", "application/*", "text/*"):
            break
    else:
        if kinds:
            raise ApiError(
                406, f"Results are {JSON}, {JSONL} or {CSV}.", code="not_acceptable", param="Accept"
            )
    return "json" if is_page else "jsonl"


async def _page(database: Database, wanted: Wanted, limit: int) -> Response:
    rows = await wanted.page(database, limit + 1)
    shown, has_more = rows[:limit], len(rows) > limit
    page = {
        "object": "list",
        "data": [fields(row) for row in shown],
        "has_more": has_more,
        "next": shown[-1]["job_id"] if has_more else None,
    }
    return Response(orjson.dumps(page), media_type=JSON)


def fields(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in FIELDS}


async def lines(
    database: Database, wanted: Wanted, form: ExportFormat, limit: int | None = None
) -> AsyncIterator[bytes]:
    """The lines of a group together. No transaction is open while a slow client reads."""
    left, is_first = limit, True
    while left is None or left > 0:
        asked = GROUP if left is None else min(GROUP, left)
        rows = await wanted.page(database, asked)
        if rows or is_first:
            yield _written(rows, form, with_header=is_first)
        if len(rows) < asked:
            return
        wanted, is_first = replace(wanted, after=rows[-1]["job_id"]), False
        left = None if left is None else left - len(rows)


def _written(rows: Sequence[Row], form: ExportFormat, *, with_header: bool) -> bytes:
    if form is ExportFormat.CSV:
        return b"".join(encoded(map(result_row, rows), columns=COLUMNS, form=form, with_header=with_header))
    return b"".join(encoded(rows, columns=FIELDS, form=form))
