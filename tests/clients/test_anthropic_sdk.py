"""The unmodified `anthropic` client, with another base URL and key, drives a whole yard over a socket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import Anthropic
from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse

from simulator.documents import make_documents
from tests.clients.test_openai_sdk import address, own_key
from tests.flows.yards import Yard, pretending, provider, yard

pytestmark = pytest.mark.flows

CONTRACTS = [document.text for document in make_documents(20, 6, language="en")]


@pytest.fixture(scope="module")
def here() -> Iterator[Yard]:
    with pretending(alpha="fast-cheap") as pretend, yard(provider("alpha", pretend.url)) as running:
        yield running


@pytest.fixture(scope="module")
def client(here: Yard) -> Iterator[Anthropic]:
    with Anthropic(base_url=address(here).removesuffix("/v1"), api_key=own_key(here), max_retries=0) as made:
        yield made


def request(custom_id: str, text: str, **params: Any) -> Any:
    asked = {
        "model": "review:contract-clauses",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": text}],
    }
    return {"custom_id": custom_id, "params": {**asked, **params}}


def until_ended(client: Anthropic, batch_id: str, *, timeout_s: float = 60) -> MessageBatch:
    end = time.monotonic() + timeout_s
    while (batch := client.messages.batches.retrieve(batch_id)).processing_status != "ended":
        counts = batch.request_counts
        assert (
            counts.succeeded == counts.errored == counts.canceled == counts.expired == 0 < counts.processing
        )
        assert batch.results_url is None and batch.ended_at is None
        assert time.monotonic() < end, f"still {batch.processing_status} after {timeout_s} s"
        time.sleep(0.2)
    return batch


def results(client: Anthropic, batch_id: str) -> dict[str, MessageBatchIndividualResponse]:
    """Each is what the client's own types say, to the letter."""
    found = {}
    for one in client.messages.batches.results(batch_id):
        found[one.custom_id] = type(one).model_validate(one.model_dump(), strict=True)
    return found


def test_a_batch_goes_from_its_creation_to_its_results(client: Anthropic) -> None:
    asked = [request(f"contract-{n}", text) for n, text in enumerate(CONTRACTS)]

    made = client.messages.batches.create(
        requests=asked, extra_body={"classyard": {"sensitivity": "internal", "deadline": "2h"}}
    )
    assert (made.type, made.processing_status, made.request_counts.processing) == (
        "message_batch",
        "in_progress",
        6,
    )
    assert round((made.expires_at - made.created_at).total_seconds()) == 7_200
    done = until_ended(client, made.id)

    assert (done.request_counts.succeeded, done.request_counts.processing) == (6, 0)
    assert done.ended_at is not None and done.ended_at >= done.created_at
    found = results(client, made.id)
    assert found.keys() == {one["custom_id"] for one in asked}
    for one in found.values():
        assert one.result.type == "succeeded"
        message = one.result.message
        assert (message.role, message.stop_reason) == ("assistant", "end_turn")
        assert message.usage.input_tokens > 0 < message.usage.output_tokens
        (block,) = message.content
        assert block.type == "text"
        assert json.loads(block.text).keys() == {"summary", "findings", "verdict", "confidence"}
        assert message.model_extra and message.model_extra["classyard"]["provider"] == "alpha"


def test_words_of_the_callers_own_and_requirements_in_headers(client: Anthropic) -> None:
    system = [{"type": "text", "text": "Find the governing law.", "cache_control": {"type": "ephemeral"}}]
    made = client.messages.batches.create(
        requests=[
            request(f"r-{n}", text, model="auto", system=system) for n, text in enumerate(CONTRACTS[:2])
        ],
        extra_headers={"classyard-sensitivity": "internal"},
    )

    assert until_ended(client, made.id).request_counts.succeeded == 2
    beta = client.beta.messages.batches.retrieve(made.id)
    assert beta.processing_status == "ended"


def test_what_nobody_may_serve_is_an_errored_result(client: Anthropic) -> None:
    made = client.messages.batches.create(
        requests=[request("a", CONTRACTS[0])], extra_body={"classyard": {"residency": ["eu"]}}
    )

    assert until_ended(client, made.id).request_counts.errored == 1
    result = results(client, made.id)["a"].result
    assert result.type == "errored"
    assert result.error.error.type == "invalid_request_error" and result.error.error.message


def test_a_batch_is_canceled_and_then_deleted(client: Anthropic) -> None:
    batches = client.messages.batches
    made = batches.create(requests=[request(f"c-{n}", f"{n}. {CONTRACTS[n % 6]}") for n in range(200)])
    with pytest.raises(anthropic.ConflictError):
        batches.delete(made.id)
    with pytest.raises(anthropic.AnthropicError, match="No `results_url`"):
        batches.results(made.id)

    canceling = batches.cancel(made.id)
    assert canceling.processing_status in ("canceling", "ended") and canceling.cancel_initiated_at
    ended = until_ended(client, made.id)

    assert ended.request_counts.canceled + ended.request_counts.succeeded == 200
    assert ended.request_counts.canceled > 0
    types = [one.result.type for one in results(client, made.id).values()]
    assert types.count("canceled") == ended.request_counts.canceled and len(types) == 200
    assert batches.cancel(made.id) == ended
    deleted = batches.delete(made.id)
    assert (deleted.id, deleted.type) == (made.id, "message_batch_deleted")
    with pytest.raises(anthropic.NotFoundError):
        batches.retrieve(made.id)


