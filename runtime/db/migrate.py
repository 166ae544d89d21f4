"""Bring a database to the schema that this version of the code expects, once, however many ask at the same time."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from runtime.db import guards, outbox
from runtime.db.revision import head, no_answer
from schemas.errors import ConfigurationError

INSTALL = guards.INSTALL + outbox.INSTALL

_LOCK = 0x636C617373  # "class", as an advisory lock's number
OLDEST_SERVER = 140_000


def migrate(url: str) -> str:
    """Upgrades to the newest revision and returns its name. Idempotent; concurrent callers wait for the first.

    Raises `ServiceUnreachable`, and `ConfigurationError` for a server older than PostgreSQL 14.
    """
    with _connected(url) as connection:
        _require_server(connection)
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        try:
            command.upgrade(_config(connection), "head")
            connection.execute(text(INSTALL))  # made from the lifecycle table of this version of the code
            connection.commit()
        finally:
            connection.rollback()  # after a failure; the lock belongs to the session and is still ours
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()
        return head()


def drift(url: str) -> list[str]:
    """Differences between the tables as declared and as migrated, one line each; empty where there are none."""
    from alembic.autogenerate import compare_metadata

    from runtime.db.tables import metadata

    with _connected(url) as connection:
        return [str(found) for found in compare_metadata(MigrationContext.configure(connection), metadata)]


def sqlalchemy_url(url: str) -> str:
    """The same address, for SQLAlchemy over psycopg 3."""
    scheme, found, rest = url.partition("://")
    if scheme not in ("postgresql", "postgres", "postgresql+psycopg") or not found:
        raise ConfigurationError(
            "DATABASE_URL must begin with 'postgresql://': PostgreSQL is the only database of the yard."
        )
    return f"postgresql+psycopg://{rest}"


def _connected(url: str) -> Connection:
    engine = create_engine(sqlalchemy_url(url), poolclass=NullPool, hide_parameters=True)
    try:
        return engine.connect()
    except OperationalError as error:
        raise no_answer(error.orig) from error


def _require_server(connection: Connection) -> None:
    version = int(connection.execute(text("show server_version_num")).scalar_one())
    if version < OLDEST_SERVER:
        raise ConfigurationError(
            f"The database is PostgreSQL {version // 10_000}; the yard needs 14 or newer."
        )


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
