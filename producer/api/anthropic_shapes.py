"""Message Batches as the OpenAPI document describes them: what is sent, what is answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from producer.api.values import AT, example

MESSAGE_BATCH = "msgbatch_0198c0de000070008000000000000001"

_COUNTS: dict[str, Any] = {"processing": 2, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}

_BATCH: dict[str, Any] = {
    "id": MESSAGE_BATCH, "type": "message_batch", "processing_status": "in_progress", "request_counts": _COUNTS,
    "created_at": AT, "expires_at": "2026-11-29T09:30:00Z", "ended_at": None, "cancel_initiated_at": None,
    "archived_at": None, "results_url": None,
}  # fmt: skip


class MessageCounts(BaseModel):
    """Until the batch has ended all are `processing`."""

    model_config = example(**_COUNTS)

    processing: int
    succeeded: int
    errored: int
    canceled: int
    expired: int


class MessageBatch(BaseModel):
    model_config = example(**_BATCH)

    id: str
    type: Literal["message_batch"]
    processing_status: Literal["in_progress", "canceling", "ended"]
    request_counts: MessageCounts
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    cancel_initiated_at: datetime | None
    archived_at: datetime | None
    """When its results were no longer kept."""
    results_url: str | None


class MessageBatchList(BaseModel):
    model_config = example(data=[_BATCH], has_more=False, first_id=MESSAGE_BATCH, last_id=MESSAGE_BATCH)

    data: list[MessageBatch]
    has_more: bool
    first_id: str | None
    last_id: str | None


class MessageBatchDeleted(BaseModel):
    model_config = example(id=MESSAGE_BATCH, type="message_batch_deleted")

    id: str
    type: Literal["message_batch_deleted"]


RESULT_LINE = (
    '{"custom_id":"contract-1","result":{"type":"errored","error":{"type":"error","error":{"type":"api_error",'
    '"message":"It is failed."},"request_id":null}}}\n'
)
