"""Gemini's generateContent. The base URL is the bare host: `https://generativelanguage.googleapis.com`.

The model is part of the path. An answer is held to a schema by `responseJsonSchema`, which takes JSON
schema as we write it; `responseSchema`, the older field, takes a dialect of OpenAPI.
Source: ai.google.dev/api/generate-content, ai.google.dev/gemini-api/docs/structured-output; checked
2026-11-23.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

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
    without_lengths,
)
from provider_workers.adapters.faults import cut_short, failure, malformed, refused, seconds, word
from provider_workers.adapters.room import Room
from schemas.attempt import Fault, FaultKind
from schemas.call import Answer, HttpReply, HttpRequest, ProviderCall, Reading

BY_WORD: dict[str, FaultKind] = {
    "API_KEY_INVALID": FaultKind.AUTH,
    "API_KEY_SERVICE_BLOCKED": FaultKind.AUTH,
    "UNAUTHENTICATED": FaultKind.AUTH,
    "PERMISSION_DENIED": FaultKind.AUTH,
    "FAILED_PRECONDITION": FaultKind.QUOTA,  # the free tier is not offered here: billing must be enabled
    "RESOURCE_EXHAUSTED": FaultKind.RATE,
    "UNAVAILABLE": FaultKind.OVERLOAD,
    "INTERNAL": FaultKind.OVERLOAD,
    "DEADLINE_EXCEEDED": FaultKind.OVERLOAD,
    "INVALID_ARGUMENT": FaultKind.BAD_REQUEST,
    "NOT_FOUND": FaultKind.BAD_REQUEST,
}
"""A wrong key comes as 400. Source: ai.google.dev/gemini-api/docs/troubleshooting, checked 2026-11-23."""

_REFUSALS = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY"}
)
"""Finish reasons with which the provider declines. Source: ai.google.dev/api/generate-content#FinishReason,
checked 2026-11-23."""


@dataclass(frozen=True, slots=True)
class Gemini:
    name: str = "gemini"

    def build(self, call: ProviderCall) -> HttpRequest:
        config: dict[str, Any] = {"maxOutputTokens": call.max_output_tokens}
        if call.temperature is not None:
            config["temperature"] = call.temperature
        if call.schema is not None:
            config["responseMimeType"] = "application/json"
            config["responseJsonSchema"] = without_lengths(call.schema)
        body = {
            "systemInstruction": {"parts": [{"text": call.system}]},
            "contents": [{"role": "user", "parts": [{"text": call.user}]}],
            "generationConfig": config,
        }
        model = quote(call.model_version.removeprefix("models/"), safe="")
        return HttpRequest(f"/v1beta/models/{model}:generateContent", encode(body), dict(JSON_HEADERS))

    def read(self, reply: HttpReply) -> Reading:
        body = decode(reply.body)
        if not 200 <= reply.status < 300 or body.get("error"):
            return _failure(reply, body)
        blocked = at(body, "promptFeedback", "blockReason")
        candidate = at(body, "candidates", 0)
        finish = word(at(candidate, "finishReason"))
        if blocked or finish in _REFUSALS:
            return refused(reply, blocked or finish)
        if finish == "MAX_TOKENS":
            return cut_short(reply)
        return _answer(reply, body, candidate, finish)

    def usage(self, reply: HttpReply) -> Usage:
        return _usage(decode(reply.body))

    def room(self, reply: HttpReply) -> Room | None:
        """It tells of no limits but in a 429."""
        return None

    def auth_headers(self, key: str, header: str | None = None) -> dict[str, str]:
        return key_header(key, header or "x-goog-api-key")


def _answer(reply: HttpReply, body: dict[str, Any], candidate: object, finish: str) -> Reading:
    parts = at(candidate, "content", "parts")
    said = [part for part in parts if not at(part, "thought")] if isinstance(parts, list) else None
    text = joined_text(said)
    if text is None:
        return malformed(reply, "it holds no text")
    usage = _usage(body)
    return Answer(
        text=text,
        model_reported=name(body.get("modelVersion")),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        finish_reason="stop" if finish == "STOP" else finish,
        mean_logprob=_logprob(at(candidate, "avgLogprobs")),
    )


def _usage(body: dict[str, Any]) -> Usage:
    """Thoughts are charged as output and counted apart. Source:
    ai.google.dev/api/generate-content#UsageMetadata, checked 2026-11-23."""
    usage = body.get("usageMetadata")
    output = count(at(usage, "candidatesTokenCount")) + count(at(usage, "thoughtsTokenCount"))
    return Usage(count(at(usage, "promptTokenCount")), output)


def _logprob(value: object) -> float | None:
    if type(value) not in (int, float):
        return None
    assert isinstance(value, (int, float))
    return min(0.0, max(-9999.0, float(value))) if math.isfinite(value) else None


def _failure(reply: HttpReply, body: dict[str, Any]) -> Fault:
    error = body.get("error")
    details = at(error, "details")
    details = details if isinstance(details, list) else []
    words = [*(at(detail, "reason") for detail in details), at(error, "status")]
    return failure(reply, words, BY_WORD, retry_after_s=_retry_delay(details))


def _retry_delay(details: list[Any]) -> float | None:
    """`google.rpc.RetryInfo` tells the wait in the body, as `"34s"`."""
    for detail in details:
        delay = at(detail, "retryDelay")
        if isinstance(delay, str) and delay.endswith("s"):
            return seconds(delay[:-1])
    return None
