"""The unmodified `openai` client asks for one answer at a time, streams it, lists models, gets its own exceptions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from simulator.documents import make_documents
from tests.clients.test_openai_sdk import address, own_key
from tests.flows.yards import Yard, pretending, provider, until, write_contracts, yard
from tests.invariants import check_invariants

pytestmark = pytest.mark.flows

CONTRACTS = [document.text for document in make_documents(21, 4, language="en")]
REVIEW: Any = "review:contract-clauses"


@pytest.fixture(scope="module")
def here() -> Iterator[Yard]:
    rule = {
        "rule": "not-the-slow-one",
        "forbid": "provider.name == 'slow' && job.sensitivity_rank < 2",
        "because": "It is too slow for this.",
    }
    policy = {"tiers": [{"tier": "thrifty", "when": "false", "providers": ["beta"]}], "rules": [rule]}
    with (
        pretending(alpha="instant", beta="instant", slow="instant:base_ms=20000") as pretend,
        yard(
            *(provider(name, pretend.url) for name in ("alpha", "beta")),
            # Confidential documents are its alone, and it has no others.
            provider("slow", pretend.url, boundary="confidential", regions=["us"]),
            policy=policy,
        ) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def client(here: Yard) -> Iterator[OpenAI]:
    with OpenAI(base_url=address(here), api_key=own_key(here), max_retries=0, timeout=60) as made:
        yield made


def asked(text: str = CONTRACTS[0], **changes: Any) -> Any:
    return {"model": REVIEW, "messages": [{"role": "user", "content": text}], **changes}


def test_one_document_is_answered_in_the_request(client: OpenAI) -> None:
    found = client.chat.completions.create(**asked())

    answer = json.loads(found.choices[0].message.content or "")
    assert answer.keys() == {"summary", "findings", "verdict", "confidence"}
    assert found.usage is not None and found.usage.total_tokens > 0
    ours = (found.model_extra or {})["classyard"]
    assert found._request_id == ours["job_id"] and ours["decision_digest"]


def test_words_of_ones_own_and_responses(client: OpenAI) -> None:
    found = client.responses.create(model="auto", instructions="Find the governing law.", input=CONTRACTS[1])

    assert "verdict" in json.loads(found.output_text)


def test_a_stream_is_read_by_the_client(client: OpenAI) -> None:
    said = ""
    for chunk in client.chat.completions.create(**asked(stream=True)):
        said += chunk.choices[0].delta.content or "" if chunk.choices else ""

    assert "verdict" in json.loads(said)


def test_models_are_listed_and_the_named_one_answers(client: OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert {"auto", REVIEW, "tier:thrifty", "alpha/alpha-1", "alpha-1"} <= set(names)
    assert client.models.retrieve("beta/beta-1").owned_by == "beta"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")

    review = {"metadata": {"classyard_review": "contract-clauses"}}
    for model, served_by in (("beta-1", "beta"), ("alpha/alpha-1", "alpha"), ("tier:thrifty", "beta")):
        found = client.chat.completions.create(**asked(model=model, **review))
        assert (found.model_extra or {})["classyard"]["provider"] == served_by


def test_errors_are_the_clients_own_exceptions(client: OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.chat.completions.create(**asked(metadata={"classyard_sensitivity": "restricted"}))
    assert refused.value.code == "boundary" and refused.value.request_id
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(**asked(model="gpt-9"))
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(**asked(tools=[{"type": "function", "function": {"name": "f"}}]))
    assert wrong.value.param == "tools"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-wrong").chat.completions.create(**asked())
    with pytest.raises(openai.InternalServerError) as late:
        nearly = {"classyard_sensitivity": "confidential", "classyard_deadline": "1s"}
        client.chat.completions.create(**asked(metadata=nearly))
    assert late.value.status_code == 504 and late.value.code


def test_a_client_that_gives_up_leaves_no_work(here: Yard, client: OpenAI) -> None:
    quick = client.with_options(timeout=1.5)
    slow = asked(CONTRACTS[3], metadata={"classyard_sensitivity": "confidential"})

    with pytest.raises(openai.APITimeoutError):
        quick.chat.completions.create(**slow)

    newest = "select state from jobs order by id desc limit 1"
    until(lambda: here.one(newest) == "cancelled", "the job of who has gone to be cancelled")
    with pytest.raises(openai.APITimeoutError):
        quick.chat.completions.create(**slow, extra_headers={"Idempotency-Key": "one"})
    assert here.one(newest) in ("accepted", "routed", "serving")


def test_many_at_once_have_each_their_own_answer(here: Yard) -> None:
    async def every() -> list[Any]:
        async with AsyncOpenAI(base_url=address(here), api_key=own_key(here), max_retries=0) as many:
            return await asyncio.gather(
                *(many.chat.completions.create(**asked(f"{n}. {CONTRACTS[n % 4]}")) for n in range(40))
            )

    found = asyncio.run(every())

    assert len({one._request_id for one in found}) == 40
    until(lambda: here.one("select count(*) from jobs where state = 'serving'") == 0, "the last call to end")
    check_invariants(here.database_url)


def test_the_command_line_names_models_and_tiers_as_well(here: Yard, tmp_path: Path) -> None:
    write_contracts(tmp_path / "few", 2)
    asked = (tmp_path / "few", "--review", "contract-clauses")

    for name in ("submit", "quote"):
        unknown = here.cli(name, *asked, "--model", "gpt-9")
        assert (unknown.code, "There is no model 'gpt-9' in the catalog" in unknown.err) == (2, True)
    unknown = here.cli("submit", *asked, "--tier", "steep")
    assert (unknown.code, "it has none" in unknown.err or "thrifty" in unknown.err) == (2, True)
    quoted = here.cli("quote", *asked, "--model", "beta/beta-1")
    assert quoted.code == 0 and "beta" in quoted.out and "alpha" not in quoted.out
    batch = here.submit(*asked, "--model", "beta-1")
    assert here.wait(batch) == {"succeeded": 2}
    explained = here.cli("explain", here.one("select id::text from jobs where batch_id = %s limit 1", batch))
    assert "Model 'beta-1' was asked for, and this is another one." in explained.out
    assert here.cli("replay", "--verify", batch).code == 0
