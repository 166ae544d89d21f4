"""The HTTP API over a real database: who may call, what is kept of a file, and the life of a batch."""

from __future__ import annotations

import asyncio
import codecs
import json
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from producer.api import desk
from producer.api.anthropic_errors import BELOW
from producer.api.app import create_app
from producer.api.auth import every_route, require_guarded
from producer.api.errors import PROBLEMS
from producer.api.guard import Limits
from producer.api.objects import listed
from runtime.db.stores import api_batches, api_keys
from runtime.db.stores import files as kept
from runtime.doorbells import RedisDoorbells
from runtime.metrics import Metrics
from runtime.redis_client import make_redis
from schemas.errors import InternalError
from schemas.lifecycle import JobState
from schemas.scopes import Scope
from schemas.sensitivity import Sensitivity
from tests.counter import Counter, counter, request
from tests.invariants import check_invariants

pytestmark = [pytest.mark.services, pytest.mark.asyncio]

ENVELOPE = {"message", "type", "param", "code"}


# -- who may call


async def call(here: Counter, method: str, path: str, headers: dict[str, str]) -> Any:
    """A request without a body, to any id."""
    there = re.sub("{[^}]+}", "any-1", path)
    return await here.http.request(method, there, headers={"Authorization": "", **headers})


def routes_of(here: Counter) -> list[tuple[str, str]]:
    return [
        (method, route.path)
        for route in every_route(here.app.routes)
        if isinstance(route, APIRoute)
        for method in sorted(route.methods)
    ]


async def test_no_route_answers_without_a_key_of_this_yard(database_url: str) -> None:
    async with counter(database_url) as here:
        routes = routes_of(here)
        revoked = await here.key(*Scope)
        async with here.here.database.transaction() as connection:
            key_id = revoked["Authorization"].split("_")[1]
            await api_keys.revoke(connection, "default", key_id)
        wrong_secret = (await here.key(*Scope))["Authorization"][:-4] + "0000"
        for headers in (
            {},
            {"Authorization": "Bearer sk-something"},
            {"Authorization": wrong_secret},
            revoked,
            await here.key(*Scope, expires_s=-1),
            await here.key(*Scope, tenant="somebody-else"),
        ):
            for method, path in routes:
                answer = await call(here, method, path, headers)
                assert answer.status_code == 401, (method, path, headers)
                if not path.startswith(PROBLEMS):
                    keys = {"type", "message", "details"} if path.startswith(BELOW) else ENVELOPE
                    assert answer.json()["error"].keys() == keys
                assert answer.headers["www-authenticate"] == "Bearer"
    assert len(routes) > 20


async def test_a_scope_opens_what_it_should_and_nothing_else(database_url: str) -> None:
    async with counter(database_url) as here:
        file_id = await here.upload(b"{}")
        content = f"/v1/files/{file_id}/content"
        for scope, status in (
            (Scope.AUDITOR, 200),
            (Scope.REVIEWER, 200),
            (Scope.OPERATOR, 403),
            (Scope.KEY_ADMIN, 403),
        ):
            headers = await here.key(scope)
            assert (await here.http.get(content, headers=headers)).status_code == status
            assert (await here.http.delete(f"/v1/files/{file_id}", headers=headers)).status_code == 403
        assert (await here.http.get("/v1/batches", headers=await here.key(Scope.OPERATOR))).status_code == 200


async def test_an_application_with_an_open_route_does_not_start(database_url: str) -> None:
    async with counter(database_url) as here:
        app = create_app(here.state)
        require_guarded(app)
        open_router = APIRouter()
        open_router.add_api_route("/v1/open", lambda: listed([], has_more=False))
        app.include_router(open_router)

        with pytest.raises(InternalError, match="/v1/open has no check of who calls"):
            require_guarded(app)


async def test_files_and_batches_of_another_tenant_are_not_there(database_url: str) -> None:
    async with counter(database_url) as here:
        file_id = await here.upload(b"{}")
        made = await here.batch(request())
        await here.here.do("update api_files set tenant_id = 'other'")
        await here.here.do("update api_batches set tenant_id = 'other'")

        for method, path in (
            ("GET", f"/v1/files/{file_id}"),
            ("GET", f"/v1/files/{file_id}/content"),
            ("DELETE", f"/v1/files/{file_id}"),
            ("GET", f"/v1/batches/{made['id']}"),
            ("POST", f"/v1/batches/{made['id']}/cancel"),
        ):
            assert (await here.http.request(method, path)).status_code == 404
        assert (await here.http.get("/v1/files")).json()["data"] == []
        assert (await here.http.get("/v1/batches")).json()["data"] == []
        assert await here.here.count("api_files") == 2


async def test_a_keys_last_use_is_kept(database_url: str) -> None:
    async with counter(database_url) as here:
        await here.http.get("/v1/files")

        assert [row["last_used_at"] is None for row in await here.here.database.rows("table api_keys")] == [
            False
        ]


