"""Budgets, with what is spent and reserved."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("own", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("limit_usd_micros", sa.BigInteger(), nullable=True),
        sa.Column("policy_usd_micros", sa.BigInteger(), nullable=True),
        sa.Column("spent_usd_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reserved_usd_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "scope", "subject"),
    )
    op.add_column("jobs", sa.Column("reserved_on", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column(
        "attempts",
        sa.Column("settled_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("attempts", "settled_at")
    op.drop_column("jobs", "reserved_on")
    op.drop_table("budgets")
