"""Lists arrive in the database as they are, whatever stands in them."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.db.arrays import adapters

pytestmark = pytest.mark.services

STORABLE = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=20)
AWKWARD = st.sampled_from(
    ["", "NULL", "null", '"', "\\", '\\"', "{", "}", ",", " ", "\u2003", '{"a": "b\\n"}']
)


@pytest.fixture
def connection(database_url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(database_url, context=adapters())


@pytest.mark.parametrize("kind", ["text", "bytea", "jsonb", "int8", "uuid"])
def test_an_empty_list_is_an_empty_array(connection: psycopg.Connection, kind: str) -> None:
    with connection:
        assert connection.execute(f"select %s::{kind}[]", ([],)).fetchone() == ([],)


@given(st.lists(st.none() | STORABLE | AWKWARD, min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_texts(connection: psycopg.Connection, given: list[str | None]) -> None:
    assert connection.execute("select %s::text[]", (given,)).fetchone() == (given,)


@given(st.lists(st.none() | st.binary(max_size=20), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes(connection: psycopg.Connection, given: list[bytes | None]) -> None:
    assert connection.execute("select %s::bytea[]", (given,)).fetchone() == (given,)


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_numbers(connection: psycopg.Connection, given: list[int | None]) -> None:
    assert connection.execute("select %s::int8[]", (given,)).fetchone() == (given,)
