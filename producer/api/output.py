"""Jobs as lines of a batch's output and error files. Pure.

An answer is the review's JSON, as the text of an assistant's message. What the yard adds, who served it and how it was
decided, stands under one key of its own, `classyard`, where no client looks for anything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from producer.api.lines import CHAT

Row = Mapping[str, Any]

EXPIRED = "This request could not be executed before the completion window expired."
CANCELLED = "This request was cancelled before it was done."

_OURS = (
    "provider", "model", "simulated", "standing", "sensitivity", "cost_usd_micros", "decision_digest", "policy_digest",
)  # fmt: skip


def line_of(row: Row, endpoint: str) -> tuple[bool, bytes]:
    """Whether it has an answer, which tells the file, and the line. `row` is one of `views.results`."""
    has_answer = row["output"] is not None
    line = {
        "id": f"batch_req_{bare_of(row)}",
        "custom_id": row["custom_id"],
        "response": _response(row, endpoint) if has_answer else None,
        "error": None if has_answer else _error(row),
    }
    return has_answer, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def bare_of(row: Row) -> str:
    return str(row["job_id"]).replace("-", "")


def _response(row: Row, endpoint: str) -> dict[str, Any]:
    body = _chat(row) if endpoint == CHAT else _responses(row)
    return {"status_code": 200, "request_id": row["job_id"], "body": {**body, "classyard": ours_of(row)}}


def ours_of(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in _OURS}


def body_of(row: Row, endpoint: str) -> dict[str, Any]:
    """The answer as the endpoint itself gives it, with what is ours."""
    whole: dict[str, Any] = _response(row, endpoint)["body"]
    return whole


def chunks_of(body: Mapping[str, Any], *, has_usage: bool) -> Iterator[bytes]:
    """A chat completion as the events of a stream: all of it in one chunk, since it is checked before it is sent."""
    (choice,) = body["choices"]
    said = {"role": "assistant", "content": choice["message"]["content"], "refusal": None}
    same = {name: body[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    for more in (
        {"choices": [_chunk(said, None)], "classyard": body["classyard"]},
        {"choices": [_chunk({}, choice["finish_reason"])]},
        *([{"choices": [], "usage": body["usage"]}] if has_usage else []),
    ):
        yield b"data: " + orjson.dumps({**same, **more}) + b"\n\n"
    yield b"data: [DONE]\n\n"


def _chunk(delta: Mapping[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _error(row: Row) -> dict[str, Any]:
    if row["state"] == "expired":
        return {"code": "batch_expired", "message": EXPIRED}
    if row["state"] == "cancelled":
        return {"code": "batch_cancelled", "message": CANCELLED}
    return {"code": row["reason_code"] or row["state"], "message": row["reason"] or f"It is {row['state']}."}


def text_of(row: Row) -> str:
    return orjson.dumps(row["output"]).decode()


def tokens_of(row: Row) -> tuple[int, int]:
    return row["input_tokens"] or 0, row["output_tokens"] or 0


def _chat(row: Row) -> dict[str, Any]:
    given, made = tokens_of(row)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text_of(row),
        "refusal": None,
        "annotations": [],
    }
    return {
        "id": f"chatcmpl-{bare_of(row)}",
        "object": "chat.completion",
        "created": int(row["updated_at"].timestamp()),
        "model": row["model_version"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": given,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens": made,
            "completion_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": given + made,
        },
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _responses(row: Row) -> dict[str, Any]:
    given, made = tokens_of(row)
    said = {"type": "output_text", "text": text_of(row), "annotations": []}
    message = {
        "type": "message",
        "id": f"msg_{bare_of(row)}",
        "status": "completed",
        "role": "assistant",
        "content": [said],
    }
    return {
        "id": f"resp_{bare_of(row)}",
        "object": "response",
        "created_at": int(row["created_at"].timestamp()),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": row["model_version"],
        "output": [message],
        "parallel_tool_calls": False,
        "temperature": 0,
        "tool_choice": "none",
        "tools": [],
        "top_p": 1,
        "usage": {
            "input_tokens": given,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": given + made,
        },
    }
