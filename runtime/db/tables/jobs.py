"""The jobs table: the queue of record. `schemas.job.Job` is this row as a value.

A trigger (see `runtime/db/guards.py`) holds the lifecycle against every writer: edges, versions by one, final rows
frozen.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import UUID
from sqlmodel import Field, SQLModel

from runtime.db import columns

WAITING = "state in ('accepted', 'held')"
OPEN = "state in ('accepted', 'held', 'routed', 'serving', 'in_review')"

_URGENCY = ("lane", "start_by", "id")
"""Lane first, then the least slack (no deadline sorts last), then the order of arrival (ids are UUIDv7)."""


class JobRow(SQLModel, table=True):
    __tablename__ = "jobs"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "document_digest"], ["documents.tenant_id", "documents.digest"]),
        Index("jobs_by_batch", "batch_id", "custom_id", unique=True),
        Index("jobs_waiting", "route_class", *_URGENCY, postgresql_where=text(WAITING)),
        Index("jobs_routed", "provider", *_URGENCY, postgresql_where=text("state = 'routed'")),
        Index("jobs_serving", "slot_id", postgresql_where=text("state = 'serving'")),
        Index("jobs_open", "batch_id", postgresql_where=text(OPEN)),
        Index(
            "jobs_with_deadline",
            "deadline_at",
            postgresql_where=text("deadline_at is not null and state in ('accepted', 'held', 'routed')"),
        ),
    )

    id: str = Field(sa_column=columns.uuid_key())
    tenant_id: str = Field(sa_column=columns.words())
    batch_id: str = Field(sa_column=Column(UUID(as_uuid=False), ForeignKey("batches.id"), nullable=False))
    custom_id: str = Field(sa_column=columns.words())
    name: str = Field(sa_column=columns.words())
    document_digest: str = Field(sa_column=columns.words())
    review_digest: str = Field(sa_column=columns.words())
    sensitivity: str = Field(sa_column=columns.words())
    residency: list[str] = Field(sa_column=columns.word_list())
    quality: str = Field(sa_column=columns.words())
    lane: int = Field(sa_column=columns.small_number())
    deadline_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    start_by: datetime | None = Field(sa_column=columns.instant(nullable=True))
    """Its deadline, less what its call is expected to take; see `schemas.job`."""
    max_cost_usd_micros: int | None = Field(sa_column=columns.big_number(nullable=True))
    asked_model: str = Field(sa_column=columns.words(server_default=text("''")))
    """The one model that may answer it; see `schemas.submission`."""
    asked_tier: str = Field(sa_column=columns.words(server_default=text("''")))

    state: str = Field(sa_column=columns.words())
    version: int = Field(sa_column=columns.number())
    lease_token: int = Field(sa_column=columns.big_number(server_default=text("0")))
    slot_id: str | None = Field(sa_column=columns.uuid(nullable=True))
    route_class: str = Field(sa_column=columns.words(server_default=text("''")))
    features: dict[str, Any] | None = Field(sa_column=columns.json(nullable=True))
    """What the router extracted, once; see `schemas.features`."""
    tokens: int = Field(sa_column=columns.number(server_default=text("0")))
    provider: str | None = Field(sa_column=columns.words(nullable=True))
    model: str | None = Field(sa_column=columns.words(nullable=True))
    plan: list[Any] = Field(sa_column=columns.json(server_default=text("'[]'")))
    step: int = Field(sa_column=columns.small_number(server_default=text("0")))
    attempts: int = Field(sa_column=columns.number(server_default=text("0")))
    excused: int = Field(sa_column=columns.number(server_default=text("0")))
    step_attempts: int = Field(sa_column=columns.small_number(server_default=text("0")))
    plans: int = Field(sa_column=columns.small_number(server_default=text("0")))
    interruptions: int = Field(sa_column=columns.small_number(server_default=text("0")))
    not_before: datetime | None = Field(sa_column=columns.instant(nullable=True))
    reason_code: str = Field(sa_column=columns.words(server_default=text("''")))
    reason: str = Field(sa_column=columns.words(server_default=text("''")))
    cost_usd_micros: int = Field(sa_column=columns.big_number(server_default=text("0")))
    work_ms: int = Field(sa_column=columns.big_number(server_default=text("0")))
    reserved_usd_micros: int = Field(sa_column=columns.big_number(server_default=text("0")))
    reserved_on: str = Field(sa_column=columns.words(server_default=text("''")))
    """The day (UTC) in whose budget the last reservation was made; it is released there."""
    audit_head: bytes = Field(sa_column=columns.raw())
    created_at: datetime = Field(sa_column=columns.written_at())
    updated_at: datetime = Field(sa_column=columns.written_at())
