"""`/v1/reviews`: the yard's own API. Documents come with the request, a line each, and are accepted with its answer."""

from __future__ import annotations

import io
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request

from producer.api.asked import NAMES, PREFIX, requirements_of
from producer.api.batches import MAX_KEY_CHARACTERS
from producer.api.errors import NATIVE, ApiError
from producer.api.files import Submitter
from producer.api.ring import ring
from producer.api.state import names_now, state_of
from producer.intake.accept import NothingAccepted, accept
from producer.sources import unique
from producer.sources.jsonl import read_jsonl
from schemas.errors import BadInput
from schemas.submission import Rejection, Requirements

SHOWN = 100
"""Rejections in an answer."""

router = APIRouter(prefix=NATIVE)


@router.post("", status_code=202)
async def submit(
    request: Request,
    caller: Submitter,
    review: str,
    idempotency_key: Annotated[str | None, Header(max_length=MAX_KEY_CHARACTERS)] = None,
) -> dict[str, Any]:
    """Lines of JSON with `custom_id` and `text`; requirements are parameters of the address."""
    state, wanted = state_of(request), _requirements(request)
    if wanted.model or wanted.tier:
        (await names_now(state)).require(wanted)
    found = state.reviews(review)
    stream: io.BufferedReader = io.BufferedReader(io.BytesIO(await request.body()))
    try:
        accepted = await accept(
            state.database,
            unique(read_jsonl(stream, "body")),
            tenant_id=caller.tenant,
            source=f"the API, key {caller.key_id}",
            review=found,
            requirements=wanted,
            defaults=state.settings.tenant_defaults,
            key=idempotency_key,
            webhook=request.query_params.get("webhook"),
        )
    except NothingAccepted as nothing:
        first = _listed(nothing.rejections[:1])
        raise ApiError(
            400, f"{nothing.sentence} {first[0]['sentence'] if first else ''}", code=nothing.code
        ) from None
    ring(state.bells)
    return {
        "id": accepted.batch_id,
        "accepted": accepted.accepted,
        "rejected": accepted.rejected,
        "rejections": _listed(accepted.rejections[:SHOWN]),
        "repeated": accepted.repeated,
    }


def _requirements(request: Request) -> Requirements:
    """Raises `BadInput` naming the parameter, also for one that is not known."""
    given = {PREFIX + name: value for name, value in request.query_params.items() if name != "review"}
    try:
        return requirements_of(given, None)
    except BadInput as error:
        where = error.where.removeprefix(f"metadata.{PREFIX}")
        known = where in NAMES
        sentence = error.sentence if known else f"It is not known; there are: {', '.join(NAMES)}."
        raise ApiError(400, f"{where[:60]}: {sentence}", code=error.code, param=where[:60]) from error


def _listed(rejections: tuple[Rejection, ...]) -> list[dict[str, Any]]:
    return [{"where": one.where, "code": one.code, "sentence": one.sentence} for one in rejections]
