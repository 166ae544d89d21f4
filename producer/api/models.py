"""`/v1/models`: what a request may write as its model, in OpenAI's shape.

`auto`, the yard's reviews, the policy's tiers, and the models of the catalog, each as `provider/model` and by its bare
name, which stands for that model at whichever providers have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import APIRouter, Request

from producer.api.asked import AUTO, NO_MODEL, REVIEW_PREFIX, TIER_PREFIX
from producer.api.batches import Watcher
from producer.api.errors import ApiError
from producer.api.objects import model_object
from producer.api.state import names_now, state_of
from producer.intake.names import Names

OWNER = "classyard"

router = APIRouter(prefix="/v1/models")


@router.get("")
async def every(request: Request, caller: Watcher) -> dict[str, Any]:
    return {"object": "list", "data": await _models(request)}


@router.get("/{model_id:path}")
async def one(request: Request, caller: Watcher, model_id: str) -> dict[str, Any]:
    for model in await _models(request):
        if model["id"] == model_id:
            return model
    raise ApiError(404, f"There is no model {model_id[:80]!r} here.", code=NO_MODEL, param="model")


async def _models(request: Request) -> list[dict[str, Any]]:
    state = state_of(request)
    return list(_told(state.review_names(), await names_now(state)))


def _told(reviews: Iterable[str], names: Names) -> Iterator[dict[str, Any]]:
    there = tuple(reviews)
    yield model_object(AUTO, OWNER)
    yield from (model_object(f"{REVIEW_PREFIX}{name}", OWNER) for name in there)
    yield from (model_object(f"{TIER_PREFIX}{name}", OWNER) for name in names.tiers)
    for name in names.models:
        yield model_object(name, name.partition("/")[0])
    # A review's bare name stands for the review.
    yield from (model_object(name, OWNER) for name in names.bare if name not in there)
