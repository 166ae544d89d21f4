"""OpenAI's chat completions, which Azure, Groq, OpenRouter, vLLM, Ollama and llama.cpp speak too.

The base URL holds the version, as OpenAI's own clients take it: `https://api.openai.com/v1`,
`http://localhost:11434/v1`, or Azure's `https://NAME.openai.azure.com/openai/v1`.

Two variants, because one field cannot serve all:

- `openai` bounds the answer by `max_completion_tokens`. OpenAI refuses `max_tokens` for its reasoning
  models. For hosted services in general.
- `openai-compatible` bounds it by `max_tokens`. Ollama ignores the newer name without a word and writes
  until the context is full, and llama.cpp did so until February 2026. It also asks for log-probabilities,
  which self-hosted servers give for free and some hosted services (Groq) refuse with a 400. And it keeps the
  bounds on strings in the schema, and tightens them: those servers hold a model to them letter by letter, and a
  small model that may write on repeats one sentence until its tokens are used up.

Source: github.com/openai/openai-python types/chat; github.com/ollama/ollama issue 7125;
github.com/ggml-org/llama.cpp pull 19831; console.groq.com/docs/openai; checked 2026-11-23.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    schema_name,
    with_shorter_strings,
    without_lengths,
)
from provider_workers.adapters.faults import cut_short, failure, malformed, refused, word
from provider_workers.adapters.room import Room, openai_room
from schemas.attempt import Fault, FaultKind
from schemas.call import Answer, HttpReply, HttpRequest, ProviderCall, Reading

BY_WORD: dict[str, FaultKind] = {
    "insufficient_quota": FaultKind.QUOTA,
    "credit_balance_exhausted": FaultKind.QUOTA,
    "organization_spend_limit_exceeded": FaultKind.QUOTA,
    "project_spend_limit_exceeded": FaultKind.QUOTA,
    "organization_usage_limit_exceeded": FaultKind.QUOTA,
    "billing_hard_limit_reached": FaultKind.QUOTA,
    "billing_not_active": FaultKind.QUOTA,
    "invalid_api_key": FaultKind.AUTH,
    "account_deactivated": FaultKind.AUTH,
    "server_is_overloaded": FaultKind.OVERLOAD,
    "capacity_exceeded": FaultKind.OVERLOAD,
    "slow_down": FaultKind.RATE,
    "rate_limit_exceeded": FaultKind.RATE,
    "content_filter": FaultKind.CONTENT_REFUSED,
    "content_policy_violation": FaultKind.CONTENT_REFUSED,
    "ResponsibleAIPolicyViolation": FaultKind.CONTENT_REFUSED,
    "context_length_exceeded": FaultKind.BAD_REQUEST,
    "exceed_context_size_error": FaultKind.BAD_REQUEST,
    "string_above_max_length": FaultKind.BAD_REQUEST,
}
"""Words that say more than the status does: quota errors come as 429, Azure's filter as 400, and llama.cpp
has sent an overlong prompt back as 500.