# -- files


@pytest.mark.parametrize("size", [1, kept.PIECE_BYTES - 1, kept.PIECE_BYTES, 2 * kept.PIECE_BYTES + 17])
async def test_a_file_comes_back_as_it_was_sent(size: int, database_url: str) -> None:
    data = (b"0123456789\r\n\x00\xff--" * (size // 16 + 1))[:size]
    async with counter(database_url) as here:
        file_id = await here.upload(
            data, **{"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
        )
        found = (await here.http.get(f"/v1/files/{file_id}")).json()
        content = await here.http.get(f"/v1/files/{file_id}/content")

        assert content.content == data
        assert (found["bytes"], found["filename"], found["purpose"]) == (size, "asked.jsonl", "batch")
        assert found["expires_at"] - found["created_at"] == 3_600
        pieces = await here.here.database.rows(
            "select length(body) as n from api_file_pieces order by number"
        )
        assert max(row["n"] for row in pieces) <= kept.PIECE_BYTES
        assert (await here.http.delete(f"/v1/files/{file_id}")).json()["deleted"] is True
        assert await here.here.count("api_file_pieces") == 0


BOUNDARY = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({"Content-Type": "application/json"}, b"{}", "invalid_form"),
        ({"Content-Type": "multipart/form-data"}, b"", "invalid_form"),
        (BOUNDARY, b"", "invalid_form"),
        (BOUNDARY, b"rubbish", "invalid_form"),
        (
            BOUNDARY,
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\ncut sho',
            "invalid_form",
        ),
        (
            BOUNDARY,
            b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x--\r\n',
            "missing_required_parameter",
        ),
        (
            BOUNDARY,
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\na\r\n--x--\r\n',
            "missing_required_parameter",
        ),
        (
            BOUNDARY,
            b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n\r\n--x--\r\n',
            "empty_file",
        ),
    ],
)
async def test_a_broken_upload_is_an_error_and_leaves_nothing(
    headers: dict[str, str], body: bytes, code: str, database_url: str
) -> None:
    async with counter(database_url) as here:
        answer = await here.http.post("/v1/files", headers=headers, content=body)

        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
        assert await here.here.count("api_files") == 0


async def test_a_body_above_the_limit_is_refused_announced_or_not(database_url: str) -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        for _ in range(40):
            yield b"x" * 100_000

    async with counter(database_url, limits=Limits(body_bytes=500, upload_bytes=3_000_000)) as here:
        for answer in (
            await here.http.post("/v1/files", headers=BOUNDARY, content=unannounced()),
            await here.http.post("/v1/files", files={"file": b"x" * 3_100_000}),
            await here.http.post("/v1/batches", json={"metadata": {"a": "x" * 500}}),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
        assert await here.here.count("api_files") == 0


async def test_a_request_that_takes_too_long_is_ended_with_an_answer(database_url: str) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"--x\r\n"
        await asyncio.sleep(5)

    async with counter(database_url, limits=Limits(transfer_seconds=0.3)) as here:
        began = time.monotonic()
        answer = await here.http.post("/v1/files", headers=BOUNDARY, content=slow())

        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
        assert time.monotonic() - began < 2


# -- batches


async def test_a_batch_goes_through_its_states(database_url: str) -> None:
    async with counter(database_url) as here:
        made = await here.batch(request("a"), request("b", "Another."), metadata={"desk": "legal"})
        assert (made["status"], made["request_counts"]["total"]) == ("validating", 0)

        await here.work()
        begun = await here.at(made["id"])
        assert (begun["status"], begun["model"]) == ("in_progress", "review:clauses")
        assert begun["request_counts"] == {"total": 2, "completed": 0, "failed": 0}

        first, second = await here.here.jobs()
        await here.end_jobs([first])
        await here.work()
        assert (await here.at(made["id"]))["request_counts"] == {"total": 2, "completed": 1, "failed": 0}
        await here.end_jobs([second], JobState.REFUSED)
        await here.work()

        done = await here.at(made["id"])
        assert (done["status"], done["metadata"]) == ("completed", {"desk": "legal"})
        assert done["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
        assert done["usage"]["total_tokens"] == 120
        (good,) = await rows_of(here, done["output_file_id"])
        (bad,) = await rows_of(here, done["error_file_id"])
        assert (good["custom_id"], good["response"]["status_code"], good["error"]) == ("a", 200, None)
        assert (bad["custom_id"], bad["response"], bad["error"]["code"]) == ("b", None, "refused")
    check_invariants(database_url)


async def rows_of(here: Counter, file_id: str) -> list[dict[str, Any]]:
    content = await here.http.get(f"/v1/files/{file_id}/content")
    return [json.loads(line) for line in content.content.splitlines()]


async def test_requirements_of_metadata_and_the_tenants_floor_reach_every_job(database_url: str) -> None:
    async with counter(database_url, default_sensitivity="confidential") as here:
        await here.batch(request(), metadata={"classyard_residency": "eu"}, completion_window="1h")
        await here.work()

        (job,) = await here.here.jobs()
        assert (job.sensitivity, job.residency) == (Sensitivity.CONFIDENTIAL, ("eu",))
        assert job.deadline_at is not None
    check_invariants(database_url)


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
async def test_files_are_read_whatever_their_mark_and_line_ends(
    mark: bytes, end: bytes, database_url: str
) -> None:
    """The umlauts are cut in two at the border of pieces, in one or the other."""
    texts = ["ü" * 700_000, "x" + "ü" * 700_000]
    lines = [json.dumps(request(f"c{n}", text), ensure_ascii=False).encode() for n, text in enumerate(texts)]
    async with counter(database_url) as here:
        file_id = await here.upload(mark + end.join(lines))
        asked = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        made = (await here.http.post("/v1/batches", json=asked)).json()
        await here.work()

        assert (await here.at(made["id"]))["status"] == "in_progress"
        rows = await here.here.database.rows("select body from documents order by size_bytes")
        assert [bytes(row["body"]).decode() for row in rows] == texts


async def test_a_file_with_mistakes_fails_whole_and_names_their_lines(database_url: str) -> None:
    async with counter(database_url) as here:
        made = await here.batch(request("a"), request("a"), request("c", n=3), request("d", model="other"))
        await here.work()

        failed = await here.at(made["id"])
        assert (failed["status"], failed["in_progress_at"]) == ("failed", None)
        assert failed["failed_at"] is not None
        assert [(one["code"], one["line"]) for one in failed["errors"]["data"]] == [
            ("duplicate_custom_id", 2),
            ("unsupported_value", 3),
            ("model_mismatch", 4),
        ]
        assert await here.here.count("jobs") == await here.here.count("documents") == 0


@pytest.mark.parametrize(
    ("changes", "code"), [({"model": "gpt-5"}, "model_not_found"), ({"model": "auto"}, "invalid_request")]
)
async def test_a_batch_that_names_nothing_to_look_for_fails(
    changes: dict[str, Any], code: str, database_url: str
) -> None:
    async with counter(database_url) as here:
        made = await here.batch(request(**changes))
        await here.work()

        (error,) = (await here.at(made["id"]))["errors"]["data"]
        assert error["code"] == code


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"endpoint": "/v1/embeddings"}, "endpoint"),
        ({"completion_window": "soon"}, "completion_window"),
        ({"input_file_id": "file-0"}, "input_file_id"),
        ({"metadata": {"a": "x" * 513}}, "metadata"),
        ({"metadata": {"k" * 65: "x"}}, "metadata"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"surprise": 1}, "surprise"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 5}}, "output_expires_after.seconds"),
    ],
)
async def test_a_wrong_batch_is_refused_at_once_with_the_parameter(
    changes: dict[str, Any], param: str, database_url: str
) -> None:
    async with counter(database_url) as here:
        file_id = await here.upload(b"{}")
        asked = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        answer = await here.http.post("/v1/batches", json={**asked, **changes})

        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text
        assert await here.here.count("api_batches") == 0


