"""What a batch asks of the yard: requirements from its metadata; the review from metadata, model or instructions.

A line's `model` is read in this order: `auto`; `review:NAME`; `tier:NAME`; a review's name; a model of the catalog, by
its name or as `provider/model`. Where it names no review, that is said as with `auto`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from producer.api.lines import Ask
from producer.durations import parse_duration
from producer.intake.names import Names, UnknownModel
from producer.money import parse_usd
from schemas.canonical import canonical, digest
from schemas.errors import BadInput, UnknownName
from schemas.review import Review
from schemas.submission import Requirements

PREFIX = "classyard_"
NAMES = (
    *("review", "sensitivity", "residency", "deadline", "max_cost", "quality", "priority"),
    *("model", "tier", "webhook"),
)

AUTO, REVIEW_PREFIX, TIER_PREFIX = "auto", "review:", "tier:"
NO_MODEL = "model_not_found"


class Wanted(NamedTuple):
    review: Review
    requirements: Requirements


def wanted_of(
    ask: Ask,
    metadata: Mapping[str, str],
    window_s: int | None,
    *,
    find: Callable[[str], Review],
    names: Names,
) -> Wanted:
    """All that lines and metadata ask for together. `names` are the models and tiers that may be named.

    Raises `BadInput` with a code of OpenAI's and the place.
    """
    requirements = _named(ask.model, requirements_of(metadata, window_s), find, names)
    return Wanted(review_of(ask, metadata, find), requirements)


def _named(model: str, wanted: Requirements, find: Callable[[str], Review], names: Names) -> Requirements:
    """With the model or the tier that the lines name."""
    kind, given = _kind_of(model, find)
    if kind and getattr(wanted, kind) not in ("", given):
        raise BadInput(
            f"The requests name the {kind} {given[:80]!r}, and metadata.{PREFIX}{kind} another one; name it once.",
            where="body.model",
            code="invalid_request",
        )
    found = wanted.model_copy(update={kind: given}) if kind else wanted
    try:
        names.require(found)
    except UnknownModel as error:
        where = "body.model" if error.kind == kind else f"metadata.{PREFIX}{error.kind}"
        hint = " Write 'auto', and the policy chooses; or 'review:NAME', for a review of this yard."
        raise BadInput(
            f"{error}{hint if where == 'body.model' else ''}", where=where, code=NO_MODEL
        ) from error
    return found


def _kind_of(model: str, find: Callable[[str], Review]) -> tuple[str, str]:
    """`model` or `tier` with its name; nothing where the model stands for a review, or for none."""
    if model.startswith(TIER_PREFIX):
        return "tier", model.removeprefix(TIER_PREFIX)
    return ("", "") if model == AUTO or _review_in(model, find) is not None else ("model", model)


def requirements_of(metadata: Mapping[str, str], window_s: int | None) -> Requirements:
    """The completion window is a deadline as well; a nearer one may be asked for.

    Raises `BadInput` naming the key.
    """
    asked = {name.removeprefix(PREFIX): value for name, value in metadata.items() if name.startswith(PREFIX)}
    for name in asked:
        if name not in NAMES:
            known = ", ".join(PREFIX + one for one in NAMES)
            raise BadInput(f"It is not known; there are: {known}.", where=f"metadata.{PREFIX}{name}")
    same = ("sensitivity", "quality", "model", "tier")
    given: dict[str, Any] = {name: asked[name] for name in same if name in asked}
    if "priority" in asked:
        given["lane"] = asked["priority"]
    if "residency" in asked:
        given["residency"] = tuple(one.strip() for one in asked["residency"].split(",") if one.strip())
    spans = [window_s, _read("deadline", asked, parse_duration)]
    given["deadline_s"] = min((span for span in spans if span is not None), default=None)
    given["max_cost_usd_micros"] = _read("max_cost", asked, parse_usd)
    try:
        return Requirements.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = {"lane": "priority"}.get(str(first["loc"][0]), str(first["loc"][0]))
        raise BadInput(
            f"{first['msg'].removeprefix('Value error, ')}.",
            where=f"metadata.{PREFIX}{name}",
            code="invalid_value",
        ) from error


def _read(name: str, asked: Mapping[str, str], read: Callable[[str], int]) -> int | None:
    if name not in asked:
        return None
    try:
        return read(asked[name])
    except BadInput as error:
        raise BadInput(error.sentence, where=f"metadata.{PREFIX}{name}", code=error.code) from error


def review_of(ask: Ask, metadata: Mapping[str, str], find: Callable[[str], Review]) -> Review:
    """The review that is named, or one of the instructions that the requests carry.

    Raises `BadInput` with a code of OpenAI's where neither or both are there, or there is no such review.
    """
    named = metadata.get(f"{PREFIX}review") or _review_in(ask.model, find)
    if not named:
        return _limited(_own_review(ask), ask)
    if ask.instructions:
        raise BadInput(
            f"The batch names the review {named!r}, which says what to look for; send no system message with it.",
            where="body",
            code="invalid_request",
        )
    return _limited(_found(named, find), ask)


def _review_in(model: str, find: Callable[[str], Review]) -> str | None:
    """The review that a model's name stands for; None where it stands for none."""
    if model.startswith(REVIEW_PREFIX):
        return model.removeprefix(REVIEW_PREFIX)
    if model == AUTO or model.startswith(TIER_PREFIX) or "/" in model:
        return None
    try:
        return find(model).review
    except UnknownName:
        return None


def _found(name: str, find: Callable[[str], Review]) -> Review:
    try:
        return find(name)
    except UnknownName as error:
        raise BadInput(str(error), where="the review", code=NO_MODEL) from error


def _own_review(ask: Ask) -> Review:
    if not ask.instructions.strip():
        raise BadInput(
            "It is not said what to look for: send a system message, or name a review, as the model "
            "'review:contract-clauses' or in metadata.classyard_review.",
            where="body",
            code="invalid_request",
        )
    mark = digest(canonical(ask.instructions)).removeprefix("sha256:")[:16]
    return Review(
        review=f"asked-{mark}", version=1, title="as the caller asked", instructions=ask.instructions
    )


def _limited(review: Review, ask: Ask) -> Review:
    """An answer no longer than was asked for, and never longer than the review has it."""
    if ask.max_output_tokens is None or ask.max_output_tokens >= review.max_output_tokens:
        return review
    most = ask.max_output_tokens
    return review.model_copy(
        update={
            "max_output_tokens": most,
            "expected_output_tokens": min(review.expected_output_tokens, most),
        }
    )
