"""`POST /v1/reviews`: bodies of every kind, taken whole and in constant memory, or not at all."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from producer.api import files as routes
from producer.api.guard import Limits
from producer.sources.text import flaw_of_text
from runtime.db.stores import files
from schemas.canonical import digest
from schemas.lifecycle import JobState
from schemas.sensitivity import Lane, Sensitivity
from tests.counter import Counter, counter
from tests.invariants import check_invariants

pytestmark = pytest.mark.services

ASKED = {"review": "clauses"}
TABLES = ("batches", "jobs", "documents", "audit_events", "rejections", "api_files", "api_file_pieces")


def line(n: int, text: str = "") -> bytes:
    return json.dumps({"custom_id": f"c-{n}", "text": text or f"Contract {n}."}).encode() + b"\n"


async def in_pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def texts(here: Counter) -> list[tuple[str, str]]:
    rows = await here.here.database.rows(
        "select j.custom_id, d.body from jobs j join documents d on d.tenant_id = j.tenant_id"
        " and d.digest = j.document_digest order by j.id"
    )
    return [(row["custom_id"], bytes(row["body"]).decode()) for row in rows]


async def left(here: Counter) -> dict[str, int]:
    return {table: count for table in TABLES if (count := await here.here.count(table))}


# -- lines


@pytest.mark.parametrize("piece_bytes", [64 * 1024, 1])
@pytest.mark.asyncio
async def test_lines_over_many_pieces_are_one_batch(
    piece_bytes: int, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PIECE_BYTES", piece_bytes if piece_bytes > 1 else 7)
    count = 3_000 if piece_bytes > 1 else 20
    data = b"".join(line(n, f"Ünïcode 🙂 {n} " + "x" * 60) for n in range(count)).rstrip(b"\n")

    async with counter(database_url) as here:
        made = await here.http.post("/v1/reviews", params=ASKED, content=in_pieces(data, 10_007))

        assert (made.status_code, made.json()["accepted"]) == (202, count)
        found = await texts(here)
        assert found[7] == ("c-7", "Ünïcode 🙂 7 " + "x" * 60) and len(found) == count
        assert (await left(here)).keys() == {"batches", "jobs", "documents", "audit_events"}
    check_invariants(database_url)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    found=st.lists(
        st.tuples(
            st.integers(0, 4), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
        )
    ),
    size=st.integers(1, 50),
    ends=st.sampled_from([b"\n", b"\r\n"]),
)
def test_the_same_lines_give_the_same_however_they_are_sent(
    database_url: str, found: list[tuple[int, str]], size: int, ends: bytes
) -> None:
    asyncio.run(_sent(database_url, found, size, ends))


async def _sent(database_url: str, found: list[tuple[int, str]], size: int, ends: bytes) -> None:
    lines = [
        json.dumps({"custom_id": f"c{n}", "text": text}, ensure_ascii=False).encode() for n, text in found
    ]
    good = [(f"c{n}", text) for n, text in found if flaw_of_text(text) is None]
    first = dict(reversed(good))

    async with counter(database_url) as here:
        for table in ("rejections", "jobs", "batches", "documents"):
            await here.here.do("update batches set finished_at = now()")
            await here.here.do(f"delete from {table}")
        sent = in_pieces(ends.join(lines), size)
        answer = await here.http.post("/v1/reviews", params=ASKED, content=sent)

        assert answer.status_code == (202 if first else 400)
        assert await texts(here) == sorted(first.items(), key=good.index)
        if first:
            assert answer.json()["rejected"] == len(found) - len(first)


@pytest.mark.asyncio
async def test_a_client_that_stops_in_the_middle_leaves_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PIECE_BYTES", 1_000)

    async def broken() -> AsyncIterator[bytes]:
        for n in range(200):
            yield line(n)
        raise ClientDisconnect

    async def slow() -> AsyncIterator[bytes]:
        for n in range(200):
            yield line(n)
        await asyncio.sleep(30)

    async with counter(database_url, limits=Limits(submission_seconds=1)) as here:
        assert (await here.http.post("/v1/reviews", params=ASKED, content=broken())).status_code >= 400
        assert await left(here) == {}

        late = await here.http.post("/v1/reviews", params=ASKED, content=slow())
        assert late.status_code == 504
        assert await left(here) == {}


@pytest.mark.asyncio
async def test_what_is_longer_than_the_limit_leaves_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PIECE_BYTES", 1_000)
    data = b"".join(map(line, range(200)))

    async with counter(database_url, limits=Limits(upload_bytes=5_000, inline_bytes=500)) as here:
        for content in (data, in_pieces(data, 99)):
            answer = await here.http.post("/v1/reviews", params=ASKED, content=content)
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        body = {**ASKED, "documents": [{"custom_id": "a", "text": "x" * 500}]}
        assert (await here.http.post("/v1/reviews", json=body)).status_code == 413
        assert await left(here) == {}


@pytest.mark.asyncio
async def test_others_are_answered_while_lines_are_read(database_url: str) -> None:
    data = b"".join(map(line, range(6_000)))

    async with counter(database_url) as here:
        taking = asyncio.create_task(here.http.post("/v1/reviews", params=ASKED, content=data))
        answered = 0
        while not taking.done():
            assert (await here.http.get("/v1/files")).status_code == 200
            answered += 1

        assert (await taking).status_code == 202 and answered > 5


@pytest.mark.parametrize(
    ("headers", "param"),
    [
        ({"Content-Encoding": "gzip"}, "Content-Encoding"),
        ({"Content-Type": "application/gzip"}, "Content-Type"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, "Content-Type"),
    ],
)
@pytest.mark.asyncio
async def test_a_packed_body_is_refused_with_a_sentence(
    headers: dict[str, str], param: str, database_url: str
) -> None:
    async with counter(database_url) as here:
        answer = await here.http.post("/v1/reviews", params=ASKED, content=line(1), headers=headers)

        assert (answer.status_code, answer.json()["param"]) == (415, param)
        assert "Send " in answer.json()["detail"] and await left(here) == {}


@pytest.mark.asyncio
async def test_tables_and_archives_come_as_bodies_too(database_url: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("three.txt", "Three.")

    async with counter(database_url) as here:
        for kind, data in (
            ("text/csv; charset=utf-8", b"id,text\n1,One.\n2,Two.\n"),
            ("application/zip", packed.getvalue()),
        ):
            headers = {"Content-Type": kind}
            made = await here.http.post("/v1/reviews", params=ASKED, content=data, headers=headers)
            assert made.status_code == 202, made.text

        assert await texts(here) == [("1", "One."), ("2", "Two."), ("three.txt", "Three.")]


# -- an object


@pytest.mark.asyncio
async def test_an_object_names_all_that_is_wanted(database_url: str) -> None:
    async with counter(database_url) as here:
        body = {
            **ASKED,
            "requirements": {
                "sensitivity": "confidential",
                "residency": ["eu", "us"],
                "deadline": "2h",
                "max_cost": 1.5,
                "priority": "urgent",
            },
            "documents": [
                {"custom_id": "a", "text": "One.", "name": "a.txt"},
                {"custom_id": "a", "text": "x"},
                7,
            ],
            "policy": digest(here.state.advice.policy()),
            "idempotency_key": "monday",
        }
        made = (await here.http.post("/v1/reviews", json=body)).json()
        again = (await here.http.post("/v1/reviews", json=body)).json()

        assert (made["accepted"], made["rejected"], again["id"], again["repeated"]) == (
            1,
            2,
            made["id"],
            True,
        )
        assert [(one["where"], one["code"]) for one in made["rejections"]] == [
            ("documents[1]", "duplicate_custom_id"),
            ("documents[2]", "invalid_type"),
        ]
        (job,) = await here.here.jobs()
        assert (job.sensitivity, job.residency, job.lane, job.max_cost_usd_micros, job.name) == (
            Sensitivity.CONFIDENTIAL,
            ("eu", "us"),
            Lane.URGENT,
            1_500_000,
            "a.txt",
        )
        assert job.state is JobState.ACCEPTED
    check_invariants(database_url)


ONE = [{"custom_id": "a", "text": "One."}]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"documents": ONE}, 400, "review"),
        ({"review": 7, "documents": ONE}, 400, "review"),
        ({"review": "nothing", "documents": ONE}, 404, None),
        ({**ASKED}, 400, "documents"),
        ({**ASKED, "documents": ONE, "file_id": "file-1"}, 400, "documents"),
        ({**ASKED, "documents": {}}, 400, "documents"),
        ({**ASKED, "documents": []}, 400, None),
        ({**ASKED, "documents": [{"custom_id": "a", "url": "http://10.0.0.1/"}]}, 400, "documents[0].url"),
        ({**ASKED, "file_id": "file-unknown"}, 404, "file_id"),
        ({**ASKED, "documents": ONE, "surprise": 1}, 400, "surprise"),
        ({**ASKED, "documents": ONE, "requirements": []}, 400, "requirements"),
        ({**ASKED, "documents": ONE, "requirements": {"speed": "x"}}, 400, "requirements.speed"),
        ({**ASKED, "documents": ONE, "requirements": {"deadline": "soon"}}, 400, "requirements.deadline"),
        ({**ASKED, "documents": ONE, "requirements": {"deadline": 7}}, 400, "requirements.deadline"),
        ({**ASKED, "documents": ONE, "requirements": {"priority": "now"}}, 400, "requirements.priority"),
        ({**ASKED, "documents": ONE, "policy": "another"}, 409, "policy"),
        ({**ASKED, "documents": ONE, "webhook": "wh_1"}, 400, "webhook"),
        ({**ASKED, "documents": ONE, "idempotency_key": "x" * 300}, 400, "idempotency_key"),
        ([], 400, None),
    ],
)
@pytest.mark.asyncio
async def test_what_is_wrong_in_an_object_names_its_field(
    body: Any, status: int, param: str | None, database_url: str
) -> None:
    async with counter(database_url) as here:
        answer = await here.http.post("/v1/reviews", json=body)

        assert (answer.status_code, answer.json().get("param")) == (status, param), answer.text
        assert len(answer.json()["detail"]) > 20 and await left(here) == {}


# -- a file


@pytest.mark.asyncio
async def test_an_uploaded_file_is_the_source(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PIECE_BYTES", 500)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(40):
            archive.writestr(f"{n}.txt", f"Text {n}. " * 20)

    async with counter(database_url) as here:
        for name, data, count in (
            ("lines.jsonl", b"".join(map(line, range(50))), 50),
            ("rows.csv", b"id,text\n1,One.\n", 1),
            ("texts.zip", packed.getvalue(), 40),
        ):
            sent = {"files": {"file": (name, data)}, "data": {"purpose": "user_data"}}
            file_id = (await here.http.post("/v1/files", **sent)).json()["id"]
            made = await here.http.post("/v1/reviews", json={**ASKED, "file_id": file_id})
            assert (made.status_code, made.json()["accepted"]) == (202, count), made.text
        assert await here.here.count("api_files") == 3
    check_invariants(database_url)


@pytest.mark.asyncio
async def test_a_file_for_a_batch_is_no_longer_than_openais(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "MAX_BATCH_BYTES", 1_000)
    async with counter(database_url) as here:
        for purpose, status in (("batch", 413), ("user_data", 200)):
            sent = {"files": {"file": ("f", b"x" * 1_001)}, "data": {"purpose": purpose}}
            assert (await here.http.post("/v1/files", **sent)).status_code == status
        assert await here.here.count("api_files") == 1
