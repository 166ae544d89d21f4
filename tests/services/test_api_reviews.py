"""The yard's own API: documents in with the request, results out as lines, problems as RFC 9457 has them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.lifecycle import JobState
from schemas.sensitivity import Sensitivity
from tests.counter import counter
from tests.invariants import check_invariants

pytestmark = [pytest.mark.services, pytest.mark.asyncio]

LINES = b"\n".join(json.dumps({"custom_id": f"c-{n}", "text": f"Contract {n}."}).encode() for n in range(3))
ASKED = {"review": "clauses"}


async def test_documents_go_in_and_results_come_out(database_url: str) -> None:
    async with counter(database_url) as here:
        asked = {**ASKED, "sensitivity": "confidential", "residency": "eu", "deadline": "2h"}
        made = (await here.http.post("/v1/reviews", params=asked, content=LINES + b"\nrubbish")).json()
        assert (made["accepted"], made["rejected"], made["rejections"][0]["code"]) == (
            3,
            1,
            "invalid_json_line",
        )
        first, *others = await here.here.jobs()
        assert (first.sensitivity, first.residency) == (Sensitivity.CONFIDENTIAL, ("eu",))

        await here.end_jobs([first])
        await here.end_jobs(others, JobState.REFUSED)

        found = (await here.http.get(f"/v1/reviews/{made['id']}")).json()
        assert (found["status"], found["states"]) == ("done", {"succeeded": 1, "refused": 2})
        answer = await here.http.get(f"/v1/reviews/{made['id']}/results")
        rows: list[dict[str, Any]] = [json.loads(line) for line in answer.content.splitlines()]
        assert [(row["custom_id"], row["state"]) for row in rows] == [
            ("c-0", "succeeded"), ("c-1", "refused"), ("c-2", "refused"),
        ]  # fmt: skip
        assert rows[0]["output"]["verdict"] == "acceptable" and rows[1]["reason"]

        again = await here.http.post(f"/v1/reviews/{made['id']}/retry")
        assert (again.status_code, again.json()["accepted"]) == (202, 2)
        ended = (await here.http.post(f"/v1/reviews/{again.json()['id']}/cancel")).json()
        assert ended["cancelled"] == 2
        assert (await here.http.get(f"/v1/reviews/{ended['id']}")).json()["status"] == "cancelled"
    check_invariants(database_url)


async def test_a_repeated_submission_with_its_key_is_the_same(database_url: str) -> None:
    async with counter(database_url) as here:
        key = {"Idempotency-Key": "monday"}
        first, again = [
            (await here.http.post("/v1/reviews", params=ASKED, content=LINES, headers=key)).json()
            for _ in "ab"
        ]
        other = await here.http.post("/v1/reviews", params=ASKED, content=LINES[:40], headers=key)

        assert first["id"] == again["id"] and again["repeated"]
        assert other.status_code in (400, 422)
        assert await here.here.count("jobs") == 3


@pytest.mark.parametrize(
    ("params", "body", "status"),
    [
        ({"review": "nothing"}, LINES, 404),
        ({}, LINES, 400),
        ({**ASKED, "sensitivity": "hush"}, LINES, 400),
        ({**ASKED, "surprise": "1"}, LINES, 400),
        (ASKED, b"", 400),
        (ASKED, b"x" * 9_000_000, 400),
    ],
)
async def test_what_is_wrong_is_a_problem_and_nothing_is_written(
    params: dict[str, str], body: bytes, status: int, database_url: str
) -> None:
    async with counter(database_url) as here:
        answer = await here.http.post("/v1/reviews", params=params, content=body)

        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json().keys() >= {"type", "title", "status", "detail"}
        assert await here.here.count("batches") == 0


async def test_a_batch_of_nobody_is_not_there(database_url: str) -> None:
    async with counter(database_url) as here:
        for name in ("not-an-id", "0198c0de-0000-7000-8000-000000000001"):
            assert (await here.http.get(f"/v1/reviews/{name}")).status_code == 404
