"""Alembic's entry: always online, on the connection that `runtime.db.migrate` hands over."""

from __future__ import annotations

from alembic import context

from runtime.db.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
