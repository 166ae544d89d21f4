"""What goes to a provider and what comes back, as values. Adapters translate between these and a wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from schemas.attempt import Fault


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """One question to one model, free of any wire."""

    model_version: str
    system: str
    user: str
    """Holds the document, between a line `<document>` and a line `</document>`."""
    schema: dict[str, Any] | None
    """JSON schema that the answer is held to."""
    schema_name: str
    max_output_tokens: int
    temperature: float | None = 0.0
    """None: not sent."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request without its key: only the place that sends adds that."""

    path: str
    """Appended to the provider's base URL; begins with `/`."""
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HttpReply:
    status: int
    headers: dict[str, str]
    """Lower-case names."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said."""

    text: str
    model_reported: str
    """The version that the provider says has answered; empty where it says nothing."""
    input_tokens: int
    output_tokens: int
    finish_reason: str
    """`stop`, `length`, or what the provider says."""
    mean_logprob: float | None = None
    """Mean log-probability of the answer's tokens, where the provider gives it."""


Reading = Answer | Fault
"""An adapter reads a reply as one of the two, and raises for neither."""
