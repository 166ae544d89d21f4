"""Rows as the objects that Anthropic's clients know, and jobs as lines of a Message Batch's results. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from producer.api.output import bare_of, ours_of, text_of, tokens_of

Row = Mapping[str, Any]

SUCCEEDED, ERRORED, CANCELED, EXPIRED = "succeeded", "errored", "canceled", "expired"

KEPT_S = 29 * 86_400
"""As long as Anthropic keeps results."""

_KINDS = {"cancelled": CANCELED, "expired": EXPIRED}
"""By a job's state; what has an answer succeeded, and all else is an error."""
_TYPES = {"refused": "invalid_request_error"}
"""Of an error, by the job's state: whether the caller could ask otherwise."""


def nothing_tallied() -> dict[str, int]:
    return dict.fromkeys((SUCCEEDED, ERRORED, CANCELED, EXPIRED), 0)


def message_batch(row: Row, now: datetime, address: str) -> dict[str, Any]:
    """`address`: what comes before the path of its results. Counts are those of the end, and none before."""
    tally = row["tally"]
    is_archived = has_lost_results(row, now)
    is_shown = tally is not None and not is_archived
    return {
        "id": row["id"],
        "type": "message_batch",
        "processing_status": status_of(row),
        "request_counts": {
            "processing": row["requests"] if tally is None else 0,
            **(tally or nothing_tallied()),
        },
        "created_at": instant(row["created_at"]),
        "expires_at": instant(row["expires_at"]),
        "ended_at": instant(row["ended_at"]),
        "cancel_initiated_at": instant(row["cancelling_at"]),
        "archived_at": instant(_lost_at(row)) if is_archived else None,
        "results_url": f"{address}/v1/messages/batches/{row['id']}/results" if is_shown else None,
    }


def status_of(row: Row) -> str:
    if row["ended_at"] is not None:
        return "ended"
    return "in_progress" if row["cancelling_at"] is None else "canceling"


def has_lost_results(row: Row, now: datetime) -> bool:
    return row["ended_at"] is not None and _lost_at(row) <= now


def _lost_at(row: Row) -> datetime:
    lost_at: datetime = row["ended_at"] + timedelta(seconds=row["output_expires_s"])
    return lost_at


def listed(data: list[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    ids = [one["id"] for one in data]
    return {
        "data": data,
        "has_more": has_more,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
    }


def result_line(row: Row) -> tuple[str, bytes]:
    """What became of it, and the line. `row` is one of `views.results`."""
    kind = SUCCEEDED if row["output"] is not None else _KINDS.get(row["state"], ERRORED)
    result: dict[str, Any] = {"type": kind}
    if kind == SUCCEEDED:
        result["message"] = _message(row)
    elif kind == ERRORED:
        reason = row["reason"] or f"It is {row['state']}."
        code = row["reason_code"] or row["state"]
        result["error"] = error_body(
            _TYPES.get(row["state"], "api_error"), reason, code=code, request_id=row["job_id"]
        )
    return kind, _line(row["custom_id"], result)


def unread_line(batch_id: str, custom_id: str, reason: str | None) -> tuple[str, bytes]:
    """Of a request that was never taken: for this reason, or since it was cancelled before."""
    if reason is None:
        return CANCELED, _line(custom_id, {"type": CANCELED})
    error = error_body("invalid_request_error", reason, request_id=batch_id)
    return ERRORED, _line(custom_id, {"type": ERRORED, "error": error})


def _line(custom_id: str, result: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"custom_id": custom_id, "result": result}, option=orjson.OPT_APPEND_NEWLINE)


def error_body(kind: str, message: str, *, request_id: str | None, code: str | None = None) -> dict[str, Any]:
    """`details.error_code` is where clients look for a code that stays."""
    details = {"details": {"error_code": code}} if code else {}
    return {
        "type": "error",
        "error": {"type": kind, "message": message, **details},
        "request_id": request_id,
    }


def _message(row: Row) -> dict[str, Any]:
    given, made = tokens_of(row)
    return {
        "id": f"msg_{bare_of(row)}",
        "type": "message",
        "role": "assistant",
        "model": row["model_version"],
        "content": [{"type": "text", "text": text_of(row)}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": given,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": made,
            "service_tier": "batch",
        },
        "classyard": ours_of(row),
    }


def instant(at: datetime | None) -> str | None:
    """RFC 3339, in UTC."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
