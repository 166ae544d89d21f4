"""Message Batches over a real database: what is taken, what is kept, and how a batch ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from producer.api import anthropic_batches
from producer.api.guard import Limits
from runtime.db.stores import files
from schemas.errors import SurroundingsFault
from schemas.lifecycle import JobState
from schemas.scopes import Scope
from schemas.sensitivity import Sensitivity
from tests.counter import Counter, counter, request
from tests.invariants import check_invariants

pytestmark = [pytest.mark.services, pytest.mark.asyncio]

PATH = "/v1/messages/batches"


def asked(custom_id: str = "a", text: str = "A contract.", **changes: Any) -> dict[str, Any]:
    params = {"model": "review:clauses", "max_tokens": 4096, "messages": [{"role": "user", "content": text}]}
    return {"custom_id": custom_id, "params": {**params, **changes}}


@asynccontextmanager
async def desk_of(database_url: str, **more: Any) -> AsyncIterator[Counter]:
    async with counter(database_url, **more) as here:
        here.http.headers["anthropic-version"] = "2023-06-01"
        yield here


async def send(here: Counter, *records: Any, headers: Any = None, **members: Any) -> httpx.Response:
    return await here.http.post(PATH, json={"requests": records, **members}, headers=headers)


async def batch(here: Counter, *records: Any, **more: Any) -> dict[str, Any]:
    answer = await send(here, *records, **more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def at(here: Counter, batch_id: str) -> dict[str, Any]:
    return dict((await here.http.get(f"{PATH}/{batch_id}")).json())


async def results_of(here: Counter, shown: dict[str, Any]) -> dict[str, dict[str, Any]]:
    answer = await here.http.get(shown["results_url"])
    assert answer.status_code == 200, answer.text
    return {row["custom_id"]: row["result"] for row in map(json.loads, answer.text.splitlines())}


def counts(**given: int) -> dict[str, int]:
    return {**dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0), **given}


# -- its life


async def test_a_batch_goes_through_its_states(database_url: str) -> None:
    async with desk_of(database_url) as here:
        made = await batch(here, asked("a"), asked("b", "Another."), asked("c", "A third."))
        assert (made["processing_status"], made["request_counts"]) == ("in_progress", counts(processing=3))
        assert made["results_url"] is made["ended_at"] is made["cancel_initiated_at"] is None
        await here.work()
        first, second, third = await here.here.jobs()
        await here.end_jobs([first])
        await here.end_jobs([second], JobState.REFUSED)
        await here.work()
        assert (await at(here, made["id"]))["request_counts"] == counts(processing=3)
        await here.end_jobs([third], JobState.EXPIRED)
        await here.work()

        done = await at(here, made["id"])
        assert (done["processing_status"], done["archived_at"]) == ("ended", None)
        assert done["request_counts"] == counts(succeeded=1, errored=1, expired=1)
        assert done["results_url"] == f"http://yard{PATH}/{made['id']}/results"
        found = await results_of(here, done)
        assert {name: one["type"] for name, one in found.items()} == {
            "a": "succeeded",
            "b": "errored",
            "c": "expired",
        }
        assert found["a"]["message"]["usage"]["output_tokens"] > 0
        assert found["b"]["error"]["error"]["details"] == {"error_code": "refused"}
    check_invariants(database_url)


async def test_its_body_is_kept_until_its_documents_are_and_no_longer(database_url: str) -> None:
    async with desk_of(database_url) as here:
        await batch(here, asked("a"))
        assert await here.here.count("api_files") == 1
        assert (await here.http.get("/v1/files")).json()["data"] == []
        (file,) = await here.here.database.rows("select id from api_files")
        assert (await here.http.get(f"/v1/files/{file['id']}")).status_code == 404
        assert (await here.http.delete(f"/v1/files/{file['id']}")).status_code == 404

        await here.work()

        assert await here.here.count("api_files") == await here.here.count("api_file_pieces") == 0
        assert await here.here.count("documents") == 1


async def test_a_body_of_many_pieces_is_read_as_it_was_sent(database_url: str) -> None:
    texts = [f"{n}. {'ü' * 400_000}" for n in range(6)]
    async with desk_of(database_url) as here:
        body = {"requests": [asked(f"c{n}", text) for n, text in enumerate(texts)]}
        data = json.dumps(body, ensure_ascii=False).encode()
        made = await here.http.post(PATH, content=data)
        assert made.json()["request_counts"]["processing"] == 6
        sizes = await here.here.database.rows("select length(body) as n from api_file_pieces")
        assert sum(row["n"] for row in sizes) == len(data)
        assert max(row["n"] for row in sizes) <= files.PIECE_BYTES
        await here.work()

        rows = await here.here.database.rows("select body from documents")
        assert sorted(bytes(row["body"]).decode() for row in rows) == texts


async def test_a_desk_that_dies_after_the_documents_were_taken_takes_them_once(database_url: str) -> None:
    async with desk_of(database_url) as here:
        made = await batch(here, asked("a"), asked("b", "Another."))
        kept = await here.here.database.rows("table api_file_pieces")
        file = (await here.here.database.rows("table api_files"))[0]
        await here.work()
        # As if it had died between the two commits: its documents are there, and so is its body.
        async with here.here.database.transaction() as connection:
            await files.begin(connection, file["id"], "default", "", files.INNER, 3_600)
            for piece in kept:
                await files.add_piece(connection, file["id"], piece["number"], bytes(piece["body"]))
        await here.here.do(
            "update api_batches set batch_id = null, in_progress_at = null, claimed_until = null"
        )
        await here.work()

        assert (await at(here, made["id"]))["processing_status"] == "in_progress"
        assert (await here.here.count("jobs"), await here.here.count("batches")) == (2, 1)


async def test_what_was_open_is_canceled_and_what_was_done_is_kept(database_url: str) -> None:
    async with desk_of(database_url) as here:
        made = await batch(here, asked("a"), asked("b", "Another."))
        await here.work()
        await here.end_jobs((await here.here.jobs())[:1])

        canceling = (await here.http.post(f"{PATH}/{made['id']}/cancel")).json()
        assert (canceling["processing_status"], canceling["request_counts"]) == (
            "canceling",
            counts(processing=2),
        )
        await here.work()

        done = await at(here, made["id"])
        assert done["processing_status"] == "ended" and done["cancel_initiated_at"]
        assert done["request_counts"] == counts(succeeded=1, canceled=1)
        assert {name: one["type"] for name, one in (await results_of(here, done)).items()} == {
            "a": "succeeded",
            "b": "canceled",
        }
        again = await here.http.post(f"{PATH}/{made['id']}/cancel")
        assert again.json() == done
    check_invariants(database_url)


async def test_a_batch_canceled_before_it_was_read_has_a_result_for_every_request(database_url: str) -> None:
    async with desk_of(database_url) as here:
        made = await batch(here, asked("a"), asked("b"))
        await here.http.post(f"{PATH}/{made['id']}/cancel")
        await here.work()

        done = await at(here, made["id"])
        assert done["request_counts"] == counts(canceled=2)
        assert (await results_of(here, done)).keys() == {"a", "b"}
        assert await here.here.count("jobs") == 0
        assert await here.here.count("api_files") == 1  # the results; the body is gone


async def test_a_review_that_is_gone_when_the_desk_looks_is_an_error_of_every_request(
    database_url: str,
) -> None:
    async with desk_of(database_url) as here:
        made = await batch(here, asked("a"), asked("b"))
        await here.here.do("""update api_batches set call_metadata = '{"classyard_review": "gone"}'""")
        await here.work()

        done = await at(here, made["id"])
        assert done["request_counts"] == counts(errored=2)
        (first, second) = (await results_of(here, done)).values()
        assert first["error"]["error"]["type"] == "invalid_request_error"
        assert "gone" in second["error"]["error"]["message"]


async def test_a_batch_is_deleted_once_it_has_ended(database_url: str) -> None:
    async with desk_of(database_url) as here:
        made = await batch(here, asked("a"))
        await here.work()
        early = await here.http.delete(f"{PATH}/{made['id']}")
        assert (early.status_code, early.json()["error"]["type"]) == (409, "conflict_error")
        await here.end_jobs(await here.here.jobs())
        await here.work()

        gone = await here.http.delete(f"{PATH}/{made['id']}")

        assert gone.json() == {"id": made["id"], "type": "message_batch_deleted"}
        assert await here.here.count("api_files") == await here.here.count("api_batches") == 0
        assert (await here.http.delete(f"{PATH}/{made['id']}")).status_code == 404
        assert await here.here.count("jobs") == 1


async def test_results_are_kept_for_29_days_and_then_archived(database_url: str) -> None:
    async with desk_of(database_url) as here:
        made = await batch(here, asked("a"))
        assert (await here.http.get(f"{PATH}/{made['id']}/results")).status_code == 404
        await here.work()
        await here.end_jobs(await here.here.jobs())
        await here.work()
        assert (await here.http.get(f"{PATH}/{made['id']}/results")).status_code == 200

        for table, column in (("api_batches", "ended_at"), ("api_files", "expires_at")):
            await here.here.do(f"update {table} set {column} = {column} - interval '29 days'")

        done = await at(here, made["id"])
        assert (done["results_url"], done["archived_at"] is not None) == (None, True)
        assert done["request_counts"] == counts(succeeded=1)
        answer = await here.http.get(f"{PATH}/{made['id']}/results")
        assert (answer.status_code, answer.json()["error"]["details"]["error_code"]) == (
            404,
            "results_archived",
        )


# -- what it asks for


@pytest.mark.parametrize(
    ("headers", "members"),
    [
        ({}, {"classyard": {"residency": ["eu"], "deadline": "1h", "sensitivity": "internal"}}),
        (
            {"classyard-residency": "eu", "classyard-deadline": "1h", "classyard-sensitivity": "internal"},
            {},
        ),
        ({"classyard-deadline": "1h"}, {"classyard": {"residency": "eu", "sensitivity": "internal"}}),
    ],
)
async def test_requirements_of_headers_and_body_reach_every_job(
    headers: dict[str, str], members: dict[str, Any], database_url: str
) -> None:
    async with desk_of(database_url) as here:
        made = await batch(here, asked(), headers=headers, **members)
        await here.work()

        (job,) = await here.here.jobs()
        assert (job.sensitivity, job.residency) == (Sensitivity.INTERNAL, ("eu",))
        assert job.deadline_at is not None
        begin, end = (datetime.fromisoformat(made[name]) for name in ("created_at", "expires_at"))
        assert end - begin == timedelta(hours=1)
    check_invariants(database_url)


@pytest.mark.parametrize(
    ("records", "more", "place"),
    [
        ([], {}, "requests"),
        ([asked(), asked("b", tools=[{"name": "f"}])], {}, "requests.1.params.tools"),
        ([asked(), asked()], {}, "requests.1.custom_id"),
        ([asked(model="claude-9")], {}, "requests.0.params.model"),
        ([asked(model="auto")], {}, "requests.0.params"),
        ([asked(system="Look.")], {}, "requests.0.params"),
        ([asked()], {"classyard": {"mood": "good"}}, "classyard.mood"),
        ([asked()], {"classyard": {"sensitivity": "quite"}}, "classyard.sensitivity"),
        ([asked()], {"headers": {"classyard-mood": "good"}}, "classyard.mood"),
        (
            [asked()],
            {"headers": {"classyard-quality": "best"}, "classyard": {"quality": "x"}},
            "classyard.quality",
        ),
        ([asked()], {"surprise": 1}, "surprise"),
    ],
)
async def test_what_is_wrong_is_said_with_its_place_and_nothing_is_kept(
    records: list[Any], more: dict[str, Any], place: str, database_url: str
) -> None:
    async with desk_of(database_url) as here:
        answer = await send(here, *records, **more)

        error = answer.json()
        assert (answer.status_code, error["type"]) == (400, "error"), answer.text
        assert error["error"]["type"] == "invalid_request_error"
        assert error["error"]["message"].startswith(f"{place}: "), answer.text
        assert "metadata" not in error["error"]["message"].removeprefix(place)
        assert error["request_id"] == answer.headers["request-id"]
        assert await here.here.count("api_batches") == await here.here.count("api_files") == 0


async def test_a_mistake_at_the_end_of_many_pieces_leaves_none_of_them(database_url: str) -> None:
    async with desk_of(database_url) as here:
        texts = ["x" * 900_000] * 4
        answer = await send(here, *[asked(f"c{n}", text) for n, text in enumerate(texts)], asked("", "y"))

        assert (answer.status_code, "requests.4.custom_id" in answer.text) == (400, True)
        assert await here.here.count("api_file_pieces") == 0


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"requests": [}', b"\xff", b'{"requests": [{"custom_id": "a']
)
async def test_what_is_no_json_is_an_error(data: bytes, database_url: str) -> None:
    async with desk_of(database_url) as here:
        answer = await here.http.post(PATH, content=data)

        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
        assert await here.here.count("api_files") == 0


@pytest.mark.parametrize("version", [None, "2022-01-01"])
async def test_a_version_is_sent_and_known(version: str | None, database_url: str) -> None:
    async with counter(database_url) as here:
        headers = {"anthropic-version": version} if version else {}
        answer = await here.http.get(PATH, headers=headers)

        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith("anthropic-version: ")


async def test_a_repeated_request_with_its_key_is_the_same_batch(database_url: str) -> None:
    async with desk_of(database_url) as here:
        key = {"Idempotency-Key": "monday"}
        first = await send(here, asked("a"), headers=key)
        again = await send(here, asked("a"), headers=key)
        other = await send(here, asked("b"), headers=key)

        assert first.json()["id"] == again.json()["id"]
        assert (other.status_code, other.json()["error"]["type"]) == (422, "invalid_request_error")
        assert await here.here.count("api_batches") == await here.here.count("api_files") == 1


# -- who sees what


async def test_either_header_carries_a_key(database_url: str) -> None:
    async with desk_of(database_url) as here:
        key = (await here.key(Scope.OPERATOR))["Authorization"].removeprefix("Bearer ")
        for headers in ({"x-api-key": key, "Authorization": ""}, {"Authorization": f"Bearer {key}"}):
            assert (await here.http.get(PATH, headers=headers)).status_code == 200
            answer = await here.http.post(PATH, headers=headers, json={})
            assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error")


async def test_a_batch_is_seen_in_its_own_shape_and_tenant_only(database_url: str) -> None:
    async with desk_of(database_url) as here:
        ours = await batch(here, asked())
        theirs = await here.batch(request())

        assert [one["id"] for one in (await here.http.get(PATH)).json()["data"]] == [ours["id"]]
        assert [one["id"] for one in (await here.http.get("/v1/batches")).json()["data"]] == [theirs["id"]]
        for path in (f"/v1/batches/{ours['id']}", f"{PATH}/{theirs['id']}"):
            assert (await here.http.get(path)).status_code == 404
            assert (await here.http.post(f"{path}/cancel")).status_code == 404
        await here.here.do("update api_batches set tenant_id = 'other'")
        assert (await here.http.get(f"{PATH}/{ours['id']}")).status_code == 404
        assert (await here.http.delete(f"{PATH}/{ours['id']}")).status_code == 404


async def test_pages_go_both_ways(database_url: str) -> None:
    async with desk_of(database_url) as here:
        made = [(await batch(here, asked(text=f"{n}.")))["id"] for n in range(5)][::-1]

        async def page(**params: Any) -> tuple[list[str], bool]:
            found = (await here.http.get(PATH, params=params)).json()
            ids = [one["id"] for one in found["data"]]
            assert (found["first_id"], found["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
            return ids, found["has_more"]

        assert await page(limit=2) == (made[:2], True)
        assert await page(limit=3, after_id=made[1]) == (made[2:], False)
        assert await page(limit=2, before_id=made[4]) == (made[2:4], True)
        assert await page(limit=2, before_id=made[2]) == (made[:2], False)
        assert await page(before_id=made[0]) == ([], False)
        for wrong in ({"limit": 0}, {"limit": 1001}, {"before_id": "a", "after_id": "b"}):
            assert (await here.http.get(PATH, params=wrong)).status_code == 400


@pytest.mark.parametrize(
    ("settings", "host", "address"),
    [
        ({}, "yard:8700", "http://yard:8700"),
        ({}, "[::1]:8700", "http://[::1]:8700"),
        ({}, 'evil"/x', ""),
        ({"api_public_url": "https://yard.example/in"}, "yard:8700", "https://yard.example/in"),
    ],
)
async def test_results_are_at_the_address_that_callers_use(
    settings: dict[str, str], host: str, address: str, database_url: str
) -> None:
    async with desk_of(database_url, **settings) as here:
        made = await batch(here, asked())
        await here.http.post(f"{PATH}/{made['id']}/cancel")
        await here.work()

        shown = (await here.http.get(f"{PATH}/{made['id']}", headers={"Host": host})).json()
        assert shown["results_url"] == f"{address}{PATH}/{made['id']}/results"


# -- limits


async def test_a_body_above_the_limit_is_too_large_announced_or_not(database_url: str) -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        yield b'{"requests": ['
        for _ in range(40):
            yield b" " * 100_000

    async with desk_of(database_url, limits=Limits(body_bytes=500, requests_bytes=2_000_000)) as here:
        for content in (unannounced(), b" " * 2_000_001):
            answer = await here.http.post(PATH, content=content)
            assert (answer.status_code, answer.json()["error"]["type"]) == (413, "request_too_large")
        assert await here.here.count("api_files") == 0
        large = await here.http.post(
            PATH, content=b" " * 1_000 + json.dumps({"requests": [asked()]}).encode()
        )
        assert large.status_code == 200


async def test_what_is_not_to_be_had_now_is_overloaded(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: Any, **__: Any) -> None:
        raise SurroundingsFault("The database is not reachable.")

    monkeypatch.setattr(anthropic_batches.api_batches, "page", gone)
    async with desk_of(database_url) as here:
        answer = await here.http.get(PATH)

        assert (answer.status_code, answer.json()["error"]["type"]) == (529, "overloaded_error")


async def test_who_asks_too_often_is_told_so_in_this_shape(database_url: str) -> None:
    async with desk_of(database_url) as here:
        key = await here.key(Scope.SUBMITTER, per_minute=1)
        answers = [await here.http.get(PATH, headers=key) for _ in range(2)]

        assert [one.status_code for one in answers] == [200, 429]
        assert answers[1].json()["error"]["type"] == "rate_limit_error"
        assert answers[1].headers["retry-after"]
