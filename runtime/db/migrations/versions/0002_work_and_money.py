"""Jobs carry the work and the money of the call that is next."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("work_ms", "reserved_usd_micros"):
        op.add_column("jobs", sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    for name in ("reserved_usd_micros", "work_ms"):
        op.drop_column("jobs", name)
