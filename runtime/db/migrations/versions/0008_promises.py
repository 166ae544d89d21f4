"""Keys that make a repeated submission the same batch; batches that take up what another one left."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("batches", sa.Column("idempotency_key", sa.Text(), nullable=True))
    op.add_column(
        "batches", sa.Column("content_digest", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    op.add_column("batches", sa.Column("retry_of", sa.UUID(as_uuid=False), nullable=True))
    op.add_column("batches", sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("batches_by_key", "batches", ["tenant_id", "idempotency_key"], unique=True)


def downgrade() -> None:
    op.drop_index("batches_by_key", table_name="batches")
    for name in ("cancelled_at", "retry_of", "content_digest", "idempotency_key"):
        op.drop_column("batches", name)
