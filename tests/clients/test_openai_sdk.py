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
        answer = json.loads(body.choices[0].message.content or "")
        assert answer.keys() == {"summary", "findings", "verdict", "confidence"}
        assert row["response"]["body"]["classyard"]["provider"] == "alpha"
