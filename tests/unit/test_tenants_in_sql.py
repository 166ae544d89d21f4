"""Every table has its tenant, and every statement names it: read from the code, so that a new one is seen, too."""

from __future__ import annotations

import pytest

from runtime.db.tables import metadata
from tests.check_tree import PACKAGES
from tests.statements import Statement, statements

WITHOUT_TENANT = {
    "tenants": "It is the list of them.",
    "api_file_pieces": "Its rows belong to a file, which has one, and end with it; whoever reads finds the file first.",
}
"""Tables that need none, and why."""

BY_ITS_KEY = {
    "runtime.db.stores.api_batches.renew": "The desk's own, taken by a claim that names the tenant.",
    "runtime.db.stores.api_batches.started": "The desk's own, taken by a claim that names the tenant.",
    "runtime.db.stores.api_batches.finalizing": "The desk's own, taken by a claim that names the tenant.",
    "runtime.db.stores.api_batches.lock_open": "The desk's own, taken by a claim that names the tenant.",
    "runtime.db.stores.api_batches.end": "The desk's own, taken by a claim that names the tenant.",
    "runtime.db.stores.batches.close_intake": "The batch was opened in the same transaction.",
    "runtime.db.stores.budgets.open_": "A lock on whole tables; it reads no row.",
    "runtime.db.stores.capacity.release": "Slots of the worker itself, by ids that it made.",
    "runtime.db.stores.capacity.renew": "Slots of the worker itself, by ids that it made.",
    "runtime.db.stores.capacity.held": "Slots of the worker itself, by ids that it made.",
    "runtime.db.stores.capacity.leave": "The worker's own row, by an id that it made.",
    "runtime.db.stores.files.finish": "The upload's own row, by an id that the same request made.",
    "runtime.db.stores.jobs.classify": "Jobs whose rows the same transaction locked, by a claim that names the tenant.",
    "runtime.db.stores.jobs.withdrawn": "Jobs of the worker itself, by a claim that names the tenant.",
    "provider_workers.writer._landed": "Its own events, by hashes that nobody else can have made.",
}
"""Statements that name no tenant, and why that is safe. No id among them comes from a caller."""

OUTSIDE = frozenset(
    {
        "classyard.embedded.postgres._answers",
        "classyard.embedded.postgres._ensure_database",
        "classyard.healthcheck",
        "provider_workers.writer._landed",
        "runtime.keeper._lead",
    }
)
"""Statements that do not stand in `runtime.db`."""

ALL = tuple(statements(*PACKAGES))


def owned() -> frozenset[str]:
    return frozenset(metadata.tables) - WITHOUT_TENANT.keys()


def unnamed(found: Statement) -> frozenset[str]:
    """Tables with a tenant that the statement touches without a word of it."""
    return frozenset() if "tenant_id" in found.text else found.tables & owned()


@pytest.mark.parametrize("name", sorted(metadata.tables))
def test_every_table_has_its_tenant(name: str) -> None:
    columns = metadata.tables[name].columns

    assert ("tenant_id" in columns) != (name in WITHOUT_TENANT)
    if name not in WITHOUT_TENANT:
        assert not columns["tenant_id"].nullable


def test_every_statement_names_the_tenant() -> None:
    found = {one.where for one in ALL if unnamed(one)}

    assert sorted(found - BY_ITS_KEY.keys()) == [], "name the tenant, or say why it is safe without"
    assert sorted(BY_ITS_KEY.keys() - found) == [], "these name it, or are gone"


def test_statements_stand_where_they_are_looked_for() -> None:
    assert {one.where for one in ALL if not one.module.startswith("runtime.db.")} == OUTSIDE


def test_all_tables_are_seen_in_some_statement() -> None:
    """The reading itself: a table that is never seen would mean that statements are missed."""
    seen = frozenset[str]().union(*(one.tables for one in ALL))

    assert metadata.tables.keys() <= seen
    assert len(ALL) > 100


@pytest.mark.parametrize(
    ("text", "tables", "is_seen"),
    [
        ("select * from jobs where id = %s", {"jobs"}, True),
        ("update jobs set state = 'held' where tenant_id = %s", {"jobs"}, False),
        ("with a as (select 1) delete from slots using a", {"slots"}, True),
        ("with jobs as (select 1) select * from jobs", set(), False),
        ("insert into api_file_pieces values (%s)", {"api_file_pieces"}, False),
    ],
)
def test_a_statement_without_a_tenant_is_seen(text: str, tables: set[str], is_seen: bool) -> None:
    found = Statement("module", "function", 1, text)

    assert found.tables & metadata.tables.keys() == tables
    assert bool(unnamed(found)) == is_seen
