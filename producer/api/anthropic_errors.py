"""What goes wrong, as Anthropic's clients read it: `{"type": "error", "error": {"type", "message"}, "request_id"}`.

Source: platform.claude.com/docs/en/api/errors, and `ErrorType` of github.com/anthropics/anthropic-sdk-python; checked
2026-11-28.
"""

from __future__ import annotations

from typing import Any

from producer.api.anthropic_objects import error_body

BELOW = "/v1/messages"
"""The paths whose errors are such."""

OVERLOADED = 529

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    OVERLOADED: "overloaded_error",
}


def status_of(status: int) -> int:
    """What is not to be had just now is said to be overloaded, which clients try again."""
    return OVERLOADED if status == 503 else status


def error_of(
    status: int, message: str, *, code: str | None, param: str | None, request_id: str | None
) -> dict[str, Any]:
    """The place comes before the sentence, since the form has no field for it."""
    kind = _TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")
    said = f"{param}: {message}" if param and not message.startswith(f"{param}:") else message
    return error_body(kind, said, code=code, request_id=request_id)
