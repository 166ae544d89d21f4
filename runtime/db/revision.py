"""At which revision a database is, and at which this version of the code needs it.

Without Alembic and SQLAlchemy, which only migrating needs: they would add 20 MB and a quarter of a second to every
process that asks.
"""

from __future__ import annotations

from importlib.resources import files

import psycopg
from psycopg import errors

from runtime.db.session import require_address
from schemas.errors import ConfigurationError, ServiceUnreachable

CONNECT_S = 5


def revision(url: str) -> str | None:
    """The revision that the database is at; None where nothing was ever migrated.

    Raises `ServiceUnreachable`, and `ConfigurationError` for an address of another form."""
    require_address(url)
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_S) as connection:
            found = connection.execute("select version_num from alembic_version").fetchone()
    except errors.UndefinedTable:
        return None
    except psycopg.OperationalError as error:
        raise no_answer(error) from error
    return str(found[0]) if found else None


def no_answer(error: BaseException | None) -> ServiceUnreachable:
    """What the driver said of a connection that could not be had, as a sentence; its first line holds no password."""
    return ServiceUnreachable(
        f"The database does not answer: {str(error).splitlines()[0]}. Check DATABASE_URL and that it runs."
    )


def head() -> str:
    """The newest: that of the last file of migrations, whose names begin with theirs."""
    names = (each.name for each in (files("runtime.db.migrations") / "versions").iterdir())
    found = sorted(name.partition("_")[0] for name in names if name[:4].isdigit())
    if not found:
        raise ConfigurationError("The package holds no migrations; install it again.")
    return found[-1]