Source: developers.openai.com/api/docs/guides/error-codes, learn.microsoft.com/azure/ai-foundry/openai
(content filter), github.com/ggml-org/llama.cpp pull 15780; checked 2026-11-23.
"""


@dataclass(frozen=True, slots=True)
class OpenAI:
    name: str
    limit_field: str
    asks_logprobs: bool
    bounds_strings: bool

    def build(self, call: ProviderCall) -> HttpRequest:
        body: dict[str, Any] = {
            "model": call.model_version,
            "messages": [
                {"role": "system", "content": call.system},
                {"role": "user", "content": call.user},
            ],
            self.limit_field: call.max_output_tokens,
        }
        if call.temperature is not None:
            body["temperature"] = call.temperature
        if call.schema is not None:
            body["response_format"] = _response_format(call.schema_name, self._wire_schema(call, call.schema))
        if self.asks_logprobs:
            body["logprobs"] = True
        return HttpRequest("/chat/completions", encode(body), dict(JSON_HEADERS))

    def read(self, reply: HttpReply) -> Reading:
        body = decode(reply.body)
        if not 200 <= reply.status < 300 or body.get("error"):
            return _failure(reply, body)
        choice = at(body, "choices", 0)
        message = at(choice, "message")
        if not isinstance(message, dict):
            return malformed(reply, "it holds no message")
        finish = word(choice.get("finish_reason"))
        if finish == "content_filter" or message.get("refusal"):
            return refused(reply, finish if finish == "content_filter" else "refusal")
        if finish == "length":
            return cut_short(reply)
        return _answer(reply, body, choice, finish)

    def _wire_schema(self, call: ProviderCall, schema: dict[str, Any]) -> dict[str, Any]:
        if self.bounds_strings:
            return with_shorter_strings(schema, _longest_string(call.max_output_tokens))
        return without_lengths(schema)

    def usage(self, reply: HttpReply) -> Usage:
        return _usage(decode(reply.body))

    def room(self, reply: HttpReply) -> Room | None:
        return openai_room(reply.headers)

    def auth_headers(self, key: str, header: str | None = None) -> dict[str, str]:
        return key_header(key, header or "authorization")


OPENAI = OpenAI("openai", limit_field="max_completion_tokens", asks_logprobs=False, bounds_strings=False)
OPENAI_COMPATIBLE = OpenAI(
    "openai-compatible", limit_field="max_tokens", asks_logprobs=True, bounds_strings=True
)


def _longest_string(max_output_tokens: int) -> int:
    """In characters: a tenth of the answer's tokens at four characters each.

    At most 1,500: llama.cpp has refused a schema with `maxLength: 2000`, which becomes a grammar of as many
    repetitions. Source: github.com/ggml-org/llama.cpp issues 25746 and 27087, checked 2026-11-23.
    """
    return min(1_500, max(40, max_output_tokens * 2 // 5))


def _response_format(wanted: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Source: developers.openai.com/api/docs/guides/structured-outputs, checked 2026-11-23."""
    held = {"name": schema_name(wanted), "strict": True, "schema": schema}
    return {"type": "json_schema", "json_schema": held}


def _answer(reply: HttpReply, body: dict[str, Any], choice: dict[str, Any], finish: str) -> Reading:
    content = choice["message"].get("content")
    text = content if isinstance(content, str) else joined_text(content)
    if text is None:
        return malformed(reply, "its message holds no text")
    usage = _usage(body)
    return Answer(
        text=text,
        model_reported=name(body.get("model")),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        finish_reason=finish,
        mean_logprob=_mean_logprob(at(choice, "logprobs", "content")),
    )


def _usage(body: dict[str, Any]) -> Usage:
    """Output counts hold reasoning tokens. Source: openai-python types/completion_usage, 2026-11-23."""
    return Usage(count(at(body, "usage", "prompt_tokens")), count(at(body, "usage", "completion_tokens")))


def _mean_logprob(tokens: object) -> float | None:
    """None unless every token has a number. -9999.0 stands for very unlikely and is kept as it is."""
    if not isinstance(tokens, list) or not tokens:
        return None
    values = [at(token, "logprob") for token in tokens]
    if not all(type(value) in (int, float) and math.isfinite(value) for value in values):
        return None
    return sum(min(0.0, max(-9999.0, float(value))) for value in values) / len(values)


def _failure(reply: HttpReply, body: dict[str, Any]) -> Fault:
    """vLLM's older errors have no envelope; OpenRouter sends some as 200 with the real status in `code`."""
    error = body["error"] if isinstance(body.get("error"), dict) else body
    words = (at(error, "innererror", "code"), error.get("code"), error.get("type"))
    code = error.get("code")
    told = code if type(code) is int and 400 <= code < 600 else None
    return failure(reply, words, BY_WORD, status=told if reply.status < 300 else None)
