"""Who serves: providers as operators set them, workers as they report, slots as they are held."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Double, Identity, Index, text
from sqlmodel import Field, SQLModel

from runtime.db import columns


class ProviderRow(SQLModel, table=True):
    """The gate of a provider: locked by every claim, so that its ceiling holds over all workers."""

    __tablename__ = "providers"

    tenant_id: str = Field(sa_column=columns.key())
    name: str = Field(sa_column=columns.key())
    ceiling: int = Field(sa_column=columns.number())
    requests_per_minute: int | None = Field(sa_column=columns.big_number(nullable=True))
    tokens_per_minute: int | None = Field(sa_column=columns.big_number(nullable=True))
    requests_left: float = Field(sa_column=Column(Double, nullable=False, server_default=text("0")))
    tokens_left: float = Field(sa_column=Column(Double, nullable=False, server_default=text("0")))
    drawn_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    """When the two buckets of `runtime.limits` were last drawn from; never: they are full."""
    paused: bool = Field(sa_column=columns.yes_no(server_default=text("false")))
    draining: bool = Field(sa_column=columns.yes_no(server_default=text("false")))
    """Nothing new is bound to it; once what is bound was served, it is paused."""
    set_ceiling: int | None = Field(sa_column=columns.number(nullable=True))
    """An operator's, in the place of the catalog's, until it is taken back."""
    switch_reason: str = Field(sa_column=columns.words(server_default=text("''")))
    switched_by: str = Field(sa_column=columns.words(server_default=text("''")))
    switched_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    """Who paused, resumed, drained or killed it last, when and why."""
    rests_until: datetime | None = Field(sa_column=columns.instant(nullable=True))
    """No claim before: it said so (429), or failed many times in a row."""
    rest_reason: str = Field(sa_column=columns.words(server_default=text("''")))

    # `runtime.breaker.Breaker`, shared by all workers.
    breaker: str = Field(sa_column=columns.words(server_default=text("'closed'")))
    strikes: int = Field(sa_column=columns.number(server_default=text("0")))
    opened: int = Field(sa_column=columns.number(server_default=text("0")))
    breaker_until: datetime | None = Field(sa_column=columns.instant(nullable=True))
    probe_slot: str | None = Field(sa_column=columns.uuid(nullable=True))
    struck_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    window_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    window_good: int = Field(sa_column=columns.number(server_default=text("0")))
    window_bad: int = Field(sa_column=columns.number(server_default=text("0")))
    breaker_reason: str = Field(sa_column=columns.words(server_default=text("''")))

    # `runtime.congestion.Allowance`, likewise.
    cut_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    cut_to: float = Field(sa_column=Column(Double, nullable=False, server_default=text("0")))
    cut_level: float = Field(sa_column=Column(Double, nullable=False, server_default=text("0")))

    seen: dict[str, Any] = Field(sa_column=columns.json(server_default=text("'{}'")))
    """What its calls showed, over all workers; see `governance.drift.seen`. The figures below are read off it."""
    seen_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    pace_millionths: int | None = Field(sa_column=columns.big_number(nullable=True))
    usual_millionths: int | None = Field(sa_column=columns.big_number(nullable=True))
    latency_ms_p95: int | None = Field(sa_column=columns.number(nullable=True))
    tokens_per_s: int | None = Field(sa_column=columns.number(nullable=True))
    faults_millionths: int = Field(sa_column=columns.number(server_default=text("0")))
    health: str = Field(sa_column=columns.words(server_default=text("'well'")))
    health_since: datetime | None = Field(sa_column=columns.instant(nullable=True))
    updated_at: datetime = Field(sa_column=columns.written_at())


class ProviderEventRow(SQLModel, table=True):
    """What operators and the breaker did to a provider; written in the transaction that did it."""

    __tablename__ = "provider_events"
    __table_args__ = (Index("provider_events_by_provider", "tenant_id", "provider", "id"),)

    id: int | None = Field(
        sa_column=Column(BigInteger, Identity(always=True), primary_key=True), default=None
    )
    tenant_id: str = Field(sa_column=columns.words())
    provider: str = Field(sa_column=columns.words())
    event: str = Field(sa_column=columns.words())
    actor: str = Field(sa_column=columns.words())
    """An operator as `user@host`, or the id of a worker or keeper."""
    reason: str = Field(sa_column=columns.words(server_default=text("''")))
    at: datetime = Field(sa_column=columns.written_at())


class WorkerRow(SQLModel, table=True):
    """A role process, as its heartbeat last said."""

    __tablename__ = "workers"

    id: str = Field(sa_column=columns.uuid_key())
    tenant_id: str = Field(sa_column=columns.words())
    role: str = Field(sa_column=columns.words())
    provider: str | None = Field(sa_column=columns.words(nullable=True))
    host: str = Field(sa_column=columns.words())
    pid: int = Field(sa_column=columns.number())
    slots: int = Field(sa_column=columns.number())
    """Calls that it can have in flight now."""
    key_found: bool = Field(sa_column=columns.yes_no(server_default=text("true")))
    detail: str = Field(sa_column=columns.words(server_default=text("''")))
    job_ms_p50: int | None = Field(sa_column=columns.number(nullable=True))
    answered: int = Field(sa_column=columns.big_number(server_default=text("0")))
    metrics_address: str = Field(sa_column=columns.words(server_default=text("''")))
    started_at: datetime = Field(sa_column=columns.written_at())
    seen_at: datetime = Field(sa_column=columns.written_at())


class SlotRow(SQLModel, table=True):
    """One call in flight, or about to be: held by a worker for a parcel of jobs, and given back with it.

    The lease of every job in the parcel is the lease of its slot, renewed in one statement a process.
    """

    __tablename__ = "slots"
    __table_args__ = (Index("slots_by_provider", "provider"),)

    id: str = Field(sa_column=columns.uuid_key())
    tenant_id: str = Field(sa_column=columns.words())
    provider: str = Field(sa_column=columns.words())
    worker_id: str = Field(sa_column=columns.uuid())
    lease_until: datetime = Field(sa_column=columns.instant())


class RouteClassRow(SQLModel, table=True):
    """Jobs that the same providers may serve wait together, so that a full provider blocks only its own."""

    __tablename__ = "route_classes"

    tenant_id: str = Field(sa_column=columns.key())
    route_class: str = Field(sa_column=columns.key())
    rules_digest: str = Field(sa_column=columns.words())
    """Of the policy and catalog under which it was formed; under others its jobs are looked at anew."""
    providers: list[str] = Field(sa_column=columns.word_list())
