"""The OpenAI chat-completions wire: from a body to facts, from a reply to a body.

Source: openai-openapi, read 2026-08-21. The error envelope always has its four keys.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from schemas.errors import BadInput
from simulator.behaviour import CHARACTERS_PER_TOKEN, MODEL_SUFFIX, RequestFacts, SimulatedReply
from simulator.profiles import FaultKind
from simulator.prompts import characters_in, document_in, messages_of, model_of, positive

REQUEST_ID_HEADER = "x-request-id"

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "invalid_request_error",
    429: "requests",
}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
_TOP_LOGPROBS_MOST = 20


def key_of(headers: Mapping[str, str]) -> str:
    """The API key that the caller shows; empty where it shows none."""
    return headers.get("Authorization", "").removeprefix("Bearer ")


def read(
    body: Mapping[str, Any], headers: Mapping[str, str], *, provider: str, digest: bytes, repeat: int
) -> RequestFacts:
    """The facts of a request. Raises `BadInput`, with the wrong field as `code`; it is answered with 400."""
    messages = messages_of(body)
    if body.get("stream"):
        raise BadInput("the pretend provider does not stream", code="stream")
    return RequestFacts(
        provider=provider,
        digest=digest,
        model=model_of(body),
        document=document_in(messages),
        prompt_characters=characters_in(messages),
        schema=_schema(body.get("response_format")),
        max_output_tokens=positive(body, "max_completion_tokens", "max_tokens"),
        repeat=repeat,
        top_logprobs=_top_logprobs(body),
    )


def _schema(response_format: Any) -> Mapping[str, Any] | None:
    if not isinstance(response_format, Mapping):
        return None
    match response_format.get("type"):
        case "json_object":
            return {"type": "object"}
        case "json_schema":
            schema = (response_format.get("json_schema") or {}).get("schema")
            if not isinstance(schema, Mapping):
                raise BadInput(
                    "'response_format.json_schema.schema' must be an object", code="response_format"
                )
            return schema
    return None


def _top_logprobs(body: Mapping[str, Any]) -> int | None:
    if not body.get("logprobs"):
        return None
    return min(int(body.get("top_logprobs") or 0), _TOP_LOGPROBS_MOST)


def answer(reply: SimulatedReply, request: RequestFacts, *, call_id: str, now_unix_s: int) -> dict[str, Any]:
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": reply.text, "refusal": None},
        "logprobs": None,
        "finish_reason": "length" if reply.is_cut_off else "stop",
    }
    if reply.fault is FaultKind.CONTENT_REFUSED:
        choice["message"] = {"role": "assistant", "content": None, "refusal": reply.text}
    if request.top_logprobs is not None:
        choice["logprobs"] = {"content": _logprobs(reply.text, request), "refusal": None}
    return {
        "id": f"chatcmpl-{call_id}",
        "object": "chat.completion",
        "created": now_unix_s,
        "model": request.model + MODEL_SUFFIX,
        "choices": [choice],
        "usage": _usage(reply),
        "system_fingerprint": "simulated",
    }


def _usage(reply: SimulatedReply) -> dict[str, Any]:
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _logprobs(text: str, request: RequestFacts) -> list[dict[str, Any]]:
    """One entry per token of four characters; together the tokens are the answer."""
    pieces = (text[i : i + CHARACTERS_PER_TOKEN] for i in range(0, len(text), CHARACTERS_PER_TOKEN))
    return [_logprob(piece, i, request) for i, piece in enumerate(pieces)]


def _logprob(piece: str, index: int, request: RequestFacts) -> dict[str, Any]:
    """A sure-looking token: the other alternatives share what probability it leaves."""
    doubt = (request.digest[index % len(request.digest)] + 1) / 2000
    others = max((request.top_logprobs or 0) - 1, 0)
    best = _alternative(piece, math.log(1 - doubt))
    rest = [_alternative(f"~{n}", math.log(doubt / (others + 1))) for n in range(1, others + 1)]
    return best | {"top_logprobs": [best, *rest] if request.top_logprobs else []}


def _alternative(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def error(status: int, sentence: str, *, call_id: str, field: str | None = None) -> dict[str, Any]:
    kind = _TYPES.get(status, "server_error")
    return {"error": {"message": sentence, "type": kind, "param": field, "code": _CODES.get(status)}}


def limit_headers(limit: int, left: int, reset_s: float, *, now_unix_s: float) -> dict[str, str]:
    """What is left of the requests, as OpenAI says it."""
    return {
        "x-ratelimit-limit-requests": str(limit),
        "x-ratelimit-remaining-requests": str(left),
        "x-ratelimit-reset-requests": f"{reset_s:.3f}s",
    }


def status_of(status: int) -> int:
    """The status as this wire sends it."""
    return status


def models(names: list[str], *, now_unix_s: int) -> dict[str, Any]:
    data = [{"id": name, "object": "model", "created": now_unix_s, "owned_by": "simulator"} for name in names]
    return {"object": "list", "data": data}
