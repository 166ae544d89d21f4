"""Rows as the objects that OpenAI's clients know. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

Row = Mapping[str, Any]

FAILED = ("failed", "refused", "expired")
STATUSES = ("completed", "failed", "expired", "cancelled")


def file_object(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "object": "file",
        "bytes": row["size_bytes"],
        "created_at": seconds(row["created_at"]),
        "expires_at": seconds(row["expires_at"]),
        "filename": row["filename"],
        "purpose": row["purpose"],
        "status": "processed",
        "status_details": None,
    }


def model_object(name: str, owner: str) -> dict[str, Any]:
    """When it was made is not known."""
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}


def listed(data: Sequence[Mapping[str, Any]], *, has_more: bool) -> dict[str, Any]:
    return {
        "object": "list",
        "data": list(data),
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }


def status_of(row: Row) -> str:
    """From its times: what ended stays what it is."""
    if row["end"] is not None:
        return str(row["end"])
    if row["cancelling_at"] is not None:
        return "cancelling"
    if row["finalizing_at"] is not None:
        return "finalizing"
    return "validating" if row["batch_id"] is None else "in_progress"


def batch_object(row: Row, states: Mapping[str, int], usage: Row | None) -> dict[str, Any]:
    """`states`: the jobs of the yard's batch, by state."""
    ended = {f"{name}_at": seconds(row["ended_at"]) if row["end"] == name else None for name in STATUSES}
    return {
        "id": row["id"],
        "object": "batch",
        "endpoint": row["endpoint"],
        "model": row["model"],
        "errors": {"object": "list", "data": row["errors"]} if row["errors"] else None,
        "input_file_id": row["input_file_id"],
        "completion_window": row["completion_window"],
        "status": status_of(row),
        "output_file_id": row["output_file_id"],
        "error_file_id": row["error_file_id"],
        "created_at": seconds(row["created_at"]),
        "in_progress_at": seconds(row["in_progress_at"]),
        "expires_at": seconds(row["expires_at"]),
        "finalizing_at": seconds(row["finalizing_at"]),
        "completed_at": ended["completed_at"],
        "failed_at": ended["failed_at"],
        "expired_at": ended["expired_at"],
        "cancelling_at": seconds(row["cancelling_at"]),
        "cancelled_at": ended["cancelled_at"],
        "request_counts": {
            "total": sum(states.values()),
            "completed": states.get("succeeded", 0),
            "failed": sum(states.get(name, 0) for name in FAILED),
        },
        "usage": _usage(usage),
        "metadata": row["call_metadata"],
    }


def _usage(usage: Row | None) -> dict[str, Any]:
    given = int(usage["input_tokens"] or 0) if usage else 0
    made = int(usage["output_tokens"] or 0) if usage else 0
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": given + made,
    }


def seconds(instant: datetime | None) -> int | None:
    return None if instant is None else int(instant.timestamp())
