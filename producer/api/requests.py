"""The body of one request that is answered at once, read as a line of a batch is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from producer.api.errors import ApiError
from producer.api.lines import CHAT, Ask, LineError, read_lines
from schemas.submission import SourceDocument

CUSTOM_ID = "request"
PLACE = "the request"


@dataclass(frozen=True, slots=True)
class Asked:
    document: SourceDocument
    ask: Ask
    metadata: Mapping[str, str]
    streams: bool
    has_usage: bool
    """Whether a stream ends with the figures of its use."""


def read_request(data: bytes, endpoint: str) -> Asked:
    """Raises `ApiError` naming the parameter."""
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"The body is not JSON: {error.msg} (column {error.colno:,}).") from error
    if not isinstance(body, dict):
        raise ApiError(400, "The body is JSON, and not an object.")
    streams, has_usage = _stream(body, endpoint)
    metadata = _metadata(body)
    line = orjson.dumps({"custom_id": CUSTOM_ID, "method": "POST", "url": endpoint, "body": body})
    (read,) = read_lines([line], endpoint, PLACE)
    if isinstance(read, LineError):
        param = read.param.removeprefix("body.") if read.param else None
        raise ApiError(400, read.message.replace("The line", "The request"), code=read.code, param=param)
    return Asked(read.document, read.ask, metadata, streams, has_usage)


def _stream(body: dict[str, Any], endpoint: str) -> tuple[bool, bool]:
    """Taken out of the body, in which a line may have none of it."""
    streams, options = body.pop("stream", None) or False, body.pop("stream_options", None) or {}
    if not isinstance(streams, bool) or not isinstance(options, dict):
        raise ApiError(
            400,
            "stream is true or false, and stream_options an object.",
            code="invalid_value",
            param="stream",
        )
    if streams and endpoint != CHAT:
        raise ApiError(400, f"Only {CHAT} can be streamed here.", code="unsupported_value", param="stream")
    return streams, bool(options.get("include_usage"))


def _metadata(body: Mapping[str, Any]) -> dict[str, str]:
    found = body.get("metadata") or {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ApiError(400, "metadata has texts under names.", code="invalid_value", param="metadata")
    return found
