"""What happened: decisions, attempts, results, and the audit events that chain every move."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Integer
from sqlalchemy.dialects.postgresql import UUID
from sqlmodel import Field, SQLModel

from runtime.db import columns


def _job_key() -> Any:
    return Column(UUID(as_uuid=False), ForeignKey("jobs.id"), primary_key=True)


def _number_key(kind: Any = Integer) -> Any:
    return Column(kind, primary_key=True, autoincrement=False)


class DecisionRow(SQLModel, table=True):
    """One for each time a job was decided. `body` holds every candidate; `digest` is over it."""

    __tablename__ = "decisions"

    job_id: str = Field(sa_column=_job_key())
    number: int = Field(sa_column=_number_key())
    """1, 2, …: the job's version after the move that it caused."""
    tenant_id: str = Field(sa_column=columns.words())
    outcome: str = Field(sa_column=columns.words())
    policy_digest: str = Field(sa_column=columns.words())
    catalog_digest: str = Field(sa_column=columns.words())
    snapshot_digest: str = Field(sa_column=columns.words())
    """Of the stored snapshot; what the chunk had assigned since then is in `assigned`."""
    assigned: dict[str, Any] = Field(sa_column=columns.json())
    features: bytes = Field(sa_column=columns.raw())
    digest: str = Field(sa_column=columns.words())
    body: bytes = Field(sa_column=columns.raw())
    decided_at: datetime = Field(sa_column=columns.written_at())


class AttemptRow(SQLModel, table=True):
    """The ledger: every call that came back to a living worker, fenced ones too, with what it cost."""

    __tablename__ = "attempts"
    __table_args__ = (Index("attempts_by_batch", "batch_id"),)

    job_id: str = Field(sa_column=_job_key())
    lease_token: int = Field(sa_column=_number_key(BigInteger))
    number: int = Field(sa_column=_number_key())
    tenant_id: str = Field(sa_column=columns.words())
    batch_id: str = Field(sa_column=columns.uuid())
    provider: str = Field(sa_column=columns.words())
    model: str = Field(sa_column=columns.words())
    model_version: str = Field(sa_column=columns.words())
    model_reported: str = Field(sa_column=columns.words())
    simulated: bool = Field(sa_column=columns.yes_no())
    fenced: bool = Field(sa_column=columns.yes_no())
    """Its outcome was not used: another worker held the job by then."""
    started_at: datetime = Field(sa_column=columns.instant())
    latency_ms: int = Field(sa_column=columns.number())
    outcome: str = Field(sa_column=columns.words())
    detail: str = Field(sa_column=columns.words())
    http_status: int | None = Field(sa_column=columns.number(nullable=True))
    request_digest: str = Field(sa_column=columns.words())
    input_tokens: int = Field(sa_column=columns.number())
    output_tokens: int = Field(sa_column=columns.number())
    cost_usd_micros: int = Field(sa_column=columns.big_number())
    settled_at: datetime = Field(sa_column=columns.written_at())
    """When the ledger got it; it counts in the budget of this day (UTC)."""


class ResultRow(SQLModel, table=True):
    """At most one a job, by its primary key."""

    __tablename__ = "results"
    __table_args__ = (Index("results_by_batch", "batch_id"),)

    job_id: str = Field(sa_column=_job_key())
    tenant_id: str = Field(sa_column=columns.words())
    batch_id: str = Field(sa_column=columns.uuid())
    lease_token: int = Field(sa_column=columns.big_number())
    attempt: int = Field(sa_column=columns.number())
    provider: str = Field(sa_column=columns.words())
    model: str = Field(sa_column=columns.words())
    model_version: str = Field(sa_column=columns.words())
    model_reported: str = Field(sa_column=columns.words())
    simulated: bool = Field(sa_column=columns.yes_no())
    output: dict[str, Any] = Field(sa_column=columns.json())
    checks: dict[str, Any] = Field(sa_column=columns.json())
    standing: str = Field(sa_column=columns.words())
    mean_logprob: float | None = Field(sa_column=Column(Double, nullable=True), default=None)
    recorded_at: datetime = Field(sa_column=columns.written_at())


class AuditEventRow(SQLModel, table=True):
    """Append-only. No foreign key: the record outlives the row that it speaks of."""

    __tablename__ = "audit_events"

    job_id: str = Field(sa_column=columns.uuid_key())
    version: int = Field(sa_column=_number_key())
    tenant_id: str = Field(sa_column=columns.words())
    body: bytes = Field(sa_column=columns.raw())
    prev_hash: bytes = Field(sa_column=columns.raw())
    hash: bytes = Field(sa_column=columns.raw())
