"""The embedded yard's own key: made at its first start, kept as long as it is good, and replaced when it is not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from classyard.api_role import prepare_home_key
from classyard.commands.keys import pepper_of
from classyard.context import Context
from classyard.embedded.home import Home
from producer.api.keys import hmac_of, read_key
from runtime.db.session import Database, Row
from runtime.db.stores import api_keys
from tests.yard import TENANT, some_settings

pytestmark = pytest.mark.services


def context(database_url: str, home: Path) -> Context:
    return Context(some_settings(database_url, "redis://127.0.0.1:1"), Home(home).prepare(), {})


def prepared(here: Context) -> str:
    prepare_home_key(here)
    path = here.home.run / "api.key"
    assert path.stat().st_mode & 0o077 == 0
    assert (here.home.config / "api.pepper").stat().st_mode & 0o077 == 0
    return path.read_text()


def row_of(here: Context, text: str) -> Row | None:
    """As the API would find it."""
    key = read_key(text)
    assert key is not None

    async def find() -> Row | None:
        database = Database(here.settings.database_url)
        await database.open()
        try:
            async with database.transaction() as connection:
                return await api_keys.valid(connection, TENANT, key.id)
        finally:
            await database.close()

    row = asyncio.run(find())
    assert row is None or bytes(row["secret_hmac"]) == hmac_of(pepper_of(here), key.secret)
    return row


def test_it_is_made_once_may_submit_and_is_kept(database_url: str, tmp_path: Path) -> None:
    here = context(database_url, tmp_path)

    first = prepared(here)

    assert prepared(here) == first
    row = row_of(here, first)
    assert row is not None and (row["name"], row["scopes"]) == ("this machine", ["submitter"])


def test_one_that_was_revoked_is_replaced(database_url: str, tmp_path: Path) -> None:
    here = context(database_url, tmp_path)
    first = prepared(here)

    async def revoke() -> None:
        async with here.database() as database, database.transaction() as connection:
            await api_keys.revoke(connection, TENANT, first.split("_")[1])

    asyncio.run(revoke())

    second = prepared(here)
    assert second != first
    assert row_of(here, first) is None and row_of(here, second) is not None


@pytest.mark.parametrize("kept", ["", "rubbish", "cy_0123456789abcdef_" + "0" * 64])
def test_one_that_is_none_of_this_database_is_replaced(kept: str, database_url: str, tmp_path: Path) -> None:
    here = context(database_url, tmp_path)
    (here.home.run / "api.key").write_text(kept)

    assert row_of(here, prepared(here)) is not None


def test_with_another_pepper_it_is_made_anew(database_url: str, tmp_path: Path) -> None:
    here = context(database_url, tmp_path)
    first = prepared(here)
    (here.home.config / "api.pepper").write_text("another one that is as long as it has to be")

    second = prepared(here)

    assert second != first and row_of(here, second) is not None
