"""Where events are delivered, the events themselves, and every delivery with its attempts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Index, Text, func, text
from sqlmodel import Field, SQLModel

from runtime.db import columns


def _numbered() -> Column[Any]:
    return Column(BigInteger, Identity(always=True), primary_key=True)


class WebhookEndpointRow(SQLModel, table=True):
    """An address that a tenant wants to be told at, and how it fares."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (Index("webhook_endpoints_by_tenant", "tenant_id", "id"),)

    id: str = Field(sa_column=columns.key())
    """`wh_` and an id in the order of making."""
    tenant_id: str = Field(sa_column=columns.words())
    name: str = Field(sa_column=columns.words())
    """For people."""
    url: str = Field(sa_column=columns.words())
    events: list[str] = Field(sa_column=columns.word_list())
    """The types that it wants."""
    is_tenant_wide: bool = Field(sa_column=columns.yes_no(server_default=text("true")))
    """False: it hears only of batches that name it."""
    salt: bytes = Field(sa_column=columns.raw())
    """The secret is made from this and the yard's pepper, and stored nowhere."""
    salt_before: bytes | None = Field(sa_column=columns.raw(nullable=True))
    """Of the secret before, which signs as well until `before_until`."""
    before_until: datetime | None = Field(sa_column=columns.instant(nullable=True))
    created_at: datetime = Field(sa_column=columns.written_at())
    failures: int = Field(sa_column=columns.number(server_default=text("0")))
    """One after another, up to now."""
    failing_since: datetime | None = Field(sa_column=columns.instant(nullable=True))
    rests_until: datetime | None = Field(sa_column=columns.instant(nullable=True))
    disabled_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    disabled_reason: str = Field(sa_column=columns.words(server_default=text("''")))


class WebhookEventRow(SQLModel, table=True):
    """Written in the transaction that makes it true, and only where an endpoint wants it."""

    __tablename__ = "webhook_events"
    __table_args__ = (Index("webhook_events_by_age", "tenant_id", "created_at"),)

    id: str = Field(sa_column=columns.key())
    """`evt_…`: the same for every endpoint and attempt, so that a receiver can tell what it has seen."""
    tenant_id: str = Field(sa_column=columns.words())
    type: str = Field(sa_column=columns.words())
    data: dict[str, Any] = Field(sa_column=columns.json())
    """Ids and a state."""
    created_at: datetime = Field(sa_column=columns.written_at())


class WebhookDeliveryRow(SQLModel, table=True):
    """One event for one endpoint. No foreign key to the endpoint: its row would be locked with every event."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index(
            "webhook_deliveries_due",
            *("tenant_id", "endpoint_id", "due_at", "id"),
            postgresql_where=text("state = 'waiting'"),
        ),
        Index(
            "webhook_deliveries_claimed", "endpoint_id", postgresql_where=text("claimed_until is not null")
        ),
        Index("webhook_deliveries_log", "tenant_id", "endpoint_id", "id"),
        Index("webhook_deliveries_by_event", "event_id"),
    )

    id: int = Field(sa_column=_numbered())
    tenant_id: str = Field(sa_column=columns.words())
    event_id: str = Field(sa_column=Column(Text, ForeignKey("webhook_events.id"), nullable=False))
    endpoint_id: str = Field(sa_column=columns.words())
    state: str = Field(sa_column=columns.words(server_default=text("'waiting'")))
    """`waiting`, `delivered` or `exhausted`."""
    attempts: int = Field(sa_column=columns.number(server_default=text("0")))
    """Since it began; a delivery that is asked for again begins again."""
    claim: int = Field(sa_column=columns.number(server_default=text("0")))
    """Raised with every claim: what was learned under an older one moves nothing."""
    claimed_until: datetime | None = Field(sa_column=columns.instant(nullable=True))
    due_at: datetime = Field(sa_column=columns.written_at())
    begun_at: datetime = Field(sa_column=columns.written_at())
    ended_at: datetime | None = Field(sa_column=columns.instant(nullable=True))
    reason: str = Field(sa_column=columns.words(server_default=text("''")))
    """Why it is not tried any more."""


class WebhookAttemptRow(SQLModel, table=True):
    """One try, as it went: no body, neither way."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (Index("webhook_attempts_by_delivery", "delivery_id", "id"),)

    id: int = Field(sa_column=_numbered())
    tenant_id: str = Field(sa_column=columns.words())
    delivery_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), nullable=False)
    )
    at: datetime = Field(sa_column=columns.instant(server_default=func.now()))
    """When it ended."""
    took_ms: int = Field(sa_column=columns.number())
    outcome: str = Field(sa_column=columns.words())
    http_status: int | None = Field(sa_column=columns.number(nullable=True))
    sentence: str = Field(sa_column=columns.words())
