"""Breakers, adaptive ceilings, and what operators ask of a provider."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_WHOLE = {"strikes": "0", "opened": "0", "window_good": "0", "window_bad": "0"}
_WORDS = {"breaker": "'closed'", "breaker_reason": "''", "switch_reason": "''", "switched_by": "''"}
_INSTANTS = ("breaker_until", "struck_at", "window_at", "cut_at", "switched_at")
_REAL = ("cut_to", "cut_level")


def upgrade() -> None:
    for column in _columns():
        op.add_column("providers", column)
    op.add_column("jobs", sa.Column("excused", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "provider_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("provider_events_by_provider", "provider_events", ["tenant_id", "provider", "id"])


def downgrade() -> None:
    op.drop_table("provider_events")
    op.drop_column("jobs", "excused")
    for column in reversed(_columns()):
        op.drop_column("providers", column.name)


def _columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("draining", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("set_ceiling", sa.Integer(), nullable=True),
        sa.Column("probe_slot", sa.UUID(as_uuid=False), nullable=True),
        *(sa.Column(n, sa.Text(), server_default=sa.text(v), nullable=False) for n, v in _WORDS.items()),
        *(sa.Column(n, sa.Integer(), server_default=sa.text(v), nullable=False) for n, v in _WHOLE.items()),
        *(sa.Column(n, sa.Double(), server_default=sa.text("0"), nullable=False) for n in _REAL),
        *(sa.Column(n, sa.DateTime(timezone=True), nullable=True) for n in _INSTANTS),
    ]
