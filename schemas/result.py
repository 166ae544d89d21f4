"""What a review found, checked against the document; and the checks themselves, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class QuoteMatch(StrEnum):
    EXACT = "exact"
    """Stands in the document letter by letter."""
    NORMALISED = "normalised"
    """Stands there but for white space, letter case or typographic quotes."""
    CLOSE = "close"
    """Something nearly equal stands there: shown, and not counted as verified."""
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class QuoteCheck:
    finding: int
    """Index into the findings."""
    match: QuoteMatch
    start: int | None = None
    """Offset in characters of the document's text; None where nothing was found."""
    end: int | None = None

    @property
    def verified(self) -> bool:
        return self.match in (QuoteMatch.EXACT, QuoteMatch.NORMALISED)


class Standing(StrEnum):
    """What the checks make of an answer."""

    SOUND = "sound"
    DOUBTFUL = "doubtful"
    """It keeps the contract, and a quote in it does not stand in the document."""
    UNUSABLE = "unusable"
    """It does not parse, or does not keep the contract."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    standing: Standing
    sentence: str
    """Why it is not sound; empty where it is."""
    parsed: bool
    schema_valid: bool
    repaired: bool = False
    """Whether the text around the JSON had to be cut away."""
    quotes: tuple[QuoteCheck, ...] = ()
    evidence: int | None = None
    """What speaks for it, in millionths; see `schemas.evidence`. None where it was not weighed."""


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    report: CheckReport
    output: dict[str, Any] | None
    """The parsed answer; None where it is unusable."""


@dataclass(frozen=True, slots=True)
class Result:
    """The one recorded result of a job."""

    tenant_id: str
    job_id: str
    lease_token: int
    attempt: int
    provider: str
    model: str
    model_version: str
    model_reported: str
    simulated: bool
    output: dict[str, Any]
    report: CheckReport
    mean_logprob: float | None
