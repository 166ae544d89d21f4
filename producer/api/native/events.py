"""`/v1/reviews/{id}/progress`, and the same as server-sent events, `/v1/reviews/{id}/events`, until it is over.

An event's id is the number of moves that the batch has made, so a watcher that comes back with `Last-Event-ID` hears
of what is newer and of nothing twice. The last event is `done`; who has heard it gets 204, and stops coming back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response, StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

from producer.api.batches import Watcher
from producer.api.errors import NATIVE, ApiError
from producer.api.native.found import BatchId, the_batch
from producer.api.native.watch import Watch, progress_of
from producer.api.state import state_of
from producer.api.values import ID, Progress
from runtime.db.stores import reading

HEARTBEAT_S = 15.0
"""A comment, so that nothing on the way takes the silence of a slow batch for a dead connection."""
LONGEST_S: float = 300.0
"""Then the watcher is to come again, with a key that is still good."""
RETRY_MS = 2_000
MOST_WATCHERS = 1_000
DONE = "done"
EXAMPLE = (
    f'{{"id":"{ID}","status":"open","accepted":3,"finished":2,"open":1,"states":{{"succeeded":2,"routed":1}},'
    '"cost_usd_micros":1234,"moves":11}'
)

router = APIRouter(prefix=NATIVE, tags=["reviews"])


@router.get("/{batch_id}/progress", summary="How far a batch is")
async def progress(request: Request, caller: Watcher, batch_id: BatchId) -> Progress:
    async with state_of(request).database.transaction() as connection:
        row = await the_batch(connection, caller, batch_id)
        rows = await reading.progress(connection, caller.tenant, [row["id"]])
    return progress_of(rows)[row["id"]]


@router.get(
    "/{batch_id}/events",
    summary="How far a batch is, as it goes on",
    response_class=Response,
    responses={
        200: {
            "description": "Events `progress`, and at the end `done`; their data is a `Progress`.",
            "content": {
                "text/event-stream": {
                    "schema": {
                        "type": "object",
                        "required": ["event", "data", "id"],
                        "properties": {
                            "event": {"enum": ["progress", DONE]},
                            "id": {"type": "string"},
                            "data": {
                                "type": "string",
                                "contentMediaType": "application/json",
                                "contentSchema": {"$ref": "#/components/schemas/Progress"},
                            },
                        },
                    },
                    "example": {"event": "progress", "id": "11", "data": EXAMPLE},
                }
            },
        },
        204: {"description": "`Last-Event-ID` is that of the event `done`: there is nothing more to come."},
    },
)
async def events(
    request: Request,
    caller: Watcher,
    batch_id: BatchId,
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> Response:
    """Server-sent events, with a comment as heartbeat while nothing happens."""
    async with state_of(request).database.transaction() as connection:
        row = await the_batch(connection, caller, batch_id)
    if last_event_id == DONE:
        return Response(status_code=204)
    watch: Watch = request.app.state.watch
    if watch.watchers >= MOST_WATCHERS:
        raise ApiError(
            429, "Too many watch already; ask for /progress now and then.", code="too_many_watchers"
        )
    return stream_of(watch, row["id"], last_event_id)


def stream_of(watch: Watch, batch_id: str, last_event_id: str | None) -> StreamingResponse:
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return EventSourceResponse(told(watch, batch_id, since=_moves(last_event_id)), headers=headers)


def _moves(last_event_id: str | None) -> int:
    """-1 where it is none of ours: then all that is known is told."""
    given = last_event_id or ""
    return int(given) if given.isascii() and given.isdecimal() and len(given) <= 18 else -1


async def told(
    watch: Watch,
    batch_id: str,
    *,
    since: int = -1,
    heartbeat_s: float = HEARTBEAT_S,
    longest_s: float | None = None,
) -> AsyncIterator[bytes]:
    ends_at = asyncio.get_running_loop().time() + (LONGEST_S if longest_s is None else longest_s)
    async with watch.on(batch_id) as watcher:
        yield format_sse_event(retry=RETRY_MS)
        while (left := ends_at - asyncio.get_running_loop().time()) > 0:
            seen = await watcher.beyond(since, within_s=min(heartbeat_s, left))
            if seen is None:
                yield KEEPALIVE_COMMENT
                continue
            if seen.moves > since:
                yield _event("progress", seen, str(seen.moves))
                since = seen.moves
            if seen.is_over:
                yield _event(DONE, seen, DONE)
                return


def _event(name: str, seen: Progress, event_id: str) -> bytes:
    return format_sse_event(data_str=seen.model_dump_json(), event=name, id=event_id)
