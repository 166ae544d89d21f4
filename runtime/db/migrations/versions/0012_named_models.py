"""Jobs that name the model that is to answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


NAMES = ("asked_model", "asked_tier")


def upgrade() -> None:
    for name in NAMES:
        op.add_column("jobs", sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    for name in reversed(NAMES):
        op.drop_column("jobs", name)
