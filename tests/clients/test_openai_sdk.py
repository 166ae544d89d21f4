"""The unmodified `openai` client, with another base URL, drives a whole yard over a socket."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import Batch

from simulator.documents import make_documents
from tests.flows.yards import Yard, pretending, provider, yard

pytestmark = pytest.mark.flows

TERMINAL = ("completed", "failed", "expired", "cancelled")
CHAT = "/v1/chat/completions"
CONTRACTS = [document.text for document in make_documents(20, 6, language="en")]


@pytest.fixture(scope="module")
def here() -> Iterator[Yard]:
    with pretending(alpha="fast-cheap") as pretend, yard(provider("alpha", pretend.url)) as running:
        yield running


@pytest.fixture(scope="module")
def client(here: Yard) -> Iterator[OpenAI]:
    with OpenAI(base_url=address(here), api_key=own_key(here), max_retries=0) as made:
        yield made


def address(here: Yard) -> str:
    """As `classyard status` names it."""
    found = re.search(r"HTTP API: (http://\S+)", here.cli("status").out)
    assert found, here.cli("status").out
    return found[1]


def own_key(here: Yard) -> str:
    path = here.home.run / "api.key"
    assert path.stat().st_mode & 0o077 == 0
    return path.read_text()


def request(custom_id: str, text: str, *, url: str = CHAT, **body: Any) -> dict[str, Any]:
    content = {"messages": [{"role": "user", "content": text}]} if url == CHAT else {"input": text}
    whole = {"model": "review:contract-clauses", **content, **body}
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": whole}


def upload(client: OpenAI, *lines: dict[str, Any]) -> str:
    data = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode()
    return client.files.create(file=("asked.jsonl", io.BytesIO(data)), purpose="batch").id


def create(client: OpenAI, *lines: dict[str, Any], endpoint: Any = CHAT, **more: Any) -> Batch:
    return client.batches.create(
        input_file_id=upload(client, *lines),
        endpoint=endpoint,
        **{"completion_window": "24h", **more},
    )


def until_ended(client: OpenAI, batch_id: str, *, timeout_s: float = 60) -> Batch:
    end = time.monotonic() + timeout_s
    while (batch := client.batches.retrieve(batch_id)).status not in TERMINAL:
        assert time.monotonic() < end, f"still {batch.status} after {timeout_s} s: {batch.request_counts}"
        time.sleep(0.2)
    return batch


def rows_of(client: OpenAI, file_id: str | None) -> dict[str, dict[str, Any]]:
    assert file_id is not None
    lines = client.files.content(file_id).text.splitlines()
    return {row["custom_id"]: row for row in map(json.loads, lines)}


def test_a_batch_goes_from_upload_to_results(client: OpenAI) -> None:
    asked = [request(f"contract-{n}", text) for n, text in enumerate(CONTRACTS)]

    made = create(client, *asked, metadata={"desk": "legal", "classyard_sensitivity": "internal"})
    assert made.status in ("validating", "in_progress")
    assert (made.completion_window, made.metadata) == (
        "24h",
        {"desk": "legal", "classyard_sensitivity": "internal"},
    )
    done = until_ended(client, made.id)

    assert done.status == "completed"
    assert done.errors is None and done.error_file_id is None
    assert done.request_counts is not None and done.usage is not None
    assert (done.request_counts.total, done.request_counts.completed) == (6, 6)
    assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens > 0
    times = (done.created_at, done.in_progress_at, done.finalizing_at, done.completed_at)
    assert all(a is not None and b is not None and a <= b for a, b in pairwise(times))
    rows = rows_of(client, done.output_file_id)
    assert rows.keys() == {one["custom_id"] for one in asked}
    for row in rows.values():
        assert row["error"] is None and row["response"]["status_code"] == 200
        body = openai.types.chat.ChatCompletion.model_validate(row["response"]["body"])
        assert body.usage is not None and body.usage.prompt_tokens_details is not None
        assert body.usage.completion_tokens_details is not None
        assert body.usage.total_tokens == body.usage.prompt_tokens + body.usage.completion_tokens
        answer = json.loads(body.choices[0].message.content or "")
        assert answer.keys() == {"summary", "findings", "verdict", "confidence"}
        assert row["response"]["body"]["classyard"]["provider"] == "alpha"


def test_responses_and_instructions_of_the_callers_own(client: OpenAI) -> None:
    asked = [
        request(f"r-{n}", text, url="/v1/responses", model="auto", instructions="Find the governing law.")
        for n, text in enumerate(CONTRACTS[:2])
    ]

    done = until_ended(client, create(client, *asked, endpoint="/v1/responses", completion_window="PT1H").id)

    assert (done.status, done.completion_window, done.model) == ("completed", "PT1H", "auto")
    for row in rows_of(client, done.output_file_id).values():
        body = openai.types.responses.Response.model_validate(row["response"]["body"])
        assert "verdict" in json.loads(body.output_text)


def test_a_file_with_mistakes_fails_with_their_lines(client: OpenAI) -> None:
    failed = until_ended(client, create(client, request("a", "One."), request("a", "Two.", n=2)).id)

    assert failed.status == "failed" and failed.errors and failed.errors.data
    assert [(one.code, one.line) for one in failed.errors.data] == [("unsupported_value", 2)]
    assert failed.output_file_id is None


def test_what_nobody_may_serve_ends_in_the_error_file(client: OpenAI) -> None:
    made = create(client, request("a", CONTRACTS[0]), metadata={"classyard_residency": "eu"})

    done = until_ended(client, made.id)

    assert done.status == "completed" and done.output_file_id is None
    (row,) = rows_of(client, done.error_file_id).values()
    assert row["response"] is None and row["error"]["code"] and row["error"]["message"]


def test_a_batch_is_cancelled(client: OpenAI) -> None:
    made = create(client, *[request(f"c-{n}", f"{n}. {CONTRACTS[n % 6]}") for n in range(200)])

    assert client.batches.cancel(made.id).status == "cancelling"
    ended = until_ended(client, made.id)

    assert ended.status == "cancelled" and ended.cancelled_at
    assert ended.request_counts is not None and ended.request_counts.total == 200
    lost = rows_of(client, ended.error_file_id)
    assert {row["error"]["code"] for row in lost.values()} == {"batch_cancelled"}
    done = rows_of(client, ended.output_file_id) if ended.output_file_id else {}
    assert len(done) == ended.request_counts.completed and len(done) + len(lost) == 200
    assert client.batches.cancel(made.id) == ended


def test_what_is_not_done_within_the_window_is_expired_and_what_is_done_is_kept() -> None:
    """Beside a provider that takes longer than there is time."""
    with (
        pretending(alpha="strong-slow") as pretend,
        yard(provider("alpha", pretend.url)) as here,
        OpenAI(base_url=address(here), api_key=own_key(here), max_retries=0) as client,
    ):
        asked = [request(f"e-{n}", f"{n}. {CONTRACTS[n % 6]}") for n in range(300)]
        made = create(client, *asked, metadata={"classyard_deadline": "8s"})
        ended = until_ended(client, made.id)

        assert (ended.status, ended.completion_window) == ("expired", "24h") and ended.expired_at
        lost = rows_of(client, ended.error_file_id)
        assert {row["error"]["code"] for row in lost.values()} == {"batch_expired"}
        done = rows_of(client, ended.output_file_id) if ended.output_file_id else {}
        assert done.keys() | lost.keys() == {one["custom_id"] for one in asked}
        with pytest.raises(openai.ConflictError) as ended_before:
            client.batches.cancel(made.id)
        assert ended_before.value.code == "batch_ended"


def test_lists_go_on_from_page_to_page(client: OpenAI) -> None:
    made = [create(client, request("a", f"{n}. {CONTRACTS[0]}")).id for n in range(3)]

    assert [batch.id for batch in client.batches.list(limit=2)][:3] == made[::-1]
    assert [file.id for file in client.files.list(purpose="batch", order="asc", limit=3)] == sorted(
        file.id for file in client.files.list(purpose="batch")
    )


def test_a_file_is_kept_shown_and_deleted(client: OpenAI) -> None:
    data = "\ufeff".encode() + b'{"a": 1}\r\n' * 200_000

    file = client.files.create(
        file=("x.jsonl", data),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )

    assert (file.bytes, file.filename, file.status) == (len(data), "x.jsonl", "processed")
    assert file.expires_at == file.created_at + 3600
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).content == data
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)


def test_errors_are_the_clients_own_exceptions(here: Yard, client: OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        client.with_options(api_key="sk-wrong").files.list()
    assert refused.value.code == "invalid_api_key"
    assert refused.value.request_id and refused.value.request_id.startswith("req_")
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_0")
    with pytest.raises(openai.BadRequestError) as wrong:
        create(client, request("a", "A."), endpoint="/v1/embeddings")
    assert wrong.value.param == "endpoint"
    with pytest.raises(openai.BadRequestError):
        client.files.create(file=("x", b"x"), purpose="assistants")
    with pytest.raises(openai.NotFoundError):
        client.fine_tuning.jobs.list()
    made = here.cli("keys", "new", "a watcher", "--scope", "operator")
    assert made.code == 0, made.err
    watcher = client.with_options(api_key=made.out.strip())
    assert watcher.batches.list().data
    with pytest.raises(openai.PermissionDeniedError):
        watcher.files.list()
    key_id = made.out.split("_")[1]
    assert key_id in here.cli("keys", "list").out
    assert here.cli("keys", "revoke", key_id).code == 0
    with pytest.raises(openai.AuthenticationError):
        watcher.batches.list()


def test_no_log_holds_a_document_or_a_key(here: Yard, client: OpenAI) -> None:
    secret = "the merger with Initech Holdings"
    until_ended(client, create(client, request("a", f"{secret}. {CONTRACTS[0]}")).id)

    for log in here.home.logs.glob("*.log"):
        text = log.read_text(errors="replace")
        assert own_key(here) not in text and own_key(here).rpartition("_")[2] not in text
        if not log.name.startswith("postgres"):
            assert secret not in text, log.name