async def test_any_window_is_echoed_as_it_was_sent(database_url: str) -> None:
    async with counter(database_url) as here:
        for window, seconds in (("1h", 3_600), ("PT2H", 7_200), ("24h", 86_400)):
            made = await here.batch(request(), completion_window=window)
            assert made["completion_window"] == window
            assert abs(made["expires_at"] - made["created_at"] - seconds) <= 1


async def test_a_repeated_request_with_its_key_is_the_same_batch(database_url: str) -> None:
    async with counter(database_url) as here:
        file_id = await here.upload(json.dumps(request()).encode())
        asked = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        key = {"Idempotency-Key": "monday"}
        first, again, other = [
            await here.http.post("/v1/batches", json={**asked, **more}, headers=key)
            for more in ({}, {}, {"completion_window": "1h"})
        ]

        assert first.json()["id"] == again.json()["id"]
        assert other.status_code == 422
        assert await here.here.count("api_batches") == 1


async def test_what_was_open_is_cancelled_and_what_was_done_is_kept(database_url: str) -> None:
    async with counter(database_url) as here:
        made = await here.batch(request("a"), request("b", "Another."))
        await here.work()
        await here.end_jobs((await here.here.jobs())[:1])

        asked = await here.http.post(f"/v1/batches/{made['id']}/cancel")
        assert asked.json()["status"] == "cancelling"
        await here.work()

        done = await here.at(made["id"])
        assert done["status"] == "cancelled" and done["cancelled_at"] is not None
        assert [one["custom_id"] for one in await rows_of(here, done["output_file_id"])] == ["a"]
        (lost,) = await rows_of(here, done["error_file_id"])
        assert (lost["custom_id"], lost["error"]["code"]) == ("b", "batch_cancelled")
        assert (await here.http.post(f"/v1/batches/{made['id']}/cancel")).json()["status"] == "cancelled"
    check_invariants(database_url)


