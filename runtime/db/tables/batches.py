"""Batches: what was handed in together; and what of it could not become a job."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, text
from sqlalchemy.dialects.postgresql import UUID
from sqlmodel import Field, SQLModel

from runtime.db import columns

UNBOUNDED = "finished_at is not null and bounded_at is null"


class BatchRow(SQLModel, table=True):
    __tablename__ = "batches"
    __table_args__ = (
        Index("batches_by_tenant", "tenant_id", "created_at"),
        Index("batches_unbounded", "tenant_id", "finished_at", postgresql_where=text(UNBOUNDED)),
        Index("batches_by_key", "tenant_id", "idempotency_key", unique=True),
    )

    id: str = Field(sa_column=columns.uuid_key())
    tenant_id: str = Field(sa_column=columns.words())
    source: str = Field(sa_column=columns.words())
    """What was handed in, for people: the paths as given."""
    review_name: str = Field(sa_column=columns.words())
    review_digest: str = Field(sa_column=columns.words())
    requirements: dict[str, Any] = Field(sa_column=columns.json())
    accepted: int = Field(sa_column=columns.number())
    rejected: int = Field(sa_column=columns.number())
    created_at: datetime = Field(sa_column=columns.written_at())
    finished_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    cost_usd_micros: int | None = Field(sa_column=columns.big_number(nullable=True))
    """Of all calls for the documents that have an answer; None until a router has looked at the finished batch."""
    lp_lower_bound_usd_micros: int | None = Field(sa_column=columns.big_number(nullable=True))
    """What these answers would have cost at the least; None where that could not be told."""
    gap: float | None = Field(sa_column=Column(Double, nullable=True), default=None)
    bound_note: str = Field(sa_column=columns.words(server_default=text("''")))
    """What the bound was computed over, or why there is none."""
    bounded_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    idempotency_key: str | None = Field(sa_column=columns.words(nullable=True))
    """The submitter's own: the same key with the same content is this batch, handed in again."""
    content_digest: str = Field(sa_column=columns.words(server_default=text("''")))
    """Over the review, the requirements and every document with its custom id, in their order."""
    retry_of: str | None = Field(sa_column=columns.uuid(nullable=True))
    """The batch of which this one takes up what did not succeed."""
    cancelled_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    """When all that was still open in it was cancelled."""
    webhook_endpoint: str | None = Field(sa_column=columns.words(nullable=True))
    """The endpoint that is told of this batch beside those that are told of every one."""


class RejectionRow(SQLModel, table=True):
    __tablename__ = "rejections"

    batch_id: str = Field(
        sa_column=Column(UUID(as_uuid=False), ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True)
    )
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    tenant_id: str = Field(sa_column=columns.words())
    place: str = Field(sa_column=columns.words())
    code: str = Field(sa_column=columns.words())
    sentence: str = Field(sa_column=columns.words())
