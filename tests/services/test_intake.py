"""A submission is taken whole, in one transaction, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producer.intake.accept import NothingAccepted, accept
from runtime.db.stores import artifacts
from schemas.errors import BadInput, KeyConflict
from schemas.lifecycle import JobState
from schemas.sensitivity import Lane, Sensitivity
from schemas.submission import Rejection, Requirements, SourceDocument
from schemas.tenant import TenantDefaults
from tests.invariants import check_invariants
from tests.yard import REVIEW, TENANT, Yard, contract, review_digest, sources, yard

pytestmark = pytest.mark.services

EMPTY = Rejection("b.txt", "empty_file", "It is empty.")
TABLES = ("batches", "jobs", "documents", "audit_events", "rejections", "artifacts", "tenants")


def document(custom_id: str, text: str) -> SourceDocument:
    return SourceDocument(custom_id, f"{custom_id}.txt", text, "utf-8")


async def ceilings(here: Yard, batch_id: str) -> list[int | None]:
    return [job.max_cost_usd_micros for job in await here.jobs(batch_id)]


@pytest.mark.asyncio
async def test_every_document_becomes_a_job_with_its_text_and_first_event(database_url: str) -> None:
    async with yard(database_url) as here:
        accepted = await here.submit(
            3, sensitivity=Sensitivity.CONFIDENTIAL, residency=("eu",), lane=Lane.URGENT
        )

        found = await here.jobs(accepted.batch_id)
        assert (accepted.accepted, accepted.rejected, len(found)) == (3, 0, 3)
        assert [job.custom_id for job in found] == ["contract-1", "contract-2", "contract-3"]
        assert {job.state for job in found} == {JobState.ACCEPTED}
        assert {(job.sensitivity, job.residency, job.lane) for job in found} == {
            (Sensitivity.CONFIDENTIAL, ("eu",), Lane.URGENT)
        }
        assert {job.review_digest for job in found} == {review_digest()}
        assert await here.count("audit_events") == 3
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_the_tenants_defaults_raise_what_was_asked_for(database_url: str) -> None:
    defaults = TenantDefaults(Sensitivity.CONFIDENTIAL, ("eu",))
    async with yard(database_url) as here:
        await _hand_in(here, defaults, Requirements(residency=("eu-central-1", "us")))
        await _hand_in(here, defaults, Requirements(sensitivity=Sensitivity.RESTRICTED))

        assert [(job.sensitivity, job.residency) for job in await here.jobs()] == [
            (Sensitivity.CONFIDENTIAL, ("eu-central-1",)),
            (Sensitivity.RESTRICTED, ("eu",)),
        ]
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_where_tenant_and_submitter_leave_no_region_nothing_is_taken(database_url: str) -> None:
    async with yard(database_url) as here:
        with pytest.raises(BadInput, match="processed in eu only, and us was asked for: no region is left"):
            await _hand_in(here, TenantDefaults(residency=("eu",)), Requirements(residency=("us",)))

        assert [await here.count(table) for table in TABLES] == [0] * len(TABLES)


async def _hand_in(here: Yard, defaults: TenantDefaults, requirements: Requirements) -> None:
    await accept(
        here.database,
        sources(1),
        tenant_id=TENANT,
        source="a test",
        review=REVIEW,
        requirements=requirements,
        defaults=defaults,
    )


@pytest.mark.asyncio
async def test_the_review_is_kept_under_its_digest(database_url: str) -> None:
    async with yard(database_url) as here:
        await here.submit(1)

        async with here.database.transaction() as connection:
            stored = await artifacts.load(connection, TENANT, [review_digest()])
        assert stored == {review_digest(): REVIEW.model_dump(mode="json")}


@pytest.mark.asyncio
@pytest.mark.parametrize("after", [0, 1, 700])
async def test_a_source_that_breaks_half_way_leaves_nothing(database_url: str, after: int) -> None:
    def breaking() -> Iterator[SourceDocument]:
        yield from sources(after)
        raise OSError("the disk went away")

    async with yard(database_url) as here:
        with pytest.raises(OSError, match="went away"):
            await here.submit(breaking())

        assert [await here.count(table) for table in TABLES] == [0] * len(TABLES)


@pytest.mark.asyncio
async def test_a_custom_id_that_comes_twice_leaves_nothing(database_url: str) -> None:
    async with yard(database_url) as here:
        with pytest.raises(Exception, match="jobs_by_batch"):
            await here.submit([document("same", "one"), document("same", "two")])

        assert await here.count("batches") == 0


@pytest.mark.asyncio
async def test_rejections_are_kept_in_their_order_and_the_others_go_on(database_url: str) -> None:
    other = Rejection("c.jsonl, line 7", "invalid_json_line", "It is not JSON.")

    async with yard(database_url) as here:
        accepted = await here.submit([EMPTY, *sources(1), other])

        rows = await here.database.rows("select place, code, sentence from rejections order by number")
        assert (accepted.accepted, accepted.rejected, accepted.rejections) == (1, 2, (EMPTY, other))
        assert [tuple(row.values()) for row in rows] == [
            ("b.txt", "empty_file", "It is empty."),
            ("c.jsonl, line 7", "invalid_json_line", "It is not JSON."),
        ]
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_more_rejections_than_are_shown_are_all_in_the_table(database_url: str) -> None:
    many = [Rejection(f"f{n}", "empty_file", "It is empty.") for n in range(1_300)]

    async with yard(database_url) as here:
        accepted = await here.submit([*many, *sources(1)])

        assert (accepted.rejected, len(accepted.rejections)) == (1_300, 1_000)
        assert await here.count("rejections") == 1_300
    check_invariants(database_url)


@pytest.mark.asyncio
@pytest.mark.parametrize("found", [[], [EMPTY]], ids=["nothing", "only a rejection"])
async def test_where_no_document_could_be_read_nothing_is_there_and_it_says_why(
    database_url: str, found: list[Rejection]
) -> None:
    async with yard(database_url) as here:
        with pytest.raises(NothingAccepted, match="not one document") as refused:
            await here.submit(found)

        assert list(refused.value.rejections) == found
        assert [await here.count(table) for table in TABLES] == [0] * len(TABLES)


@pytest.mark.asyncio
async def test_two_thousand_documents_are_one_batch(database_url: str) -> None:
    async with yard(database_url) as here:
        accepted = await here.submit(2_000)

        assert accepted.accepted == 2_000
        assert await here.count("documents") == 2_000
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_the_same_text_is_kept_once_and_reviewed_as_often_as_it_was_handed_in(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        await here.submit([document("a", "same"), document("b", "same"), document("c", "other")])
        await here.submit([document("a", "same")])

        assert (await here.count("jobs"), await here.count("documents")) == (4, 2)
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_text_of_any_letters_is_kept_as_it_is(database_url: str) -> None:
    text = "NUL \x00, a smile 🙂, a BOM \ufeff, and Ĳssel\r\n"

    async with yard(database_url) as here:
        await here.submit([document("odd", text)])

        (row,) = await here.database.rows("select body, size_bytes, characters from documents")
        assert bytes(row["body"]).decode() == text
        assert (row["size_bytes"], row["characters"]) == (len(text.encode()), len(text))


@pytest.mark.asyncio
async def test_a_deadline_is_counted_from_acceptance_on_the_database_s_clock(database_url: str) -> None:
    async with yard(database_url) as here:
        before = await here.database.now()
        await here.submit(1, deadline_s=3_600)
        after = await here.database.now()

        (job,) = await here.jobs()
        assert job.deadline_at is not None
        assert before <= job.deadline_at - timedelta(hours=1) <= after


@pytest.mark.asyncio
async def test_the_first_event_names_what_was_asked_and_by_digest_what_was_handed_in(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        accepted = await here.submit(1, sensitivity=Sensitivity.RESTRICTED)

        (row,) = await here.database.rows("select body from audit_events")
        body = orjson.loads(row["body"])
        (job,) = await here.jobs()
        assert (body["actor"], body["from"], body["to"]) == ("intake", None, "accepted")
        assert body["facts"]["batch"] == accepted.batch_id
        assert body["facts"]["document"] == job.document_digest
        assert body["facts"]["sensitivity"] == "restricted"
        assert b"AGREEMENT" not in bytes(row["body"])


@pytest.mark.asyncio
async def test_without_a_ceiling_no_job_has_one(database_url: str) -> None:
    async with yard(database_url) as here:
        accepted = await here.submit(2)

        assert await ceilings(here, accepted.batch_id) == [None, None]


@pytest.mark.asyncio
async def test_each_job_has_its_share_of_the_ceiling_by_size(database_url: str) -> None:
    async with yard(database_url) as here:
        accepted = await here.submit(
            [document("a", "x" * 100), document("b", "y" * 300)], max_cost_usd_micros=1_001
        )

        assert await ceilings(here, accepted.batch_id) == [250, 750]


@pytest.mark.asyncio
async def test_the_shares_never_exceed_the_ceiling_together(database_url: str) -> None:
    import asyncio

    async with yard(database_url) as here:
        loop = asyncio.get_running_loop()

        async def shares(sizes: list[int], most: int) -> list[int | None]:
            found = [document(f"d{n}", chr(97 + n) * size) for n, size in enumerate(sizes)]
            accepted = await here.submit(found, max_cost_usd_micros=most)
            return await ceilings(here, accepted.batch_id)

        @given(st.lists(st.integers(1, 5_000), min_size=1, max_size=8), st.integers(0, 10**12))
        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        def holds(sizes: list[int], most: int) -> None:
            found = asyncio.run_coroutine_threadsafe(shares(sizes, most), loop).result(10)

            total = sum(share or 0 for share in found)
            assert most - len(sizes) < total <= most
            assert all(
                share is not None and share >= most * size // sum(sizes) - 1
                for share, size in zip(found, sizes, strict=True)
            )

        await asyncio.to_thread(holds)
    check_invariants(database_url)


# -- keys


@pytest.mark.asyncio
async def test_the_same_key_and_content_is_the_same_batch(database_url: str) -> None:
    async with yard(database_url) as here:
        found = [*sources(3), EMPTY]
        first = await here.submit(found, key="monday")
        second = await here.submit(found, key="monday")

        assert second.batch_id == first.batch_id and second.repeated and not first.repeated
        assert (second.accepted, second.rejected, second.rejections) == (3, 1, (EMPTY,))
        assert await here.count("jobs") == 3 and await here.count("batches") == 1
        assert (await here.submit(3, key="tuesday")).batch_id != first.batch_id
    check_invariants(database_url)


@pytest.mark.parametrize(
    "other",
    [
        {"found": sources(2)},
        {"found": [document("contract-1", "other words"), *sources(2, first=2)]},
        {"found": [document("renamed", contract(1)), *sources(2, first=2)]},
        {"sensitivity": Sensitivity.RESTRICTED},
    ],
)
@pytest.mark.asyncio
async def test_a_key_with_other_content_is_a_conflict(database_url: str, other: dict[str, Any]) -> None:
    async with yard(database_url) as here:
        first = await here.submit(sources(3), key="monday")

        with pytest.raises(KeyConflict, match=first.batch_id):
            await here.submit(**{"found": sources(3), "key": "monday"} | other)

        assert await here.count("jobs") == 3 and await here.count("batches") == 1


@pytest.mark.asyncio
async def test_many_at_once_with_one_key_make_one_batch(database_url: str) -> None:
    async with yard(database_url, connections=6) as here:
        found = await asyncio.gather(*[here.submit(sources(20), key="monday") for _ in range(6)])

        assert len({one.batch_id for one in found}) == 1
        assert sorted(one.repeated for one in found) == [False] + [True] * 5
        assert await here.count("jobs") == 20
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_key_of_a_submission_that_failed_can_be_used_again(database_url: str) -> None:
    async with yard(database_url) as here:
        with pytest.raises(NothingAccepted):
            await here.submit([EMPTY], key="monday")
        with pytest.raises(BadInput, match="printable"):
            await here.submit(1, key="two\nlines")

        assert not (await here.submit(1, key="monday")).repeated
