"""Batches of Anthropic's shape beside OpenAI's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "api_batches", sa.Column("shape", sa.Text(), server_default=sa.text("'openai'"), nullable=False)
    )
    op.add_column("api_batches", sa.Column("requests", sa.Integer(), nullable=True))
    op.add_column("api_batches", sa.Column("tally", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    for name in ("tally", "requests", "shape"):
        op.drop_column("api_batches", name)
