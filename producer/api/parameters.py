"""Requirements as parameters of an address, beside documents that come as they are."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request

from producer.api.asked import NAMES, PREFIX, requirements_of
from producer.api.errors import ApiError
from schemas.errors import BadInput
from schemas.sensitivity import Lane, Quality, Sensitivity
from schemas.submission import Requirements

_BESIDE = ("review", "webhook")
"""Parameters that ask for nothing of the documents."""


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
    given = {PREFIX + name: value for name, value in request.query_params.items() if name not in _BESIDE}
    try:
        return requirements_of(given, None)
    except BadInput as error:
        where = error.where.removeprefix(f"metadata.{PREFIX}")
        sentence = error.sentence if where in NAMES else f"It is not known; there are: {', '.join(NAMES)}."
        raise ApiError(400, f"{where[:60]}: {sentence}", code=error.code, param=where[:60]) from error


AskedFor = Annotated[Requirements, Depends(asked)]
