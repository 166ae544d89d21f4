"""One call brings any database to the schema of this code, however often and by however many it is called."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from runtime.db import migrate as migrations
from runtime.db.migrate import drift, migrate, sqlalchemy_url
from runtime.db.revision import head, revision
from schemas.errors import ConfigurationError, ServiceUnreachable
from tests.conftest import Services

pytestmark = pytest.mark.services


@pytest.fixture
def empty_url(services: Services, database_url: str) -> str:
    """A database in which nothing was ever made."""
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute("drop database if exists never_migrated with (force)")
        connection.execute("create database never_migrated")
    return services.named("never_migrated")


def test_a_new_database_is_brought_to_the_head_and_an_old_one_left_there(empty_url: str) -> None:
    assert revision(empty_url) is None

    assert migrate(empty_url) == head() == revision(empty_url)
    assert migrate(empty_url) == head()


def test_many_callers_at_once_make_one_schema(empty_url: str) -> None:
    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(migrate, [empty_url] * 5))

    assert found == [head()] * 5
    assert drift(empty_url) == []


def test_the_tables_as_declared_are_the_tables_as_migrated(database_url: str) -> None:
    assert drift(database_url) == []


def test_drift_is_seen(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("alter table slots add column surprise int")

    (found,) = drift(database_url)
    assert "surprise" in found


def test_migrating_keeps_what_is_there(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("insert into tenants (id) values ('kept')")

    migrate(database_url)

    with psycopg.connect(database_url) as connection:
        assert connection.execute("select id from tenants").fetchall() == [("kept",)]


def test_an_older_server_is_refused_before_anything_is_made(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "OLDEST_SERVER", 990_000)

    with pytest.raises(ConfigurationError, match="needs 14 or newer"):
        migrate(empty_url)

    assert revision(empty_url) is None


def test_a_migration_that_fails_says_why_and_leaves_nothing_locked(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "INSTALL", "select 1 / 0")

    with pytest.raises(DBAPIError, match="division by zero"):
        migrate(database_url)

    monkeypatch.undo()
    assert migrate(database_url) == head()


def test_a_server_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(ServiceUnreachable, match="Check DATABASE_URL"):
        migrate("postgresql://u:pw@127.0.0.1:1/d")


@pytest.mark.parametrize("url", ["", "mysql://h/d", "sqlite:///x", "postgresql:h"])
def test_another_kind_of_database_is_refused_without_showing_its_address(url: str) -> None:
    with pytest.raises(ConfigurationError, match="must begin with 'postgresql://'"):
        sqlalchemy_url(url)


def test_every_way_of_writing_postgresql_is_taken() -> None:
    ways = ("postgres", "postgresql", "postgresql+psycopg")

    assert {sqlalchemy_url(f"{way}://h/d") for way in ways} == {"postgresql+psycopg://h/d"}
