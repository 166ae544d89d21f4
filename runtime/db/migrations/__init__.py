"""Alembic migrations of the yard's schema; run by `runtime.db.migrate`."""
