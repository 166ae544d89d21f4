"""What a finished batch cost, and what it could have cost at least."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UNBOUNDED = "finished_at is not null and bounded_at is null"


def upgrade() -> None:
    for name in ("cost_usd_micros", "lp_lower_bound_usd_micros"):
        op.add_column("batches", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column("batches", sa.Column("gap", sa.Double(), nullable=True))
    op.add_column("batches", sa.Column("bound_note", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("batches", sa.Column("bounded_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "batches_unbounded", "batches", ["tenant_id", "finished_at"], postgresql_where=sa.text(UNBOUNDED)
    )


def downgrade() -> None:
    op.drop_index("batches_unbounded", table_name="batches")
    for name in ("bounded_at", "bound_note", "gap", "lp_lower_bound_usd_micros", "cost_usd_micros"):
        op.drop_column("batches", name)
