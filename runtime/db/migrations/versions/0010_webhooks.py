"""Where events are delivered, and every delivery."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _instant(name: str, *, nullable: bool = True) -> sa.Column[datetime]:
    default = None if nullable else sa.func.now()
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def _words(name: str, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default and sa.text(default), nullable=False)


def _zero(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)


def _numbered() -> sa.Column[Any]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False)


def upgrade() -> None:
    op.add_column("batches", sa.Column("webhook_endpoint", sa.Text(), nullable=True))
    op.create_table(
        "webhook_endpoints",
        _words("id"),
        _words("tenant_id"),
        _words("name"),
        _words("url"),
        sa.Column("events", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("is_tenant_wide", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("salt_before", sa.LargeBinary(), nullable=True),
        _instant("before_until"),
        _instant("created_at", nullable=False),
        _zero("failures"),
        _instant("failing_since"),
        _instant("rests_until"),
        _instant("disabled_at"),
        _words("disabled_reason", "''"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("webhook_endpoints_by_tenant", "webhook_endpoints", ["tenant_id", "id"])
    op.create_table(
        "webhook_events",
        _words("id"),
        _words("tenant_id"),
        _words("type"),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        _instant("created_at", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("webhook_events_by_age", "webhook_events", ["tenant_id", "created_at"])
    _deliveries()


def _deliveries() -> None:
    name = "webhook_deliveries"
    op.create_table(
        name,
        _numbered(),
        _words("tenant_id"),
        _words("event_id"),
        _words("endpoint_id"),
        _words("state", "'waiting'"),
        _zero("attempts"),
        _zero("claim"),
        _instant("claimed_until"),
        _instant("due_at", nullable=False),
        _instant("begun_at", nullable=False),
        _instant("ended_at"),
        _words("reason", "''"),
        sa.ForeignKeyConstraint(["event_id"], ["webhook_events.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    waiting, claimed = sa.text("state = 'waiting'"), sa.text("claimed_until is not null")
    order = ["tenant_id", "endpoint_id", "due_at", "id"]
    op.create_index("webhook_deliveries_due", name, order, postgresql_where=waiting)
    op.create_index("webhook_deliveries_claimed", name, ["endpoint_id"], postgresql_where=claimed)
    op.create_index("webhook_deliveries_log", name, ["tenant_id", "endpoint_id", "id"])
    op.create_index("webhook_deliveries_by_event", name, ["event_id"])
    op.create_table(
        "webhook_attempts",
        _numbered(),
        _words("tenant_id"),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        _instant("at", nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        _words("outcome"),
        sa.Column("http_status", sa.Integer(), nullable=True),
        _words("sentence"),
        sa.ForeignKeyConstraint(["delivery_id"], ["webhook_deliveries.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("webhook_attempts_by_delivery", "webhook_attempts", ["delivery_id", "id"])


def downgrade() -> None:
    for table in ("batches", "api_batches"):
        op.execute(f"drop trigger if exists {table}_tell on {table}")
        op.execute(f"drop function if exists {table}_tell()")
    op.execute("drop function if exists webhooks_tell(text, text, jsonb, text)")
    for name in ("webhook_attempts", "webhook_deliveries", "webhook_events", "webhook_endpoints"):
        op.drop_table(name)
    op.drop_column("batches", "webhook_endpoint")
