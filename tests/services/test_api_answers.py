"""One document and its answer in the same request: what is waited for, what is told, and what becomes of the job."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import pytest

from producer.api.guard import Limits
from producer.api.lines import CHAT, RESPONSES
from schemas.job import Job
from schemas.lifecycle import JobState
from schemas.policy import Tier
from schemas.sensitivity import Lane
from tests.counter import Counter, counter
from tests.engine_values import a_policy, a_provider
from tests.invariants import check_invariants
from tests.yard import a_catalog, until

pytestmark = [pytest.mark.services, pytest.mark.asyncio]

SHORT = Limits(answer_seconds=0.3)


def body(text: str = "A contract.", **changes: Any) -> dict[str, Any]:
    return {"model": "review:clauses", "messages": [{"role": "user", "content": text}], **changes}


async def ask(here: Counter, path: str = CHAT, key: str | None = None, **changes: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await here.http.post(path, json=body(**changes), headers=headers)


async def accepted(here: Counter, count: int = 1) -> list[Job]:
    """As soon as there are so many jobs."""

    async def there() -> bool:
        return len(await here.here.jobs()) == count

    await until(there)
    return await here.here.jobs()


@asynccontextmanager
async def asking(here: Counter, **changes: Any) -> AsyncIterator[tuple[Job, asyncio.Task[httpx.Response]]]:
    """The one job of a request that waits, and the request."""
    answer = asyncio.create_task(ask(here, **changes))
    (job,) = await accepted(here)
    yield job, answer
    await answer


async def test_the_answer_is_the_body_of_a_batchs_line_and_says_whose_it_is(database_url: str) -> None:
    async with counter(database_url) as here:
        async with asking(here) as (job, answer):
            await here.end_jobs([job])
        found = answer.result()

        assert found.status_code == 200 and found.headers["x-request-id"] == job.id
        told = found.json()
        assert (told["object"], told["model"]) == ("chat.completion", told["model"])
        assert "verdict" in json.loads(told["choices"][0]["message"]["content"])
        assert (told["classyard"]["job_id"], told["classyard"]["batch_id"]) == (job.id, job.batch_id)
        assert told["classyard"]["provider"] == "alpha"
        assert (job.lane, job.deadline_at is not None) == (Lane.URGENT, True)
    check_invariants(database_url)


async def test_another_lane_and_a_nearer_deadline_may_be_asked_for(database_url: str) -> None:
    metadata = {
        "classyard_priority": "bulk",
        "classyard_deadline": "30s",
        "classyard_sensitivity": "confidential",
    }
    async with counter(database_url) as here, asking(here, metadata=metadata) as (job, _):
        assert (job.lane, job.sensitivity.value) == (Lane.BULK, "confidential")
        await here.end_jobs([job])


async def test_responses_are_answered_as_well(database_url: str) -> None:
    async with counter(database_url) as here:
        asked = {"model": "review:clauses", "input": "A contract."}
        answer = asyncio.create_task(here.http.post(RESPONSES, json=asked))
        await here.end_jobs(await accepted(here))

        told = (await answer).json()
        assert told["object"] == "response"
        assert "verdict" in json.loads(told["output"][0]["content"][0]["text"])


async def test_a_stream_has_the_whole_answer_in_one_chunk(database_url: str) -> None:
    async with counter(database_url) as here:
        async with asking(here, stream=True, stream_options={"include_usage": True}) as (job, answer):
            await here.end_jobs([job])
        found = answer.result()

        assert found.headers["content-type"].startswith("text/event-stream")
        events = [one.removeprefix("data: ") for one in found.text.split("\n\n") if one]
        assert events.pop() == "[DONE]"
        first, last, usage = map(json.loads, events)
        assert {one["object"] for one in (first, last, usage)} == {"chat.completion.chunk"}
        assert "verdict" in json.loads(first["choices"][0]["delta"]["content"])
        assert last["choices"][0]["finish_reason"] == "stop"
        assert (usage["choices"], usage["usage"]["total_tokens"] > 0) == ([], True)


@pytest.mark.parametrize(
    ("state", "status"), [(JobState.REFUSED, 422), (JobState.EXPIRED, 504), (JobState.CANCELLED, 409)]
)
async def test_what_ends_without_an_answer_is_an_error_with_its_reason(
    database_url: str, state: JobState, status: int
) -> None:
    async with counter(database_url) as here:
        async with asking(here) as (job, answer):
            await here.end_jobs([job], state)
        found = answer.result()

        assert found.status_code == status and found.headers["x-should-retry"] == "false"
        assert found.json()["error"]["code"] == state.value
        assert found.json()["error"]["message"] == "It ended so in a test."
        assert found.headers["x-request-id"] == job.id


async def test_what_takes_too_long_is_cancelled_where_nobody_can_come_back(database_url: str) -> None:
    async with counter(database_url, limits=SHORT) as here:
        found = await ask(here)

        assert (found.status_code, found.json()["error"]["code"]) == (504, "timeout")
        assert found.headers["x-should-retry"] == "false"
        (job,) = await here.here.jobs()
        assert job.state is JobState.CANCELLED
    check_invariants(database_url)


async def test_with_a_key_it_goes_on_and_the_same_request_gets_the_answer(database_url: str) -> None:
    async with counter(database_url, limits=SHORT) as here:
        late = await ask(here, key="monday")
        (job,) = await here.here.jobs()

        assert (late.status_code, late.headers["x-should-retry"]) == (504, "true")
        assert job.id in late.json()["error"]["message"] and job.batch_id in late.json()["error"]["message"]
        assert job.state is JobState.ACCEPTED
        other = await ask(here, key="monday", text="Another contract.")
        assert other.status_code == 422
        again = asyncio.create_task(ask(here, key="monday"))
        await here.end_jobs([job])
        assert (await again).json()["classyard"]["job_id"] == job.id
        assert (await ask(here, key="monday")).status_code == 200
        assert len(await here.here.jobs()) == 1
    check_invariants(database_url)


async def test_nobody_is_kept_waiting_long_past_the_deadline(database_url: str) -> None:
    async with counter(database_url) as here:
        late = await asyncio.wait_for(ask(here, metadata={"classyard_deadline": "1s"}), 10)

        assert (late.status_code, late.json()["error"]["code"]) == (504, "timeout")


@pytest.mark.parametrize(
    ("reason", "status", "code"), [("down", 503, "down"), ("budget", 429, "insufficient_quota")]
)
async def test_held_work_says_what_it_waits_for(
    database_url: str, reason: str, status: int, code: str
) -> None:
    async with counter(database_url, limits=SHORT) as here:
        async with asking(here) as (job, answer):
            held = job.moved(JobState.HELD, reason_code=reason, reason="Nobody is up.")
            await here.here.move([(job, held)])
        found = answer.result()

        assert (found.status_code, found.json()["error"]["code"]) == (status, code)
        assert "it is held. Nobody is up." in found.json()["error"]["message"]


async def test_a_caller_who_leaves_without_a_key_leaves_nothing_that_is_paid_for(database_url: str) -> None:
    async with counter(database_url) as here:
        assert await left(here, {}) == 499
        assert await left(here, {b"idempotency-key": b"one"}) == 499

        states = [job.state for job in await here.here.jobs()]
        assert states == [JobState.CANCELLED, JobState.ACCEPTED]
    check_invariants(database_url)


async def left(here: Counter, headers: dict[bytes, bytes]) -> int:
    """The status of an answer to a connection that ends as soon as there is a job; nobody reads it."""
    before, said = len(await here.here.jobs()), list[dict[str, Any]]()
    data = orjson.dumps(body())
    messages = iter([{"type": "http.request", "body": data, "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await accepted(here, before + 1)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        said.append(message)

    authorization = here.http.headers["authorization"].encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": CHAT,
        "query_string": b"",
        "headers": [(b"authorization", authorization), *headers.items()],
    }
    await asyncio.wait_for(here.app(scope, receive, send), 10)  # type: ignore[arg-type]
    return int(said[0]["status"])


async def test_so_many_wait_and_the_next_one_is_told_when_to_come(database_url: str) -> None:
    async with counter(database_url, limits=Limits(waiting=1)) as here:
        async with asking(here) as (job, answer):
            turned_away = await ask(here)
            assert (turned_away.status_code, turned_away.json()["error"]["code"]) == (429, "too_many_waiting")
            assert turned_away.headers["retry-after"]
            assert len(await here.here.jobs()) == 1
            await here.end_jobs([job])
        assert answer.result().status_code == 200


async def test_many_that_wait_hold_no_connection(database_url: str) -> None:
    """The pool has four; thirty wait, and another route answers meanwhile."""
    async with counter(database_url) as here:
        waiting = [asyncio.create_task(ask(here, text=f"Contract {number}.")) for number in range(30)]
        found = await accepted(here, 30)
        assert (await here.http.get("/v1/batches")).status_code == 200
        await here.end_jobs(found)

        answers = await asyncio.gather(*waiting)
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["classyard"]["job_id"] for answer in answers}) == 30


@pytest.mark.parametrize(
    ("changes", "status", "code", "param"),
    [
        ({"tools": [{}]}, 400, "unsupported_value", "tools"),
        ({"stream": "yes"}, 400, "invalid_value", "stream"),
        ({"messages": []}, 400, "invalid_request", "messages"),
        ({"model": "gpt-9"}, 404, "model_not_found", "model"),
        ({"model": "review:nothing"}, 404, "model_not_found", "the review"),
        ({"metadata": {"classyard_sensitivty": "public"}}, 400, None, "metadata.classyard_sensitivty"),
        (
            {"metadata": {"classyard_sensitivity": "hush"}},
            400,
            "invalid_value",
            "metadata.classyard_sensitivity",
        ),
        ({"metadata": {"a": 1}}, 400, "invalid_value", "metadata"),
        ({"metadata": {"a": "b" * 600}}, 400, "invalid_value", "metadata"),
    ],
)
async def test_what_cannot_be_kept_is_an_error_and_nothing_is_taken(
    database_url: str, changes: dict[str, Any], status: int, code: str | None, param: str
) -> None:
    async with counter(database_url) as here:
        found = await ask(here, **changes)

        error = found.json()["error"]
        assert (found.status_code, error["param"]) == (status, param), error
        assert code is None or error["code"] == code
        assert not await here.here.jobs()


async def test_a_body_that_is_no_json_or_too_large_is_turned_away(database_url: str) -> None:
    async with counter(database_url, limits=Limits(inline_bytes=2_000)) as here:
        assert (await here.http.post(CHAT, content=b"{")).status_code == 400
        assert (await here.http.post(CHAT, content=b"[]")).status_code == 400
        assert (await ask(here, text="x" * 3_000)).status_code == 413
        streamed = {"model": "review:clauses", "input": "A.", "stream": True}
        assert (await here.http.post(RESPONSES, json=streamed)).json()["error"]["param"] == "stream"


async def test_models_are_listed_and_may_be_named(database_url: str) -> None:
    async with counter(database_url) as here:
        catalog = a_catalog(a_provider("alpha"), a_provider("beta"))
        await here.here.stage(catalog, a_policy(tiers=(Tier(tier="away", when="false"),))).publish()

        listed = (await here.http.get("/v1/models")).json()
        assert listed["object"] == "list"
        assert [one["id"] for one in listed["data"]] == [
            *("auto", "review:clauses", "tier:away", "alpha/one", "beta/one", "one")
        ]
        found = await here.http.get("/v1/models/alpha%2Fone")
        assert found.json() == {"id": "alpha/one", "object": "model", "created": 0, "owned_by": "alpha"}
        missing = await here.http.get("/v1/models/gpt-9")
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
        metadata = {"classyard_review": "clauses", "classyard_tier": "away"}
        async with asking(here, model="beta/one", metadata=metadata) as (job, _):
            assert (job.asked_model, job.asked_tier) == ("beta/one", "away")
            await here.end_jobs([job])
