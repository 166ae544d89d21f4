"""Both wires, without a server: bodies to facts, replies to bodies."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.errors import BadInput
from simulator import anthropic_wire, openai_wire
from simulator.behaviour import RequestFacts, SimulatedReply, reply
from simulator.profiles import PROFILES, FaultKind, Profile

USER = {"role": "user", "content": "Review.\n<document>\nHello.\n</document>"}
ANTHROPIC = {"anthropic-version": "2023-06-01"}
SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


def openai_facts(**more: Any) -> RequestFacts:
    body = {"model": "m", "messages": [{"role": "system", "content": "abc"}, USER], **more}
    return openai_wire.read(body, {}, provider="p", digest=b"d" * 32, repeat=0)


def anthropic_facts(**more: Any) -> RequestFacts:
    body = {"model": "m", "max_tokens": 50, "messages": [USER], **more}
    return anthropic_wire.read(body, ANTHROPIC, provider="p", digest=b"d" * 32, repeat=0)


def say(facts: RequestFacts, profile: Profile = PROFILES["instant"]) -> SimulatedReply:
    return reply(profile, facts, seed=1, call_number=1, elapsed_s=0)


def test_openai_facts() -> None:
    facts = openai_facts(
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    )

    assert (facts.model, facts.document, facts.schema) == ("m", "Hello.", SCHEMA)
    assert facts.prompt_characters == 3 + len(USER["content"])


def test_content_in_parts_reads_like_content_in_one() -> None:
    parts = [{"type": "text", "text": "Review."}, {"type": "text", "text": "<document>\nHello.\n</document>"}]

    assert openai_facts(messages=[{"role": "user", "content": parts}]).document == "Hello."


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"model": ""}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": ["hello"]}, "messages"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stream": True}, "stream"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
    ],
)
def test_a_wrong_openai_body_names_its_field(more: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        openai_facts(**more)

    assert caught.value.code == field


def test_the_tokens_with_logprobs_are_the_answer() -> None:
    facts = openai_facts(logprobs=True, top_logprobs=3)
    said = say(facts)

    choice = openai_wire.answer(said, facts, call_id="x", now_unix_s=1)["choices"][0]

    content = choice["logprobs"]["content"]
    assert "".join(entry["token"] for entry in content) == choice["message"]["content"]
    assert len(content) == said.output_tokens
    assert all(len(entry["top_logprobs"]) == 3 and entry["logprob"] < 0 for entry in content)


def test_an_answer_above_the_limit_of_tokens_is_cut_off() -> None:
    facts = openai_facts(max_completion_tokens=2)
    said = say(facts)

    body = openai_wire.answer(said, facts, call_id="x", now_unix_s=1)

    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 2
    assert len(body["choices"][0]["message"]["content"]) == 8


def test_anthropic_facts_from_output_config_and_from_a_tool() -> None:
    tools = [{"name": "a", "input_schema": {}}, {"name": "b", "input_schema": SCHEMA}]

    by_config = anthropic_facts(output_config={"format": {"type": "json_schema", "schema": SCHEMA}})
    by_tool = anthropic_facts(tools=tools, tool_choice={"type": "tool", "name": "b"}, system="abcd")

    assert (by_config.schema, by_config.tool) == (SCHEMA, "")
    assert (by_tool.schema, by_tool.tool) == (SCHEMA, "b")
    assert by_tool.prompt_characters == by_config.prompt_characters + 4


def test_an_anthropic_answer_as_the_input_of_a_tool() -> None:
    facts = anthropic_facts(tools=[{"name": "b", "input_schema": SCHEMA}])

    body = anthropic_wire.answer(say(facts), facts, call_id="x", now_unix_s=1)

    assert body["content"] == [{"type": "tool_use", "id": "toolu_x", "name": "b", "input": {"n": 0}}]
    assert body["stop_reason"] == "tool_use"


def test_broken_json_in_a_tool_is_an_empty_input() -> None:
    facts = anthropic_facts(tools=[{"name": "b", "input_schema": SCHEMA}])
    said = say(facts, Profile(name="p", rate_invalid_json=1))

    body = anthropic_wire.answer(said, facts, call_id="x", now_unix_s=1)

    assert said.fault is FaultKind.INVALID_JSON
    assert (body["content"][0]["input"], body["stop_reason"]) == ({}, "max_tokens")


@pytest.mark.parametrize("missing", ["max_tokens", "messages", "model"])
def test_a_field_that_anthropic_requires(missing: str) -> None:
    with pytest.raises(BadInput) as caught:
        anthropic_facts(**{missing: None})

    assert caught.value.code == missing


def test_the_version_header_is_required_by_anthropic() -> None:
    with pytest.raises(BadInput, match="anthropic-version"):
        anthropic_wire.read({}, {}, provider="p", digest=b"", repeat=0)


def test_the_error_envelopes() -> None:
    openai = openai_wire.error(429, "Wait.", call_id="x")
    anthropic = anthropic_wire.error(529, "Busy.", call_id="x")

    assert openai == {
        "error": {"message": "Wait.", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
    }
    assert anthropic["type"] == "error"
    assert anthropic["error"] == {"type": "overloaded_error", "message": "Busy."}
    assert (anthropic_wire.status_of(503), openai_wire.status_of(503)) == (529, 503)
