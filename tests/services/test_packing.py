"""What is packed for the database is what the values say: every column, byte by byte, and once per text."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from producer.intake.accept import accept
from producer.intake.packing import Batch, Packing, content_of, encoded
from runtime.db import copying
from runtime.db.arrays import adapters
from runtime.db.stores import batches
from runtime.db.stores.jobs import find
from runtime.ids import new_id
from schemas.audit import event
from schemas.canonical import canonical, digest
from schemas.job import Job
from schemas.sensitivity import Lane, Quality, Sensitivity
from schemas.submission import Rejection, Requirements, SourceDocument
from tests.invariants import check_invariants
from tests.yard import REVIEW, TENANT, review_digest, yard

pytestmark = pytest.mark.services

STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
DOCUMENTS = st.lists(
    st.builds(SourceDocument, STORABLE, STORABLE, STORABLE, st.just("utf-8")),
    min_size=1,
    max_size=5,
    unique_by=lambda one: one.custom_id,
)
WANTED = st.builds(
    Requirements,
    sensitivity=st.sampled_from(Sensitivity),
    residency=st.lists(st.sampled_from(["eu", "us", "de-fra"]), unique=True, max_size=3).map(tuple),
    quality=st.sampled_from(Quality),
    lane=st.sampled_from(Lane),
    deadline_s=st.none() | st.integers(1, 30 * 86_400),
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=DOCUMENTS, wanted=WANTED)
def test_rows_and_events_are_those_of_the_values(
    database_url: str, found: list[SourceDocument], wanted: Requirements
) -> None:
    asyncio.run(_taken(database_url, found, wanted))


async def _taken(database_url: str, found: list[SourceDocument], wanted: Requirements) -> None:
    async with yard(database_url) as here:
        accepted = await accept(
            here.database, found, tenant_id=TENANT, source="", review=REVIEW, requirements=wanted
        )
        async with here.database.transaction() as connection:
            jobs = await here.jobs(accepted.batch_id)
            events = await here.database.rows(
                "select e.* from audit_events e join jobs j on j.id = e.job_id where j.batch_id = %s order by j.id",
                (accepted.batch_id,),
            )
            assert await find(connection, TENANT, jobs[0].id) == jobs[0]
    for one, job, row in zip(found, jobs, events, strict=True):
        at = datetime.fromisoformat(orjson.loads(row["body"])["at"])
        plain = _plain(one, job.id, accepted.batch_id, wanted, at)
        first = event(None, plain, at=at, actor="intake", facts=_facts(plain))
        assert (bytes(row["body"]), bytes(row["hash"]), row["version"]) == (first.body, first.hash, 1)
        for name in Job.__dataclass_fields__:
            if name not in ("audit_head", "start_by"):
                assert getattr(job, name) == getattr(plain, name), name
        assert (job.audit_head, job.start_by) == (first.hash, plain.deadline_at)
    check_invariants(database_url)


def _plain(one: SourceDocument, job_id: str, batch_id: str, wanted: Requirements, at: datetime) -> Job:
    return Job(
        id=job_id,
        tenant_id=TENANT,
        batch_id=batch_id,
        custom_id=one.custom_id,
        name=one.name,
        document_digest=digest(one.text.encode()),
        review_digest=review_digest(),
        sensitivity=wanted.sensitivity,
        residency=wanted.residency,
        quality=wanted.quality,
        lane=wanted.lane,
        deadline_at=None if wanted.deadline_s is None else at + timedelta(seconds=wanted.deadline_s),
        max_cost_usd_micros=None,
    )


def _facts(job: Job) -> dict[str, Any]:
    return {
        "batch": job.batch_id,
        "document": job.document_digest,
        "quality": job.quality,
        "residency": job.residency,
        "review": job.review_digest,
        "sensitivity": job.sensitivity,
    }


@given(
    found=st.lists(
        st.builds(SourceDocument, STORABLE, STORABLE, STORABLE, st.just("utf-8"))
        | st.builds(Rejection, STORABLE, STORABLE, STORABLE),
        max_size=6,
    )
)
def test_content_is_a_canonical_list_for_each(found: list[SourceDocument | Rejection]) -> None:
    assert content_of(encoded(found)) == b"".join(
        canonical([one.code] if isinstance(one, Rejection) else [one.custom_id, digest(one.text.encode())])
        for one in found
    )


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(STORABLE, max_size=5),
    word=st.none() | STORABLE,
    small=st.integers(-(2**15), 2**15 - 1),
    number=st.integers(-(2**31), 2**31 - 1),
    at=st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    words=st.lists(STORABLE, max_size=3),
)
def test_binary_rows_and_arrays_arrive_as_they_are(
    database_url: str,
    texts: list[str],
    word: str | None,
    small: int,
    number: int,
    at: datetime,
    words: list[str],
) -> None:
    with psycopg.connect(database_url, row_factory=dict_row, context=adapters()) as connection:
        connection.execute(
            "create temp table t (k text, u uuid, w text, s smallint, n int, a timestamptz, l text[]) on commit drop"
        )
        ids = [new_id() for _ in texts]
        same = {
            "w": None if word is None else word.encode(),
            "s": copying.small(small),
            "n": copying.number(number),
            "a": copying.instant(at),
            "l": copying.words(words),
        }
        rows = copying.Rows("t", ("k", "u"), same)
        with connection.cursor().copy(rows.statement.encode()) as into:
            into.write(rows.packed([text.encode() for text in texts], [copying.uuid(one) for one in ids]))

        assert connection.execute("select *, u::text from t").fetchall() == [
            {"k": text, "u": one, "w": word, "s": small, "n": number, "a": at, "l": words}
            for text, one in zip(texts, ids, strict=True)
        ]
        data = [text.encode() for text in texts]
        found = connection.execute(
            "select %s as t, %s as b, %s as n",
            (
                copying.TextArray(data),
                copying.ByteArray(data),
                copying.NumberArray([copying.number(number)]),
            ),
        ).fetchone()
        assert found == {"t": texts, "b": data, "n": [number]}


@pytest.mark.asyncio
async def test_shares_of_a_ceiling_are_given_group_by_group(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "SHARE_GROUP", 3)
    numbers = count(1)
    found = [SourceDocument(f"c{n}", "", "x" * next(numbers), "utf-8") for n in range(10)]

    async with yard(database_url) as here:
        accepted = await here.submit(found, max_cost_usd_micros=5_500)

        shares = {job.custom_id: job.max_cost_usd_micros for job in await here.jobs(accepted.batch_id)}
        assert shares == {f"c{n}": 5_500 * (n + 1) // 55 for n in range(10)}


def test_packing_asks_for_one_id_a_document() -> None:
    made: list[str] = []

    def ids() -> str:
        made.append(new_id())
        return made[-1]

    batch = Batch(new_id(), TENANT, review_digest(), Requirements(), datetime.now(UTC))
    group = Packing(batch, ids).pack(
        [
            SourceDocument("a", "", "x", "utf-8"),
            Rejection("b", "c", "d"),
            SourceDocument("e", "", "x", "utf-8"),
        ]
    )

    assert (len(made), group.texts, len(group.rejections)) == (2, 2, 1)
