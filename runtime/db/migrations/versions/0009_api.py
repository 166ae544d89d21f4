"""The HTTP API: keys, files in pieces, and batches as OpenAI's clients know them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

NOW = sa.func.now()


def _instant(name: str) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def _written_at() -> sa.Column[datetime]:
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False)


def _words(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "api_keys",
        _words("id"),
        _words("tenant_id"),
        _words("name"),
        sa.Column("secret_hmac", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        _written_at(),
        _instant("expires_at"),
        _instant("revoked_at"),
        _instant("last_used_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("api_keys_by_tenant", "api_keys", ["tenant_id"])
    op.create_table(
        "api_files",
        _words("id"),
        _words("tenant_id"),
        _words("filename"),
        _words("purpose"),
        sa.Column("size_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_whole", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        _written_at(),
        _instant("expires_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("api_files_by_tenant", "api_files", ["tenant_id", "id"])
    op.create_table(
        "api_file_pieces",
        _words("file_id"),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["api_files.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("file_id", "number"),
    )
    _batches()


def _batches() -> None:
    op.create_table(
        "api_batches",
        _words("id"),
        _words("tenant_id"),
        _words("key_id"),
        _words("endpoint"),
        _words("input_file_id"),
        _words("completion_window"),
        sa.Column("call_metadata", postgresql.JSONB(), nullable=True),
        sa.Column("output_expires_s", sa.Integer(), nullable=True),
        _words("idempotency_key", nullable=True),
        _words("request_digest"),
        sa.Column("batch_id", sa.UUID(as_uuid=False), nullable=True),
        _words("model", nullable=True),
        sa.Column("errors", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        _words("output_file_id", nullable=True),
        _words("error_file_id", nullable=True),
        _written_at(),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _instant("in_progress_at"),
        _instant("cancelling_at"),
        _instant("finalizing_at"),
        _instant("ended_at"),
        _words("end", nullable=True),
        _instant("claimed_until"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("api_batches_by_tenant", "api_batches", ["tenant_id", "id"])
    op.create_index("api_batches_by_key", "api_batches", ["tenant_id", "idempotency_key"], unique=True)
    op.create_index(
        "api_batches_open", "api_batches", ["tenant_id", "id"], postgresql_where=sa.text("ended_at is null")
    )


def downgrade() -> None:
    for name in ("api_batches", "api_file_pieces", "api_files", "api_keys"):
        op.drop_table(name)
