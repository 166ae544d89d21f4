"""What the database refuses, whoever writes; and that without its guards it would not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import psycopg
import pytest
from psycopg import errors

from runtime.ids import new_id
from schemas.lifecycle import EDGES, FINAL, JobState

pytestmark = pytest.mark.services


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """With one batch and one document in it."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        opened.execute(
            "insert into batches (id, tenant_id, source, review_name, review_digest, requirements, accepted,"
            " rejected) values (%s, 'default', '', 'r', 'd', '{}', 0, 0)",
            (BATCH,),
        )
        opened.execute("insert into documents values ('default', 'd', 1, 1, 'n', 'x', now())")
        yield opened


BATCH = new_id()


def a_row(connection: psycopg.Connection, state: str = "accepted", version: int = 1) -> str:
    job_id = new_id()
    connection.execute(
        "insert into jobs (id, tenant_id, batch_id, custom_id, name, document_digest, review_digest, sensitivity,"
        " quality, lane, state, version, audit_head)"
        " values (%s, 'default', %s, %s, '', 'd', 'r', 'internal', 'standard', 1, %s, %s, '')",
        (job_id, BATCH, job_id, state, version),
    )
    return job_id


def an_event(connection: psycopg.Connection) -> str:
    job_id = new_id()
    connection.execute(
        "insert into audit_events values (%s, 1, 'default', 'body', 'prev', 'hash')", (job_id,)
    )
    return job_id


def test_a_job_names_a_document_and_a_batch_that_are_there_and_stay(connection: psycopg.Connection) -> None:
    job_id = a_row(connection)
    columns = (
        "tenant_id, custom_id, name, review_digest, sensitivity, quality, lane, state, version, audit_head"
    )

    def copied(**changes: str) -> str:
        found = {"batch_id": "batch_id", "document_digest": "document_digest", **changes}
        return (
            f"insert into jobs (id, batch_id, document_digest, {columns}) select gen_random_uuid(),"
            f" {found['batch_id']}, {found['document_digest']}, tenant_id, gen_random_uuid()::text,"
            f" {columns[22:]} from jobs"
        )

    connection.execute(copied())
    for wrong in (
        copied(document_digest="'other'"),
        copied(batch_id="gen_random_uuid()"),
        "delete from documents",
        "delete from batches",
        "update documents set digest = 'other'",
        "update batches set id = gen_random_uuid()",
        "truncate documents",
        "truncate batches cascade",
    ):
        with pytest.raises(errors.ForeignKeyViolation):
            connection.execute(wrong)
    with pytest.raises(errors.CheckViolation, match="keeps its tenant, batch and document"):
        connection.execute("update jobs set document_digest = 'other' where id = %s", (job_id,))
    connection.execute("insert into documents values ('default', 'e', 1, 1, 'n', 'x', now())")
    connection.execute("delete from documents where digest = 'e'")


def test_a_document_is_not_taken_away_while_its_job_is_being_written(
    connection: psycopg.Connection, database_url: str
) -> None:
    with psycopg.connect(database_url) as writer, psycopg.connect(database_url, autocommit=True) as other:
        a_row(writer)
        other.execute("set lock_timeout = 100")
        with pytest.raises(errors.LockNotAvailable):
            other.execute("delete from documents")
        writer.commit()
        with pytest.raises(errors.ForeignKeyViolation):
            other.execute("delete from documents")


def without_guards(connection: psycopg.Connection) -> None:
    connection.execute("drop trigger jobs_guard on jobs")
    connection.execute("drop trigger jobs_delete_guard on jobs")
    connection.execute("alter table jobs drop constraint jobs_state")
    connection.execute("drop trigger audit_guard on audit_events")
    connection.execute("drop trigger audit_guard_truncate on audit_events")


def test_every_edge_of_the_table_is_taken_and_every_other_one_refused(connection: psycopg.Connection) -> None:
    wrong = []
    for before, after in product(JobState, JobState):
        job_id = a_row(connection, before)
        allowed = after in EDGES[before]
        try:
            connection.execute("update jobs set state = %s, version = 2 where id = %s", (after, job_id))
            went = True
        except errors.CheckViolation:
            went = False
        if went != allowed:
            wrong.append((before, after))

    assert wrong == []


def test_a_move_raises_the_version_by_one(connection: psycopg.Connection) -> None:
    job_id = a_row(connection)

    for version in (0, 1, 3, 7):
        with pytest.raises(errors.CheckViolation):
            connection.execute(
                "update jobs set state = 'routed', version = %s where id = %s", (version, job_id)
            )
    connection.execute("update jobs set state = 'routed', version = 2 where id = %s", (job_id,))


def test_a_new_head_of_the_chain_needs_a_new_version(connection: psycopg.Connection) -> None:
    job_id = a_row(connection)

    with pytest.raises(errors.CheckViolation, match="without a new version"):
        connection.execute("update jobs set audit_head = 'other' where id = %s", (job_id,))


def test_what_is_no_move_needs_none(connection: psycopg.Connection) -> None:
    job_id = a_row(connection)

    connection.execute("update jobs set route_class = 'c', tokens = 7 where id = %s", (job_id,))


def test_nothing_of_a_final_row_changes(connection: psycopg.Connection) -> None:
    changes = ("reason = 'other'", "cost_usd_micros = 1", "lease_token = 9", "id = id")

    for state, change in product(FINAL, changes):
        job_id = a_row(connection, state)
        with pytest.raises(errors.CheckViolation, match="is final"):
            connection.execute(f"update jobs set {change} where id = '{job_id}'")  # type: ignore[call-overload]


def test_an_unknown_state_is_refused(connection: psycopg.Connection) -> None:
    for word in ("done", "", "ACCEPTED"):
        with pytest.raises(errors.CheckViolation):
            a_row(connection, word)


def test_a_job_is_not_deleted_before_its_batch_is_finished(connection: psycopg.Connection) -> None:
    for state in JobState:
        job_id = a_row(connection, state)
        with pytest.raises(errors.CheckViolation, match="is not deleted"):
            connection.execute("delete from jobs where id = %s", (job_id,))

    connection.execute("update batches set finished_at = now()")
    connection.execute("delete from jobs")


def test_an_audit_event_is_never_changed_or_removed(connection: psycopg.Connection) -> None:
    an_event(connection)
    changes = ("update audit_events set body = 'other'", "delete from audit_events", "truncate audit_events")

    for change in changes:
        with pytest.raises(errors.CheckViolation, match="never changed or removed"):
            connection.execute(change)  # type: ignore[call-overload]


def test_without_the_guards_all_of_this_would_go_through(connection: psycopg.Connection) -> None:
    """So it is the guards that refuse, and the tests above would notice if one of them were gone."""
    without_guards(connection)
    job_id, final = a_row(connection), a_row(connection, "succeeded")
    an_event(connection)

    connection.execute("update jobs set state = 'succeeded', version = 9 where id = %s", (job_id,))
    connection.execute("update jobs set state = 'done', reason = 'other' where id = %s", (final,))
    connection.execute("update audit_events set body = 'other'")
    connection.execute("delete from audit_events")
    connection.execute("truncate audit_events")

    assert connection.execute("select state from jobs order by state").fetchall() == [
        ("done",),
        ("succeeded",),
    ]
    connection.execute("delete from jobs")
