"""`POST /v1/reviews/quote`: what documents would cost and when they would be done. Nothing is sent, nothing written."""

from __future__ import annotations

import asyncio
import io
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Request

from producer.api.advised import Quoted
from producer.api.errors import NATIVE, ApiError
from producer.api.files import Submitter
from producer.api.parameters import AskedFor
from producer.api.state import state_of
from producer.sources import unique
from producer.sources.jsonl import read_jsonl
from schemas.submission import SourceDocument

QUOTE = f"{NATIVE}/quote"
MOST = 2_000
"""Documents of a quote: each is decided, one after another. Quote a sample of more."""

router = APIRouter(prefix=NATIVE, tags=["reviews"])


@router.post("/quote", summary="Quote documents before they are handed in")
async def quote(
    request: Request,
    caller: Submitter,
    wanted: AskedFor,
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
