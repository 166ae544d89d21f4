"""What the OpenAPI document says of routes that read or answer plain bytes and objects: bodies, answers, summaries."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from producer.api.answer_shapes import ChatCompletion, ModelList, ModelObject, ResponseObject
from producer.api.errors import NATIVE, OPENAPI
from producer.api.files import KEPT_S, LEAST_KEPT_S, PURPOSE
from producer.api.lines import CHAT, RESPONSES
from producer.api.openai_shapes import (
    FILE,
    BatchList,
    BatchObject,
    Document,
    FileDeleted,
    FileList,
    FileObject,
    Submitted,
)

DESCRIPTION = (
    "Documents in, reviewed by models that a policy chooses, results and their proof out. Below `/v1/reviews` "
    "and `/v1/policy` errors are problems (RFC 9457); elsewhere objects and errors are OpenAI's."
)

Route = tuple[str, str]
"""Method and path."""

FILES, BATCHES, MODELS = "/v1/files", "/v1/batches", "/v1/models"

ANSWERS: dict[Route, type[BaseModel]] = {
    ("post", FILES): FileObject,
    ("get", FILES): FileList,
    ("get", f"{FILES}/{{file_id}}"): FileObject,
    ("delete", f"{FILES}/{{file_id}}"): FileDeleted,
    ("post", BATCHES): BatchObject,
    ("get", BATCHES): BatchList,
    ("get", f"{BATCHES}/{{batch_id}}"): BatchObject,
    ("post", f"{BATCHES}/{{batch_id}}/cancel"): BatchObject,
    ("post", NATIVE): Submitted,
    ("get", OPENAPI): Document,
    ("get", MODELS): ModelList,
    ("get", f"{MODELS}/{{model_id}}"): ModelObject,
    ("post", CHAT): ChatCompletion,
    ("post", RESPONSES): ResponseObject,
}

_AT_ONCE = {
    404: "There is no such model, tier or review.",
    409: "It was cancelled.",
    422: "No provider may serve it, or the Idempotency-Key was used before, for something else.",
    499: "The caller has gone; for the record only.",
    502: "It was tried and could not be done.",
}
STATUSES: dict[Route, dict[int, str]] = {
    ("post", CHAT): _AT_ONCE,
    ("post", RESPONSES): _AT_ONCE,
    ("post", f"{BATCHES}/{{batch_id}}/cancel"): {409: "The batch has ended and cannot be cancelled."},
    ("get", f"{NATIVE}/{{batch_id}}/results"): {406: "`Accept` names no format that there is."},
}
"""Errors beside those that every route may answer."""

STREAMS: dict[Route, dict[str, Any]] = {
    ("get", f"{FILES}/{{file_id}}/content"): {
        "application/octet-stream": {"schema": {"type": "string"}, "example": "{}\n"}
    },
}
"""Answers that are no objects."""

EXAMPLES: dict[Route, dict[str, Any]] = {
    ("post", BATCHES): {
        "input_file_id": FILE,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": {"classyard_sensitivity": "confidential"},
    },
}
"""Of bodies whose schema comes from their route."""

SUMMARIES: dict[Route, str] = {
    ("post", FILES): "Upload a file",
    ("get", FILES): "List files",
    ("get", f"{FILES}/{{file_id}}"): "One file",
    ("get", f"{FILES}/{{file_id}}/content"): "The content of a file",
    ("delete", f"{FILES}/{{file_id}}"): "Delete a file",
    ("post", BATCHES): "Make a batch of a file",
    ("get", BATCHES): "List batches, as OpenAI's clients do",
    ("get", f"{BATCHES}/{{batch_id}}"): "One batch, as OpenAI's clients see it",
    ("post", f"{BATCHES}/{{batch_id}}/cancel"): "Cancel a batch",
    ("post", NATIVE): "Hand in documents",
    ("get", MODELS): "List what may be named as the model",
    ("get", f"{MODELS}/{{model_id}}"): "One model",
    ("post", CHAT): "Review one document, and wait for its answer",
    ("post", RESPONSES): "Review one document, and wait for its answer, as the Responses API has it",
}

_SAID = [{"role": "user", "content": "SUPPLY AGREEMENT"}]


def _asked(needs: str, example: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["model", needs],
        "properties": {
            "model": {"type": "string", "minLength": 1, "maxLength": 200},
            "metadata": {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 16},
        },
    }
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}


_LINES: dict[str, Any] = {
    "required": True,
    "description": 'A line a document: `{"custom_id", "text"}`.',
    "content": {
        "application/x-ndjson": {
            "schema": {"type": "string"},
            "example": '{"custom_id": "contract-1", "text": "SUPPLY AGREEMENT"}\n',
        }
    },
}

BODIES: dict[Route, dict[str, Any]] = {
    ("post", CHAT): _asked("messages", {"model": "review:contract-clauses", "messages": _SAID}),
    ("post", RESPONSES): _asked("input", {"model": "review:contract-clauses", "input": "SUPPLY AGREEMENT"}),
    ("post", NATIVE): _LINES,
    ("post", f"{NATIVE}/quote"): _LINES,
    ("post", FILES): {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
                        "purpose": {"type": "string", "const": PURPOSE},
                        "expires_after[anchor]": {"type": "string", "const": "created_at"},
                        "expires_after[seconds]": {
                            "type": "integer",
                            "minimum": LEAST_KEPT_S,
                            "maximum": KEPT_S,
                        },
                    },
                },
                "example": {"purpose": PURPOSE, "file": "{}\n"},
            }
        },
    },
}
