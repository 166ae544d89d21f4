"""What the decision knows of a job: small, closed, and free of the document's text."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.canonical import later
from schemas.sensitivity import Quality, Sensitivity


@dataclass(frozen=True, slots=True)
class JobFeatures:
    tokens: int
    """Of the document, in o200k tokens. A model's own count is this times its `tokens_per_o200k`."""
    prompt_tokens: int
    """Of the instructions and the schema around it, in o200k tokens."""
    expected_output_tokens: int
    max_output_tokens: int
    characters: int
    language: str
    """ISO 639-1, or `und` where it could not be told."""
    modalities: tuple[str, ...]
    """What the document needs a model to read; `("text",)` for now."""
    needs_json_schema: bool
    sensitivity: Sensitivity
    residency: tuple[str, ...]
    """Regions in which it may be processed; empty: no rule."""
    quality: Quality
    time_left_ms: int | None
    """Until the deadline, when the features were taken; None: no deadline."""
    max_cost_usd_micros: int | None
    """What is left of the job's ceiling."""
    closed_by: tuple[str, ...] = ()
    """What could not be extracted; each entry raised the class to the most careful one."""
    draw: int = later(0)
    """0..999,999, from the job's id: decides which jobs explore, the same ones whenever they are decided."""
    budget_left_usd_micros: int | None = later(None)
    """What the tightest of the budgets over this job still allows, reservations taken off; None: no budget."""
    budget: str = later("")
    """Which one that is, as a person would say it: `batch`, `tenant`, `day 2026-11-28`."""
