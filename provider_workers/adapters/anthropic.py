"""Anthropic's messages. The base URL is the bare host, as in its own clients: `https://api.anthropic.com`.

An answer is held to a schema by `output_config.format`. A forced tool, the way before that, is still read,
since gateways translate to it. Source: platform.claude.com/docs/en/build-with-claude/structured-outputs,
github.com/anthropics/anthropic-sdk-python types; checked 2026-11-23.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from provider_workers.adapters.base import (
    JSON_HEADERS,
    Usage,
    at,
    count,
    decode,
    encode,
    joined_text,
    key_header,
    name,
    without,
)
from provider_workers.adapters.faults import cut_short, failure, malformed, refused, word
from provider_workers.adapters.room import Room, anthropic_room
from schemas.attempt import Fault, FaultKind
from schemas.call import Answer, HttpReply, HttpRequest, ProviderCall, Reading
from schemas.remembered import remembered

VERSION = "2023-06-01"
"""Of the wire; sent with every request, with or without a key. Source: as above."""

BY_WORD: dict[str, FaultKind] = {
    "enforced_spend_limit_reached": FaultKind.QUOTA,
    "billing_error": FaultKind.QUOTA,
    "authentication_error": FaultKind.AUTH,
    "permission_error": FaultKind.AUTH,
    "rate_limit_error": FaultKind.RATE,
    "overloaded_error": FaultKind.OVERLOAD,
    "api_error": FaultKind.OVERLOAD,
    "timeout_error": FaultKind.OVERLOAD,
    "not_found_error": FaultKind.BAD_REQUEST,
    "request_too_large": FaultKind.BAD_REQUEST,
}
"""Source: platform.claude.com/docs/en/api/errors, checked 2026-11-23."""

_SPENT = ("You have reached your specified", "Your credit balance is too low")
"""How the message of a 400 begins that is about money and is typed `invalid_request_error` all the same.
It is compared and never repeated. Source: as above, and github.com/anthropics/claude-code issue 66314;
checked 2026-11-23."""

_UNSUPPORTED = frozenset(
    {"minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "multipleOf"}
)
"""Keywords that this wire refuses in a schema; our own check holds an answer to them. Source:
structured-outputs, as above ("JSON schema limitations"), and what the SDK's `transform_schema` removes."""


@remembered
def _listed(schema: dict[str, Any]) -> dict[str, Any]:
    return without(schema, _UNSUPPORTED)


_CUT = frozenset({"max_tokens", "model_context_window_exceeded"})
_STOPPED = frozenset({"end_turn", "stop_sequence"})


@dataclass(frozen=True, slots=True)
class Anthropic:
    name: str = "anthropic"

    def build(self, call: ProviderCall) -> HttpRequest:
        body: dict[str, Any] = {
            "model": call.model_version,
            "max_tokens": call.max_output_tokens,
            "system": call.system,
            "messages": [{"role": "user", "content": call.user}],
        }
        if call.temperature is not None:
            body["temperature"] = call.temperature
        if call.schema is not None:
            held = {"type": "json_schema", "schema": _listed(call.schema)}
            body["output_config"] = {"format": held}
        return HttpRequest("/v1/messages", encode(body), {**JSON_HEADERS, "anthropic-version": VERSION})

    def read(self, reply: HttpReply) -> Reading:
        body = decode(reply.body)
        if not 200 <= reply.status < 300 or body.get("type") == "error":
            return _failure(reply, body)
        finish = word(body.get("stop_reason"))
        if finish == "refusal":
            return refused(reply, at(body, "stop_details", "category") or finish)
        if finish in _CUT:
            return cut_short(reply)
        text = _text(body.get("content"))
        if text is None:
            return malformed(reply, "it holds no text")
        usage = _usage(body)
        return Answer(
            text=text,
            model_reported=name(body.get("model")),
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            finish_reason="stop" if finish in _STOPPED else finish,
        )

    def usage(self, reply: HttpReply) -> Usage:
        return _usage(decode(reply.body))

    def room(self, reply: HttpReply) -> Room | None:
        return anthropic_room(reply.headers)

    def auth_headers(self, key: str, header: str | None = None) -> dict[str, str]:
        return key_header(key, header or "x-api-key")


def _text(blocks: object) -> str | None:
    """A forced tool's input, as JSON text; else the plain text. Where both stand there, the text is talk."""
    if not isinstance(blocks, list):
        return None
    for block in blocks:
        if at(block, "type") == "tool_use" and isinstance(at(block, "input"), dict):
            return _as_json(block["input"])
    return joined_text([block for block in blocks if at(block, "type") == "text"])


def _as_json(value: dict[str, Any]) -> str | None:
    """None for what is nested too deeply to be written again (254 levels)."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return None


def _usage(body: dict[str, Any]) -> Usage:
    """All input tokens: `input_tokens` alone leaves out what was written to a cache or read from one."""
    usage = body.get("usage")
    parts = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return Usage(sum(count(at(usage, part)) for part in parts), count(at(usage, "output_tokens")))


def _failure(reply: HttpReply, body: dict[str, Any]) -> Fault:
    error = body.get("error")
    words = [at(error, "details", "error_code"), at(error, "type")]
    message = at(error, "message")
    if isinstance(message, str) and message.startswith(_SPENT):
        words.insert(0, "billing_error")
    return failure(reply, words, BY_WORD)
