"""Objects of OpenAI's shape, and what is handed in, as the OpenAPI document describes them.

Their routes answer plain objects (`objects.py`); that these are what is described here is tried by tests.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from producer.api.advised import RefusedLine
from producer.api.values import ID, example

FILE, BATCH = "file-0198c0de000070008000000000000001", "batch_0198c0de000070008000000000000001"

_FILE: dict[str, Any] = {
    "id": FILE, "object": "file", "bytes": 120, "created_at": 1_795_856_400, "expires_at": 1_798_448_400,
    "filename": "contracts.jsonl", "purpose": "batch", "status": "processed", "status_details": None,
}  # fmt: skip


class FileObject(BaseModel):
    model_config = example(**_FILE)

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    """Seconds since 1970, as all times of this shape."""
    expires_at: int | None
    filename: str
    purpose: str
    status: str
    status_details: str | None


class FileList(BaseModel):
    model_config = example(object="list", data=[_FILE], first_id=FILE, last_id=FILE, has_more=False)

    object: Literal["list"]
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileDeleted(BaseModel):
    model_config = example(id=FILE, object="file", deleted=True)

    id: str
    object: Literal["file"]
    deleted: Literal[True]


class RequestCounts(BaseModel):
    model_config = example(total=3, completed=2, failed=0)

    total: int
    completed: int
    failed: int


class BatchLineError(BaseModel):
    model_config = example(code="invalid_json_line", message="The line is not JSON.", param=None, line=1)

    code: str
    message: str
    param: str | None
    line: int | None


class BatchErrors(BaseModel):
    model_config = example(object="list", data=[])

    object: Literal["list"]
    data: list[BatchLineError]


_USAGE: dict[str, Any] = {
    "input_tokens": 10, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 15,
}  # fmt: skip

_BATCH: dict[str, Any] = {
    "id": BATCH, "object": "batch", "endpoint": "/v1/chat/completions", "model": "auto", "errors": None,
    "input_file_id": FILE, "completion_window": "24h", "status": "in_progress", "output_file_id": None,
    "error_file_id": None, "created_at": 1_795_856_400, "in_progress_at": 1_795_856_401, "expires_at": 1_795_942_800,
    "finalizing_at": None, "completed_at": None, "failed_at": None, "expired_at": None, "cancelling_at": None,
    "cancelled_at": None, "request_counts": {"total": 3, "completed": 2, "failed": 0}, "usage": _USAGE,
    "metadata": {"classyard_deadline": "2h"},
}  # fmt: skip


class BatchObject(BaseModel):
    model_config = example(**_BATCH)

    id: str
    object: Literal["batch"]
    endpoint: str
    model: str | None
    errors: BatchErrors | None
    input_file_id: str
    completion_window: str
    status: Literal[
        "validating",
        "failed",
        "in_progress",
        "finalizing",
        "completed",
        "expired",
        "cancelling",
        "cancelled",
    ]
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: RequestCounts
    usage: dict[str, Any]
    metadata: dict[str, str] | None


class BatchList(BaseModel):
    model_config = example(object="list", data=[_BATCH], first_id=BATCH, last_id=BATCH, has_more=False)

    object: Literal["list"]
    data: list[BatchObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Submitted(BaseModel):
    model_config = example(id=ID, accepted=3, rejected=0, rejections=[], repeated=False)

    id: str
    accepted: int
    rejected: int
    rejections: list[RefusedLine]
    """The first of the lines that could not be read."""
    repeated: bool
    """Whether it was handed in before, with the same key."""


class Document(BaseModel):
    """An OpenAPI document."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={"examples": [{"openapi": "3.1.0", "info": {"title": "Classyard"}, "paths": {}}]},
    )

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


# -- errors


class Problem(BaseModel):
    """RFC 9457, `application/problem+json`."""

    model_config = example(
        type="about:blank", title="Not Found", status=404, detail="No such review batch: 'x'.", code="not_found",
        param="id",
    )  # fmt: skip

    type: str
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    """A sentence that a person can act on."""
    code: str | None = None
    """A stable word for programs."""
    param: str | None = None


class OpenAIFault(BaseModel):
    model_config = example(message="No such file: 'x'.", type="not_found_error", param="id", code="not_found")

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIError(BaseModel):
    """As OpenAI's clients read it."""

    model_config = example(
        error={"message": "No such file: 'x'.", "type": "not_found_error", "param": "id", "code": "not_found"}
    )

    error: OpenAIFault


class AnthropicError(BaseModel):
    """As Anthropic's clients read it."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"type": "error", "error": {"type": "not_found_error", "message": "No such batch."}}]
        },
    )

    type: Literal["error"]
    error: dict[str, Any]