async def test_a_batch_cancelled_before_it_was_read_has_no_jobs(database_url: str) -> None:
    async with counter(database_url) as here:
        made = await here.batch(request())
        await here.http.post(f"/v1/batches/{made['id']}/cancel")
        await here.work()

        assert (await here.at(made["id"]))["status"] == "cancelled"
        assert await here.here.count("jobs") == 0


async def test_a_batch_with_expired_jobs_is_expired_and_has_its_partial_results(database_url: str) -> None:
    async with counter(database_url) as here:
        made = await here.batch(request("a"), request("b", "Another."))
        await here.work()
        first, second = await here.here.jobs()
        await here.end_jobs([first])
        await here.end_jobs([second], JobState.EXPIRED)
        await here.work()

        done = await here.at(made["id"])
        assert done["status"] == "expired" and done["expired_at"] is not None
        (lost,) = await rows_of(here, done["error_file_id"])
        assert lost["error"] == {
            "code": "batch_expired",
            "message": "This request could not be executed before the completion window expired.",
        }
        answer = await here.http.post(f"/v1/batches/{made['id']}/cancel")
        assert answer.status_code == 409


async def test_a_desk_that_dies_after_the_documents_were_taken_takes_them_once(database_url: str) -> None:
    async with counter(database_url) as here:
        made = await here.batch(request("a"), request("b", "Another."))
        await here.work()
        # As if it had died between the two commits.
        await here.here.do(
            "update api_batches set batch_id = null, in_progress_at = null, claimed_until = null"
        )
        await here.work()

        assert (await here.at(made["id"]))["status"] == "in_progress"
        assert (await here.here.count("jobs"), await here.here.count("batches")) == (2, 1)


async def test_a_claim_is_renewed_while_it_is_worked_on_and_ends_with_its_worker(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "RENEW_S", 0.1)
    monkeypatch.setattr(api_batches, "CLAIM_S", 0.5)

    async with counter(database_url) as here:
        await here.batch(request())
        async with here.here.database.transaction() as connection:
            row = await api_batches.claim(connection, "default")
        assert row is not None
        async with here.desk.held(row["id"]):
            await asyncio.sleep(0.8)
            assert not await here.desk.step()
        await asyncio.sleep(0.6)  # nobody works on it any more
        assert await here.desk.step()
        assert await here.here.count("jobs") == 1


async def test_pages_follow_one_another_and_end(database_url: str) -> None:
    async with counter(database_url) as here:
        made = [(await here.batch(request()))["id"] for _ in range(5)]
        seen: list[str] = []
        after: dict[str, str] = {}
        while True:
            page = (await here.http.get("/v1/batches", params={"limit": 2, **after})).json()
            seen += [one["id"] for one in page["data"]]
            if not page["has_more"]:
                break
            after = {"after": page["last_id"]}
        assert seen == made[::-1]

        oldest = (await here.http.get("/v1/files", params={"order": "asc", "limit": 1})).json()
        newest = (await here.http.get("/v1/files", params={"limit": 1})).json()
        assert oldest["data"][0]["id"] < newest["data"][0]["id"] and newest["has_more"]
        assert (await here.http.get("/v1/files", params={"purpose": "batch_output"})).json()["data"] == []
        assert (await here.http.get("/v1/batches", params={"limit": 101})).status_code == 400


async def test_expired_files_are_gone_and_swept(database_url: str) -> None:
    async with counter(database_url) as here:
        file_id = await here.upload(b"{}")
        await here.here.do("update api_files set expires_at = now() - interval '1 second'")

        assert (await here.http.get(f"/v1/files/{file_id}/content")).status_code == 404
        async with here.here.database.transaction() as connection:
            assert await kept.sweep(connection, "default") == 1
        assert await here.here.count("api_file_pieces") == 0


# -- the broker is not needed


@contextmanager
def silent_broker() -> Any:
    """Takes connections and never answers: the worst kind of dead."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


async def test_with_a_dead_broker_a_batch_is_accepted_as_fast(database_url: str) -> None:
    with silent_broker() as url:
        bells = RedisDoorbells(make_redis(url, timeout_s=1.0), Metrics())
        async with counter(database_url, bells=bells) as here:
            took = []
            for _ in range(10):
                began = time.monotonic()
                made = await here.batch(request())
                await here.work()
                took.append(time.monotonic() - began)
                assert (await here.at(made["id"]))["status"] == "in_progress"
            assert sorted(took)[5] < 0.5, took
        await bells.close()
