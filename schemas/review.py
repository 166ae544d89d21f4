"""A review: what is asked of a document, and the contract that an answer must keep."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.catalog import Name

SEVERITIES = ("info", "low", "medium", "high", "critical")
VERDICTS = ("acceptable", "needs_attention", "unacceptable", "not_applicable")

MAX_QUOTE_CHARACTERS = 600
MIN_QUOTE_CHARACTERS = 4
"""A shorter one would stand in any document."""


def output_contract(finding_ids: tuple[str, ...] = ()) -> dict[str, Any]:
    """The JSON schema of an answer. With ids, a finding must carry one of them; without, any short word."""
    finding_id: dict[str, Any] = (
        {"type": "string", "enum": list(finding_ids)} if finding_ids else {"type": "string", "maxLength": 80}
    )
    finding = {
        "type": "object",
        "additionalProperties": False,
        "required": ["id", "severity", "quote", "explanation"],
        "properties": {
            "id": finding_id,
            "severity": {"type": "string", "enum": list(SEVERITIES)},
            "quote": {"type": "string", "minLength": MIN_QUOTE_CHARACTERS, "maxLength": MAX_QUOTE_CHARACTERS},
            "explanation": {"type": "string", "maxLength": 1000},
        },
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["summary", "findings", "verdict", "confidence"],
        "properties": {
            "summary": {"type": "string", "maxLength": 2000},
            "findings": {"type": "array", "maxItems": 50, "items": finding},
            "verdict": {"type": "string", "enum": list(VERDICTS)},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        },
    }


class FindingKind(BaseModel):
    """One thing to look for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Name
    look_for: str = Field(min_length=1)


class Review(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    review: Name
    version: int = Field(ge=1)
    title: str = Field(min_length=1)
    instructions: str = Field(min_length=1)
    findings: tuple[FindingKind, ...] = ()
    """What to look for; the ids that an answer may use. Empty: the model names its own."""
    expected_output_tokens: int = Field(default=350, ge=1)
    max_output_tokens: int = Field(default=900, ge=16)

    @property
    def schema_of_answer(self) -> dict[str, Any]:
        """The same object whenever it is asked for: to be read, not to be changed."""
        return _contract(tuple(kind.id for kind in self.findings))


_contract = lru_cache(maxsize=256)(output_contract)
