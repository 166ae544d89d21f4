"""The Anthropic messages wire: from a body to facts, from a reply to a body.

Source: anthropic-sdk-python and the platform's documentation, read 2026-08-21. An answer is text, or the
input of the tool that the request names. An answer in a tool's input cannot be broken JSON: that fault gives
an empty input, which ends for lack of tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from schemas.errors import BadInput
from simulator.behaviour import MODEL_SUFFIX, RequestFacts, SimulatedReply
from simulator.profiles import FaultKind
from simulator.prompts import characters_in, document_in, messages_of, model_of, positive, text_of

REQUEST_ID_HEADER = "request-id"

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def key_of(headers: Mapping[str, str]) -> str:
    """The API key that the caller shows; empty where it shows none."""
    return headers.get("x-api-key", "") or headers.get("Authorization", "").removeprefix("Bearer ")


def read(
    body: Mapping[str, Any], headers: Mapping[str, str], *, provider: str, digest: bytes, repeat: int
) -> RequestFacts:
    """The facts of a request. Raises `BadInput`, with the wrong field as `code`; it is answered with 400."""
    if "anthropic-version" not in headers:
        raise BadInput("anthropic-version: header is required", code="anthropic-version")
    if body.get("stream"):
        raise BadInput("the pretend provider does not stream", code="stream")
    max_tokens = positive(body, "max_tokens")
    if max_tokens is None:
        raise BadInput("max_tokens: Field required", code="max_tokens")
    messages = messages_of(body)
    wanted = _wanted(body)
    return RequestFacts(
        provider=provider,
        digest=digest,
        model=model_of(body),
        document=document_in(messages),
        prompt_characters=characters_in(messages) + len(text_of(body.get("system"))),
        schema=wanted[1],
        max_output_tokens=max_tokens,
        repeat=repeat,
        tool=wanted[0],
    )


def _wanted(body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    """The tool to answer with (empty for text) and the schema to keep; `output_config` goes before tools."""
    output_format = (body.get("output_config") or {}).get("format")
    if isinstance(output_format, Mapping) and isinstance(output_format.get("schema"), Mapping):
        return "", output_format["schema"]
    tools = [tool for tool in body.get("tools") or () if isinstance(tool.get("input_schema"), Mapping)]
    asked = (body.get("tool_choice") or {}).get("name")
    chosen = next((tool for tool in tools if tool.get("name") == asked), tools[0] if tools else None)
    return (str(chosen.get("name", "")), chosen["input_schema"]) if chosen else ("", None)


def answer(reply: SimulatedReply, request: RequestFacts, *, call_id: str, now_unix_s: int) -> dict[str, Any]:
    content, stop_reason = _content(reply, request, call_id)
    if reply.fault is FaultKind.CONTENT_REFUSED:
        content, stop_reason = {"type": "text", "text": reply.text}, "refusal"
    return {
        "id": f"msg_{call_id}",
        "type": "message",
        "role": "assistant",
        "model": request.model + MODEL_SUFFIX,
        "content": [content],
        "stop_reason": "max_tokens" if reply.is_cut_off else stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": reply.input_tokens,
            "output_tokens": reply.output_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }


def limit_headers(limit: int, left: int, reset_s: float, *, now_unix_s: float) -> dict[str, str]:
    """What is left of the requests, as Anthropic says it."""
    at = datetime.fromtimestamp(now_unix_s + reset_s, UTC)
    return {
        "anthropic-ratelimit-requests-limit": str(limit),
        "anthropic-ratelimit-requests-remaining": str(left),
        "anthropic-ratelimit-requests-reset": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _content(reply: SimulatedReply, request: RequestFacts, call_id: str) -> tuple[dict[str, Any], str]:
    if not request.tool:
        return {"type": "text", "text": reply.text}, "end_turn"
    value, stop_reason = _input(reply.text)
    return {"type": "tool_use", "id": f"toolu_{call_id}", "name": request.tool, "input": value}, stop_reason


def _input(text: str) -> tuple[dict[str, Any], str]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}, "max_tokens"
    return (value if isinstance(value, dict) else {}), "tool_use"


def error(status: int, sentence: str, *, call_id: str, field: str | None = None) -> dict[str, Any]:
    kind = _TYPES.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": sentence}, "request_id": f"req_{call_id}"}


def status_of(status: int) -> int:
    """The status as this wire sends it: overloaded is 529."""
    return 529 if status == 503 else status


def models(names: list[str], *, now_unix_s: int) -> dict[str, Any]:
    created = datetime.fromtimestamp(now_unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    data = [{"type": "model", "id": name, "display_name": name, "created_at": created} for name in names]
    return {
        "data": data,
        "has_more": False,
        "first_id": names[0] if names else None,
        "last_id": names[-1] if names else None,
    }
