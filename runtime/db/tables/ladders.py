"""Ladders: usable answers of jobs that went on, and outcomes that a stronger model labelled."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Double, ForeignKey, Index, Integer
from sqlalchemy.dialects.postgresql import UUID
from sqlmodel import Field, SQLModel

from runtime.db import columns


class RungAnswerRow(SQLModel, table=True):
    """Written in the transaction of the move that it explains. What was paid for is not lost when a job goes on."""

    __tablename__ = "rung_answers"

    job_id: str = Field(sa_column=Column(UUID(as_uuid=False), ForeignKey("jobs.id"), primary_key=True))
    attempt: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    lease_token: int = Field(sa_column=columns.big_number())
    tenant_id: str = Field(sa_column=columns.words())
    provider: str = Field(sa_column=columns.words())
    model: str = Field(sa_column=columns.words())
    model_version: str = Field(sa_column=columns.words())
    model_reported: str = Field(sa_column=columns.words())
    simulated: bool = Field(sa_column=columns.yes_no())
    sample: int = Field(sa_column=columns.small_number())
    keep_from: int | None = Field(sa_column=columns.number(nullable=True))
    score: int = Field(sa_column=columns.number())
    output: dict[str, Any] | None = Field(sa_column=columns.json(nullable=True))
    """Null where it is the job's result: it stands there."""
    checks: dict[str, Any] = Field(sa_column=columns.json())
    standing: str = Field(sa_column=columns.words())
    mean_logprob: float | None = Field(sa_column=Column(Double, nullable=True), default=None)
    recorded_at: datetime = Field(sa_column=columns.written_at())


class LadderLabelRow(SQLModel, table=True):
    """Whether the answer of a rung agreed with that of the last one. It outlives its job."""

    __tablename__ = "ladder_labels"
    __table_args__ = (Index("ladder_labels_by_rung", "tenant_id", "ladder", "model", "recorded_at"),)

    id: str = Field(sa_column=columns.uuid_key())
    tenant_id: str = Field(sa_column=columns.words())
    ladder: str = Field(sa_column=columns.words())
    model: str = Field(sa_column=columns.words())
    judged_by: str = Field(sa_column=columns.words())
    job_id: str | None = Field(sa_column=columns.uuid(nullable=True))
    score: int = Field(sa_column=columns.number())
    agrees: bool = Field(sa_column=columns.yes_no())
    unbiased: bool = Field(sa_column=columns.yes_no())
    """The whole ladder was walked whatever the evidence; only then it feeds a promise."""
    recorded_at: datetime = Field(sa_column=columns.written_at())
