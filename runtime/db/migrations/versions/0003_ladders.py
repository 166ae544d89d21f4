"""Answers of rungs that did not stand, and labelled outcomes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _json(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), nullable=nullable)


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _written_at() -> sa.Column[object]:
    return sa.Column(
        "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def upgrade() -> None:
    op.create_table(
        "rung_answers",
        sa.Column("job_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("lease_token", sa.BigInteger(), nullable=False),
        *_words("tenant_id", "provider", "model", "model_version", "model_reported"),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("sample", sa.SmallInteger(), nullable=False),
        sa.Column("keep_from", sa.Integer(), nullable=True),
        sa.Column("score", sa.Integer(), nullable=False),
        _json("output", nullable=True),
        _json("checks"),
        *_words("standing"),
        sa.Column("mean_logprob", sa.Double(), nullable=True),
        _written_at(),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"]),
        sa.PrimaryKeyConstraint("job_id", "attempt"),
    )
    op.create_table(
        "ladder_labels",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        *_words("tenant_id", "ladder", "model", "judged_by"),
        sa.Column("job_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("agrees", sa.Boolean(), nullable=False),
        sa.Column("unbiased", sa.Boolean(), nullable=False),
        _written_at(),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ladder_labels_by_rung", "ladder_labels", ["tenant_id", "ladder", "model", "recorded_at"])


def downgrade() -> None:
    op.drop_index("ladder_labels_by_rung", table_name="ladder_labels")
    op.drop_table("ladder_labels")
    op.drop_table("rung_answers")
