"""`POST /v1/reviews/quote`: what documents would cost and when they would be done. Nothing is sent, nothing written."""

from __future__ import annotations

import asyncio
import io
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from producer.api.advised import Quoted
from producer.api.asked import NAMES, PREFIX, requirements_of
from producer.api.errors import NATIVE, ApiError
from producer.api.files import Submitter
from producer.api.state import state_of
from producer.sources import unique
from producer.sources.jsonl import read_jsonl
from schemas.errors import BadInput
from schemas.sensitivity import Lane, Quality, Sensitivity
from schemas.submission import Requirements, SourceDocument

QUOTE = f"{NATIVE}/quote"
MOST = 2_000
"""Documents of a quote: each is decided, one after another. Quote a sample of more."""

router = APIRouter(prefix=NATIVE, tags=["reviews"])


def asked(
    request: Request,
    sensitivity: Sensitivity | None = None,
    residency: Annotated[
        str | None, Query(max_length=400, description="Regions, separated by commas.", examples=["eu,us"])
    ] = None,
    deadline: Annotated[
        str | None, Query(max_length=60, description="From now, such as `2h`.", examples=["2h"])
    ] = None,
    max_cost: Annotated[
        str | None, Query(max_length=40, description="Dollars for all of them together.", examples=["5.00"])
    ] = None,
    quality: Quality | None = None,
    priority: Lane | None = None,
    model: Annotated[str | None, Query(max_length=200, description="A model of the catalog.")] = None,
    tier: Annotated[str | None, Query(max_length=200, description="A tier of the policy.")] = None,
) -> Requirements:
    """Raises `ApiError` naming the parameter, also for one that is not known."""
    given = {PREFIX + name: value for name, value in request.query_params.items() if name != "review"}
    try:
        return requirements_of(given, None)
    except BadInput as error:
        where = error.where.removeprefix(f"metadata.{PREFIX}")[:60]
        sentence = error.sentence if where in NAMES else f"It is not known; there are: {', '.join(NAMES)}."
        raise ApiError(400, f"{where}: {sentence}", code=error.code, param=where) from error


@router.post("/quote", summary="Quote documents before they are handed in")
async def quote(
    request: Request,
    caller: Submitter,
    wanted: Annotated[Requirements, Depends(asked)],
    review: Annotated[str, Query(max_length=100, examples=["contract-clauses"])],
) -> Quoted:
    """Takes what `POST /v1/reviews` takes, body and parameters. All figures are estimates."""
    state = state_of(request)
    found = state.reviews(review)
    stream: io.BufferedReader = io.BufferedReader(io.BytesIO(await request.body()))
    documents = await asyncio.to_thread(lambda: list(islice(unique(read_jsonl(stream, "body")), MOST + 1)))
    if len(documents) > MOST:
        raise ApiError(
            400, f"A quote is for at most {MOST:,} documents; send a part.", code="too_many_documents"
        )
    if not any(isinstance(one, SourceDocument) for one in documents):
        raise ApiError(400, "There is nothing to quote: not one document could be read.", code="empty_batch")
    async with state.thinking:
        return await asyncio.to_thread(state.advice.quote, documents, found, wanted)
