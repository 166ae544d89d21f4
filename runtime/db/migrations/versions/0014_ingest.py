"""Taking a million lines."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A megabyte that is written once and read once, mostly JSON on its way in: packing it costs more than it saves.
    op.execute("alter table api_file_pieces alter column body set storage external")
    # Guards take their place, installed after every migration: runtime/db/guards.py.
    op.execute("alter table jobs drop constraint jobs_tenant_id_document_digest_fkey")
    op.execute("alter table jobs drop constraint jobs_batch_id_fkey")


def downgrade() -> None:
    op.execute(
        "drop trigger jobs_references on jobs; drop trigger jobs_fixed on jobs;"
        " drop trigger documents_referenced on documents; drop trigger documents_truncated on documents;"
        " drop trigger batches_referenced on batches; drop trigger batches_truncated on batches;"
        " drop function jobs_references, jobs_fixed, documents_referenced, batches_referenced, referenced_by_jobs"
    )
    op.create_foreign_key(
        "jobs_tenant_id_document_digest_fkey",
        "jobs",
        "documents",
        ["tenant_id", "document_digest"],
        ["tenant_id", "digest"],
    )
    op.create_foreign_key("jobs_batch_id_fkey", "jobs", "batches", ["batch_id"], ["id"])
    op.execute("alter table api_file_pieces alter column body set storage extended")
