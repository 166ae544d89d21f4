"""What providers are observed to do, and when a job's work has to start to end in time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_FILLED = """
update jobs set start_by = deadline_at
where deadline_at is not null and state in ('accepted', 'held', 'routed', 'serving', 'in_review')
"""


def upgrade() -> None:
    for column in (
        sa.Column("seen", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pace_millionths", sa.BigInteger(), nullable=True),
        sa.Column("usual_millionths", sa.BigInteger(), nullable=True),
        sa.Column("latency_ms_p95", sa.Integer(), nullable=True),
        sa.Column("tokens_per_s", sa.Integer(), nullable=True),
        sa.Column("faults_millionths", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("health", sa.Text(), server_default=sa.text("'well'"), nullable=False),
        sa.Column("health_since", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("providers", column)
    op.add_column("jobs", sa.Column("start_by", sa.DateTime(timezone=True), nullable=True))
    op.execute(_FILLED)
    _order_by("start_by")


def downgrade() -> None:
    _order_by("deadline_at")
    op.drop_column("jobs", "start_by")
    for name in (
        "health_since",
        "health",
        "faults_millionths",
        "tokens_per_s",
        "latency_ms_p95",
        "usual_millionths",
        "pace_millionths",
        "seen_at",
        "seen",
    ):
        op.drop_column("providers", name)


def _order_by(column: str) -> None:
    """Rebuilds the two indexes that jobs are claimed by."""
    op.drop_index("jobs_waiting", table_name="jobs")
    op.drop_index("jobs_routed", table_name="jobs")
    waiting, routed = sa.text("state in ('accepted', 'held')"), sa.text("state = 'routed'")
    op.create_index("jobs_waiting", "jobs", ["route_class", "lane", column, "id"], postgresql_where=waiting)
    op.create_index("jobs_routed", "jobs", ["provider", "lane", column, "id"], postgresql_where=routed)
