"""Ladders: cheap models are asked first, and stronger ones where the evidence on the answer is too weak.

A ladder is laid into the plan of a job rung by rung, inside the candidates that the hard rules allow: a rung that may
not serve a document is left out of its plan, and nothing takes its place. What follows the last rung are fallbacks,
for when it fails.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from schemas.catalog import Name
from schemas.part import JobCondition, Part

_PAIR = re.compile(r"^[a-z0-9][a-z0-9._-]{0,62}/[a-z0-9][a-z0-9._-]{0,62}$")
_PATTERN = re.compile(r"^([a-z0-9][a-z0-9._-]{0,62}|\*)/([a-z0-9][a-z0-9._-]{0,62}|\*)$")


def _pair(name: str) -> str:
    if not _PAIR.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a model; write it as 'provider/model'")
    return name


def _pattern(name: str) -> str:
    if not _PATTERN.fullmatch(name):
        raise ValueError(f"{name!r} names no models; write 'provider/model', 'provider/*' or '*/model'")
    return name


ModelName = Annotated[str, AfterValidator(_pair)]
"""`provider/model`."""

ModelPattern = Annotated[str, AfterValidator(_pattern)]
"""`provider/model`, `provider/*`, `*/model` or `*/*`."""


def covers(pattern: str, name: str) -> bool:
    """Whether a pattern names this model, `provider/model`.

    >>> covers("openai/*", "openai/small"), covers("*/small", "openai/large")
    (True, False)
    """
    asked, given = pattern.split("/"), name.split("/")
    return all(one in ("*", other) for one, other in zip(asked, given, strict=True))


class Asked(Part):
    """A promise that is asked of a rung: what it keeps agrees with the strong model in so many cases."""

    agreement: float = Field(gt=0, lt=1)
    """The least share of all cases that end as the strong model would have answered."""
    confidence: float = Field(default=0.9, gt=0, lt=1)
    """How sure that is: 1-\u03b4, over the draw of the labels."""


class Rung(Part):
    """One model of a ladder. Without `keep_from` and `promise` a sound answer stands."""

    model: ModelName
    samples: int = Field(default=1, ge=1, le=5)
    """How often it is asked; from the second time on not to be answered by the same words, and agreement among its
    answers is evidence."""
    keep_from: float | None = Field(default=None, ge=0, le=1)
    """The evidence on an answer from which it stands."""
    promise: Asked | None = None
    """The evidence is looked up from labelled outcomes. While there are too few labels nothing is kept here."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Rung:
        if self.keep_from is not None and self.promise is not None:
            raise ValueError("give 'keep_from' or 'promise', not both")
        return self


class Ladder(Part):
    """For documents of one kind: which models are asked one after another, the cheapest first."""

    ladder: Name
    when: JobCondition = "true"
    """A condition over `job.*`. The first ladder whose condition is true applies, and only that one."""
    rungs: tuple[Rung, ...] = Field(min_length=1, max_length=6)
    max_cost_usd_micros: int | None = Field(default=None, ge=1)
    """What all rungs together may cost for one document, beside its own ceiling."""


class FallbackClass(Part):
    """Models of one kind, and which kinds may take their place when they fail."""

    fallback: Name
    models: tuple[ModelPattern, ...] = Field(min_length=1)
    then: tuple[Name, ...] = ()
    """Other classes, in order, from which fallbacks are taken when there is none left in its own."""
