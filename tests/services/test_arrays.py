"""Lists on their way to PostgreSQL and back: what was sent is what arrives, whatever is in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.db.arrays import NUL, adapters

pytestmark = pytest.mark.services

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters=NUL))
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS | st.sampled_from(['{"a":"\\"b\\\\"}', "NULL", "", "{}", ",", " ", "\\", '"']),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "float8": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "bytea": st.binary(),
    "uuid": st.uuids(),
    "timestamptz": st.datetimes(
        datetime(1900, 1, 1),
        datetime(2200, 1, 1),
        timezones=st.just(UTC),
    ),
    "interval": st.timedeltas(timedelta(0), timedelta(days=900)),
}


@pytest.fixture(scope="module")
def connection(services: Any) -> Any:
    with psycopg.connect(services.database_url, context=adapters(), autocommit=True) as found:
        yield found


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_arrives_as_it_was_sent(connection: Any, kind: str) -> None:
    @given(st.lists(KINDS[kind] | st.none()) | st.lists(KINDS[kind]))
    def holds(sent: list[Any]) -> None:
        (found,) = connection.execute(f"select %s::{kind}[]", (sent,)).fetchone()
        assert found == sent

    holds()


def test_a_list_of_lists_arrives_too(connection: Any) -> None:
    sent = [["a", '"'], ["\\", None]]
    assert connection.execute("select %s::text[]", (sent,)).fetchone() == (sent,)


@pytest.mark.parametrize("sent", [[NUL], ["a", NUL], ["a", None, "b\x00c"]])
def test_a_text_that_postgresql_cannot_hold_is_refused_before_it_is_sent(
    connection: Any, sent: list[Any]
) -> None:
    with pytest.raises(psycopg.DataError, match=r"U\+0000"):
        connection.execute("select %s::text[]", (sent,))


def test_one_statement_is_prepared_once_whatever_is_in_its_lists(connection: Any) -> None:
    """The driver's own lists are of `smallint`, `integer` or `bigint`, by what is in them: a plan for each."""
    for sent in ([1], [70_000], [2**40], [], [None]):
        for _ in range(6):
            connection.execute("select %s::bigint[] as prepared_once", (sent,))
    (plans,) = connection.execute(
        "select count(*) from pg_prepared_statements where statement like '%prepared_once%'"
    ).fetchone()
    assert plans == 1
