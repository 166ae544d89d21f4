"""Real services for tests that need them: one PostgreSQL and one Valkey a test process, from the wheels, on sockets.

Every test gets a fresh, migrated database (a copy of a template) and an empty broker. `CLASSYARD_TEST_DATABASE_URL`
names another server to test against, such as an older PostgreSQL, by a database on it that may create databases.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
import redis
from hypothesis import settings

from classyard.embedded.home import Home
from classyard.embedded.postgres import start_postgres
from classyard.embedded.valkey import start_valkey
from runtime.db.migrate import migrate

settings.register_profile("yard", deadline=None)
settings.load_profile("yard")
"""Time is measured by benchmarks: on a busy machine one slow example says nothing of the code."""

_numbers = itertools.count(1)

TEMPLATE = "template_yard"


class Services(NamedTuple):
    home: Home
    database_url: str
    """Of the server's own database; tests get copies of the template."""
    redis_url: str

    def named(self, database: str) -> str:
        return re.sub(r"/[^/?]+([?]|$)", rf"/{database}\1", self.database_url, count=1)


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    # Not pytest's own folder: its paths are too long for sockets.
    folder = Path(tempfile.mkdtemp(prefix="cy"))
    home = Home(folder).prepare()
    given = os.environ.get("CLASSYARD_TEST_DATABASE_URL")
    postgres, valkey = None if given else start_postgres(home), start_valkey(home)
    found = Services(home, given or postgres.url, valkey.url)
    try:
        _execute(found.database_url, f"create database {TEMPLATE}")
        migrate(found.named(TEMPLATE))
        yield found
    finally:
        valkey.stop()
        if postgres:
            postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database_url(services: Services) -> Iterator[str]:
    """A database of this test's own, migrated and empty."""
    name = f"test_{next(_numbers)}"
    _execute(services.database_url, f"create database {name} template {TEMPLATE}")
    yield services.named(name)
    _execute(services.database_url, f"drop database {name} with (force)")


@pytest.fixture
def redis_url(services: Services) -> str:
    """An empty broker."""
    client = redis.Redis.from_url(services.redis_url)
    client.flushall()
    client.close()
    return services.redis_url


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]
