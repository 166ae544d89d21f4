"""What a check of `classyard doctor` finds: a mark, and a sentence that a person can act on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Mark(Enum):
    WELL = "✓"
    NOTE = "!"
    """Worth knowing; the yard works."""
    FAILED = "✗"
    """Something does not work, or is not safe."""


@dataclass(frozen=True, slots=True)
class Check:
    mark: Mark
    sentence: str


def passed(sentence: str) -> Check:
    return Check(Mark.WELL, sentence)


def warned(sentence: str) -> Check:
    return Check(Mark.NOTE, sentence)


def failed(sentence: str) -> Check:
    return Check(Mark.FAILED, sentence)
