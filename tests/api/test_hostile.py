"""Requests that nobody means well with: each is answered with a sentence and a 4xx, in the form of its API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from producer.api.errors import PROBLEMS
from producer.api.guard import MAX_ADDRESS_BYTES
from tests.counter import Counter, counter

pytestmark = [pytest.mark.services, pytest.mark.asyncio]

JSON = {"Content-Type": "application/json"}
NEW = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
DEEP = "[" * 200_000
DIGITS = "9" * 6_000
NOBODY = "0198c0de-0000-7000-8000-000000000001"


def require_refused(answer: Any, path: str) -> None:
    assert 400 <= answer.status_code < 500, (answer.text[:300], answer.request.content[:300], path[:200])
    if path.startswith(PROBLEMS):
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
    else:
        assert answer.json()["error"]["message"]


async def tried(here: Counter, method: str, path: str, **more: Any) -> None:
    require_refused(await here.http.request(method, path, **more), path)


BODIES = [
    DEEP,
    f'{{"input_file_id": {DEEP}',
    f'{{"input_file_id": {DIGITS}}}',
    "{",
    "",
    "null",
    "[]",
    '"text"',
    b"\xff\xfe{}",
    b'{"input_file_id": "\xff"}',
    json.dumps({**NEW, "metadata": {"a": "\0"}}),
    json.dumps({**NEW, "metadata": {"\0": "a"}}),
    json.dumps({**NEW, "metadata": {"a": "\ud800"}}),
    json.dumps({**NEW, "metadata": {"\udfff": "a"}}),
    json.dumps({**NEW, "input_file_id": "\0"}),
    json.dumps({**NEW, "input_file_id": "\ud800"}),
    json.dumps({**NEW, "completion_window": "\ud800"}),
    json.dumps({**NEW, "completion_window": "9" * 60 + "h"}),
    json.dumps({**NEW, "endpoint": "\0"}),
    json.dumps({**NEW, "metadata": {str(n): "" for n in range(17)}}),
    json.dumps({**NEW, "metadata": {"a" * 65: ""}}),
    json.dumps({**NEW, "metadata": {"classyard_max_cost": DIGITS[:500]}}),
    json.dumps({**NEW, "metadata": {"classyard_deadline": "\u0665h"}}),
    json.dumps({**NEW, "output_expires_after": {"anchor": "created_at", "seconds": 10**30}}),
    '{"input_file_id": NaN, "endpoint": Infinity}',
]


async def test_a_body_of_json_that_is_no_batch(database_url: str) -> None:
    async with counter(database_url) as here:
        file_id = await here.upload(b"{}")
        for body in BODIES:
            sent = body.replace("file-1", file_id) if isinstance(body, str) else body
            await tried(here, "POST", "/v1/batches", content=sent, headers=JSON)

        assert await here.here.count("api_batches") == 0


KINDS = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "\xff"]


async def test_a_body_of_another_kind(database_url: str) -> None:
    async with counter(database_url) as here:
        for kind in KINDS:
            headers = {"Content-Type": kind.encode("latin-1")}
            await tried(here, "POST", "/v1/batches", content=json.dumps(NEW).encode(), headers=headers)
            await tried(here, "POST", "/v1/files", content=b"{}", headers=headers)


LINES = [
    DEEP,
    f'{{"custom_id": "a", "text": {DEEP}',
    f'{{"custom_id": {DIGITS}, "text": "a"}}',
    '{"custom_id": "a\\u0000", "text": "a"}',
    '{"custom_id": "a", "text": "a\\u0000"}',
    '{"custom_id": "\\ud800", "text": "a"}',
    '{"custom_id": "a", "text": "\\ud800"}',
    '{"custom_id": "a", "text": ["a"]}',
    json.dumps({"custom_id": "a" * 513, "text": "a"}),
    "\ufeff",
    "\0",
]


async def test_a_line_that_is_no_document(database_url: str) -> None:
    async with counter(database_url) as here:
        for line in LINES:
            for path in ("/v1/reviews", "/v1/reviews/quote"):
                await tried(here, "POST", path, params={"review": "clauses"}, content=line.encode())
        assert await here.here.count("batches") == 0


ADDRESSES = [
    f"/v1/reviews?limit={DIGITS}",
    "/v1/reviews?limit=1e3",
    "/v1/reviews?limit=\u0661",
    "/v1/reviews?limit=1&limit=0",
    "/v1/reviews?after=nothing",
    "/v1/reviews?after=%00",
    "/v1/reviews?review=%00",
    "/v1/reviews?after=%ff",
    "/v1/reviews?after=%zz",
    "/v1/reviews?surprise=1",
    "/v1/reviews?review=" + "a" * 101,
    "/v1/reviews/%00",
    "/v1/reviews/%ff%fe",
    "/v1/reviews/%zz",
    "/v1/reviews/..%2f..",
    f"/v1/reviews/{NOBODY}/results?state=nothing",
    f"/v1/reviews/{NOBODY}/results?verdict=nothing",
    f"/v1/reviews/{NOBODY}/results?custom_id=" + "a" * 513,
    f"/v1/reviews/{NOBODY}/jobs/%00",
    f"/v1/reviews/{NOBODY}/jobs/a%2fb",
    f"/v1/reviews/{{{NOBODY}}}",
    f"/v1/reviews/urn:uuid:{NOBODY}",
    "/v1/files?limit=0",
    f"/v1/files?limit=-{DIGITS}",
    "/v1/files?after=%00",
    "/v1/files/%00",
    "/v1/files/%ff/content",
    "/v1/batches/%00",
    "/v1/batches?after=%00",
    "/v1/policy?x=%00",
    "/v1/files?x=" + "a" * MAX_ADDRESS_BYTES,
    "/v1/reviews/" + "a" * MAX_ADDRESS_BYTES,
]


async def test_an_address_that_names_nothing(database_url: str) -> None:
    async with counter(database_url) as here:
        for address in ADDRESSES:
            await tried(here, "GET", address)


HEADERS = [
    ("Authorization", b"Bearer \xff\xfe"),
    ("Authorization", b"Bearer cy_\xc3\xa9"),
    ("Authorization", b"\xff"),
    ("Authorization", b"Bearer " + b"a" * 10_000),
    ("Idempotency-Key", b"a" * 256),
    ("Last-Event-ID", b"a" * 101),
    ("Accept", b"\xff"),
]


async def test_headers_that_are_none(database_url: str) -> None:
    async with counter(database_url) as here:
        made = (await here.here.submit(1)).batch_id
        path = {"Idempotency-Key": "/v1/reviews", "Accept": f"/v1/reviews/{made}/results"}
        for name, value in HEADERS:
            there = path.get(name, f"/v1/reviews/{made}/events")
            method = "POST" if there == "/v1/reviews" else "GET"
            params = {"review": "clauses"} if method == "POST" else None
            await tried(here, method, there, headers={name: value}, content=b"", params=params)


async def test_a_key_of_any_bytes_is_kept_or_refused(database_url: str) -> None:
    async with counter(database_url) as here:
        for name in (b"\xff\xfe", b"\x80", "ключ".encode()):
            made = await here.http.post(
                "/v1/reviews",
                params={"review": "clauses"},
                content=b'{"custom_id": "a", "text": "A contract."}',
                headers={"Idempotency-Key": name},
            )
            assert made.status_code in (202, 400), made.text
