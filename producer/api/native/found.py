"""What an address names, or the answer that there is no such thing. Every look names the tenant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Path, Query, Request
from fastapi.dependencies.models import Dependant

from producer.api.auth import Caller
from producer.api.errors import ApiError, not_found
from runtime.db.session import Connection, Row
from runtime.db.stores import batches
from runtime.db.stores.reading import as_id, job_of_batch
from schemas.submission import MAX_CUSTOM_ID_CHARACTERS

BatchId = Annotated[
    str, Path(max_length=100, description="Of a batch, as it was given when it was handed in.")
]
JobName = Annotated[
    str,
    Path(
        max_length=MAX_CUSTOM_ID_CHARACTERS, description="The id of a job, or the custom id of its document."
    ),
]
After = Annotated[str | None, Query(max_length=100, description="The `next` of the page before.")]


def only_known(request: Request) -> None:
    """A parameter that is not known is a slip of the hand: `?stat=failed` must not take up everything.

    Raises `ApiError`.
    """
    known = set(_parameters(request.scope["route"].dependant))
    for name in request.query_params:
        if name not in known:
            there = f"there are: {', '.join(sorted(known))}" if known else "there is none here"
            raise ApiError(
                400, f"{name[:60]!r} is no parameter; {there}.", code="unknown_parameter", param=name[:60]
            )


def _parameters(dependant: Dependant) -> Iterator[str]:
    yield from (one.alias for one in dependant.query_params)
    for one in dependant.dependencies:
        yield from _parameters(one)


async def the_batch(connection: Connection, caller: Caller, given: str) -> Row:
    """Raises `ApiError`."""
    batch_id = as_id(given)
    row = await batches.find(connection, caller.tenant, batch_id) if batch_id else None
    if row is None:
        raise not_found("review batch", given)
    return row


async def the_job(connection: Connection, caller: Caller, batch_id: str, given: str) -> str:
    """Its id, by its id or its custom id. Raises `ApiError`."""
    job_id = await job_of_batch(connection, caller.tenant, batch_id, given)
    if job_id is None:
        raise ApiError(404, f"The batch has no such job: {given[:80]!r}.", code="not_found", param="job")
    return job_id


def cursor(after: str | None) -> str | None:
    """Raises `ApiError` for what no page has given."""
    if after is None:
        return None
    found = as_id(after)
    if found is None:
        raise ApiError(400, "after: It is not the end of a page.", code="invalid_value", param="after")
    return found