def test_what_is_not_done_by_its_deadline_is_expired() -> None:
    """Beside a provider that takes longer than there is time."""
    with pretending(alpha="strong-slow") as pretend, yard(provider("alpha", pretend.url)) as here:
        base = address(here).removesuffix("/v1")
        with Anthropic(base_url=base, api_key=own_key(here), max_retries=0) as client:
            made = client.messages.batches.create(
                requests=[request(f"e-{n}", f"{n}. {CONTRACTS[n % 6]}") for n in range(300)],
                extra_body={"classyard": {"deadline": "3s"}},
            )
            counts = until_ended(client, made.id).request_counts

            assert counts.expired > 0
            assert counts.expired + counts.succeeded + counts.errored == 300
            types = [one.result.type for one in results(client, made.id).values()]
            assert types.count("expired") == counts.expired


def test_lists_go_on_from_page_to_page_both_ways(client: Anthropic) -> None:
    batches = client.messages.batches
    made = [batches.create(requests=[request("a", f"{n}. {CONTRACTS[0]}")]).id for n in range(5)][::-1]

    assert [one.id for one in batches.list(limit=2)][:5] == made
    assert [one.id for one in batches.list(limit=2, after_id=made[1])][:3] == made[2:]
    # The client keeps to each page's own order, newest first, as it goes towards the newest.
    assert [one.id for one in batches.list(limit=2, before_id=made[4])] == [
        made[2],
        made[3],
        made[0],
        made[1],
    ]


def test_errors_are_the_clients_own_exceptions(here: Yard, client: Anthropic) -> None:
    batches = client.messages.batches
    with pytest.raises(anthropic.AuthenticationError) as nobody:
        client.with_options(api_key="sk-ant-wrong").messages.batches.list()
    assert nobody.value.type == "authentication_error"
    assert nobody.value.request_id == nobody.value.body["request_id"]  # type: ignore[index]
    with pytest.raises(anthropic.NotFoundError) as missing:
        batches.retrieve("msgbatch_0")
    assert missing.value.type == "not_found_error"
    with pytest.raises(anthropic.BadRequestError) as wrong:
        batches.create(requests=[request("a", "A."), request("b", "B.", tools=[{"name": "f"}])])
    assert wrong.value.api_message is not None
    assert wrong.value.api_message.startswith("requests.1.params.tools: ")
    assert wrong.value.error_code == "unsupported_value"
    with pytest.raises(anthropic.BadRequestError):
        batches.list(extra_headers={"anthropic-version": "1999-01-01"})
    batches.create(requests=[request("a", CONTRACTS[0])])
    made = here.cli("keys", "new", "a watcher", "--scope", "operator")
    watcher = client.with_options(api_key=made.out.strip()).messages.batches
    assert watcher.list().data
    with pytest.raises(anthropic.PermissionDeniedError):
        watcher.create(requests=[request("a", "A.")])


def test_the_example_in_the_docs_runs(here: Yard) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()
    example = page.partition("## With Anthropic's SDK")[2].partition("```python\n")[2].partition("```")[0]
    there = {"CLASSYARD_URL": address(here), "CLASSYARD_KEY": own_key(here)}

    done = subprocess.run(
        [sys.executable, "-c", example],
        env={**os.environ, **there},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("contract-1 MessageBatchSucceededResult(")


def test_a_bearer_token_is_a_key_as_well(here: Yard) -> None:
    base = address(here).removesuffix("/v1")
    with Anthropic(base_url=base, auth_token=own_key(here), max_retries=0) as client:
        assert client.messages.batches.list(limit=1).data


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (413, anthropic.ContentTooLargeError),
        (429, anthropic.RateLimitError),
        (529, anthropic.OverloadedError),
    ],
)
def test_statuses_that_a_small_yard_seldom_gives_are_its_exceptions_too(
    status: int, error: type[anthropic.APIStatusError]
) -> None:
    """By the answers that the API makes of them, without a yard."""
    from producer.api.errors import ApiError

    scope = {"path": "/v1/messages/batches", "classyard.request_id": "req_1"}
    answer = ApiError(503 if status == 529 else status, "Too much.").answer(scope)
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(
            answer.status_code, content=bytes(answer.body), headers={"request-id": "req_1"}
        )
    )
    with (
        Anthropic(api_key="k", max_retries=0, http_client=httpx2.Client(transport=transport)) as client,
        pytest.raises(error) as raised,
    ):
        client.messages.batches.list()
    assert raised.value.request_id == "req_1" and raised.value.api_message == "Too much."
