"""What the decision knows of a job: small, closed, and free of the document's text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.canonical import later
from schemas.sensitivity import Quality, Sensitivity

KINDS = ("contract", "policy", "report", "letter", "form", "code", "other")
"""Of documents."""


@dataclass(frozen=True)
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
    """What could not be extracted, each with why: `tokens:UnicodeEncodeError`. Any entry raised the class to the most
    careful one."""
    draw: int = later(0)
    """0..999,999, from the job's id: decides which jobs explore, the same ones whenever they are decided."""
    budget_left_usd_micros: int | None = later(None)
    """What the tightest of the budgets over this job still allows, reservations taken off; None: no budget."""
    budget: str = later("")
    """Which one that is, as a person would say it: `batch`, `tenant`, `day 2026-11-28`."""
    tokens_by_family: tuple[tuple[str, int], ...] = later(())
    """Of the document, counted exactly by other tokenizers than o200k; those that the catalog's models name."""
    kind: str = later("")
    """One of `KINDS`; empty: nobody looked."""
    sections: int = later(0)
    """Headings, numbered ones among them."""
    tables: int = later(0)
    list_items: int = later(0)
    pages: int = later(0)
    digit_permille: int = later(0)
    """Digits in a thousand characters that are not white space."""
    sentence_words: int = later(0)
    """Words of an average sentence, rounded."""
    difficulty: float = later(0.0)
    """0..1, by `router_worker.features.difficulty`."""
    markings: tuple[str, ...] = later(())
    """What the document says of itself: names of `schemas.raising.Marking`."""
    personal_data: tuple[tuple[str, int], ...] = later(())
    """How many different ones of each kind of `schemas.raising.PersonalData` were found."""
    secrets: tuple[tuple[str, int], ...] = later(())
    """Likewise keys, tokens and passwords, by whose they look like."""
    raised_by: tuple[str, ...] = later(())
    """What raised the class above the one that was asked for: `tenant`, `marking:confidential`, `personal_data:iban`,
    `secrets`, `closed`."""
    asked_model: str = later("")
    """The one model that may answer, `provider/model`, or its bare name; empty: none was named."""
    asked_tier: str = later("")
    """The tier of the policy that was named; empty: none was."""
    urgent: bool = later(False)
    """Of the urgent lane, which waits behind no other work."""


def features_of(found: Mapping[str, Any]) -> JobFeatures:
    """From what is stored; features of before there was a field have it at its default."""
    words = {"sensitivity": Sensitivity(found["sensitivity"]), "quality": Quality(found["quality"])}
    lists = {name: _tuples(value) for name, value in found.items() if isinstance(value, list)}
    return JobFeatures(**{**found, **lists, **words})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
