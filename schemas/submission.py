"""What a caller hands in: documents, the review that is wanted, and the requirements for all of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from schemas.sensitivity import Lane, Quality, Sensitivity

MAX_DOCUMENT_BYTES = 20 * 1024 * 1024
"""A larger document is turned away at the door: it is longer than any model's context by far."""

MAX_CUSTOM_ID_CHARACTERS = 512

_REGION = re.compile(r"^[a-z][a-z0-9-]{1,31}$")
_WORD = r"[a-z0-9][a-z0-9._-]{0,62}"
_MODEL, _TIER = re.compile(rf"^{_WORD}(/{_WORD})?$"), re.compile(rf"^{_WORD}$")


def _region(name: str) -> str:
    if not _REGION.fullmatch(name):
        raise ValueError(f"{name!r} is not a region; regions look like 'eu', 'us' or 'de-fra'")
    return name


Region = Annotated[str, AfterValidator(_region)]


def _model(name: str) -> str:
    if name and not _MODEL.fullmatch(name):
        raise ValueError(f"{name!r} names no model; write its name in the catalog, or 'provider/model'")
    return name


def _tier(name: str) -> str:
    if name and not _TIER.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a tier")
    return name


class Requirements(BaseModel):
    """What every document of a submission needs; a floor, never a wish."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sensitivity: Sensitivity = Sensitivity.INTERNAL
    residency: tuple[Region, ...] = ()
    """Regions in which it may be processed; empty: no rule."""
    quality: Quality = Quality.STANDARD
    lane: Lane = Lane.NORMAL
    deadline_s: int | None = Field(default=None, gt=0, le=30 * 86_400)
    """Seconds from acceptance, on the database's clock."""
    max_cost_usd_micros: int | None = Field(default=None, ge=0)
    """For the whole submission. Each document's ceiling is its share by size."""
    model: Annotated[str, AfterValidator(_model)] = ""
    """The one model that may answer, `provider/model`; or its bare name, of whichever provider. Empty: as the policy
    chooses."""
    tier: Annotated[str, AfterValidator(_tier)] = ""
    """The tier of the policy within which it is decided, beside the one that the document is in. Empty: that alone."""

    @model_serializer(mode="wrap")
    def _without_unsaid(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Where no model and no tier is named it is written, and so digested, as it was before they could be."""
        written: dict[str, Any] = serialize(self)
        return {name: value for name, value in written.items() if name not in ("model", "tier") or value}


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """One readable document as a source found it, its text decoded and checked."""

    custom_id: str
    """The caller's name for it; unique in its submission."""
    name: str
    """Where it came from, for people: a file name, or a file and a line."""
    text: str
    encoding: str
    """As decoded from; the yard keeps UTF-8."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A file or a line that could not become a job. The others go on."""

    where: str
    """File, and line where there is one."""
    code: str
    """A stable word: `empty_file`, `not_text`, `too_large`, `invalid_json_line`, `duplicate_custom_id`, …"""
    sentence: str
