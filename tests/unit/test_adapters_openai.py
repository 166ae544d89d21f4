"""What is particular to the OpenAI wire."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from provider_workers.adapters.openai import OPENAI, OPENAI_COMPATIBLE
from schemas.attempt import Fault, FaultKind
from schemas.call import Answer, HttpReply, ProviderCall

CALL = ProviderCall("m", "system", "user", None, "terms", 100)


def reply(body: Any, status: int = 200) -> HttpReply:
    return HttpReply(status, {}, json.dumps(body).encode())


def with_message(message: dict[str, Any], **choice: Any) -> HttpReply:
    return reply({"choices": [{"message": message, "finish_reason": "stop", **choice}]})


def test_without_a_schema_no_format_is_asked_for() -> None:
    assert "response_format" not in json.loads(OPENAI.build(CALL).body)


def test_without_a_temperature_none_is_sent() -> None:
    assert "temperature" not in json.loads(OPENAI.build(replace(CALL, temperature=None)).body)


@pytest.mark.parametrize(
    ("adapter", "field", "other"),
    [
        (OPENAI, "max_completion_tokens", "max_tokens"),
        (OPENAI_COMPATIBLE, "max_tokens", "max_completion_tokens"),
    ],
)
def test_each_variant_bounds_the_answer_by_its_own_field(adapter: Any, field: str, other: str) -> None:
    body = json.loads(adapter.build(CALL).body)

    assert body[field] == 100
    assert other not in body


def test_a_key_goes_as_a_bearer_token_or_under_the_catalog_s_header() -> None:
    assert OPENAI.auth_headers("k") == {"authorization": "Bearer k"}
    assert OPENAI.auth_headers("k", "api-key") == {"api-key": "k"}
    assert OPENAI.auth_headers("k", "Authorization") == {"authorization": "Bearer k"}


def test_text_in_parts_is_joined() -> None:
    read = OPENAI.read(
        with_message({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]})
    )

    assert isinstance(read, Answer)
    assert read.text == "ab"


@pytest.mark.parametrize("tokens", [-5, 1e300, True, "12", None, [], 10**30, 3.9])
def test_odd_token_counts_are_made_harmless(tokens: Any) -> None:
    body = {"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": tokens}}

    usage = OPENAI.usage(reply(body))

    assert 0 <= usage.input_tokens <= 100_000_000


@pytest.mark.parametrize(
    "content", [[], [{"logprob": "x"}], [{"logprob": -1}, {}], "x", [None], [{"logprob": True}]]
)
def test_log_probabilities_that_are_none_are_left_out(content: Any) -> None:
    read = OPENAI_COMPATIBLE.read(with_message({"content": "x"}, logprobs={"content": content}))

    assert isinstance(read, Answer)
    assert read.mean_logprob is None


@pytest.mark.parametrize("code", ["sk-proj-abc123", "the whole prompt", "x" * 65, "a\nb", 7, None, "ключ"])
def test_a_code_that_is_no_word_stays_out_of_the_sentence(code: Any) -> None:
    read = OPENAI.read(reply({"error": {"code": code, "message": "secret text"}}, status=400))

    assert isinstance(read, Fault)
    assert read.sentence == "The provider answered HTTP 400: it does not take this request."


@pytest.mark.parametrize("name", ["x" * 129, "a\x00b", "line\nbreak", 5])
def test_a_model_name_that_is_none_is_left_out(name: Any) -> None:
    read = OPENAI.read(reply({"model": name, "choices": [{"message": {"content": "x"}}]}))

    assert isinstance(read, Answer)
    assert read.model_reported == ""


def test_an_empty_answer_is_an_answer() -> None:
    """The checks say that it is unusable; the wire was kept."""
    assert isinstance(OPENAI.read(with_message({"content": ""})), Answer)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, FaultKind.AUTH),
        (408, FaultKind.TIMEOUT),
        (409, FaultKind.OVERLOAD),
        (413, FaultKind.BAD_REQUEST),
        (422, FaultKind.BAD_REQUEST),
        (500, FaultKind.OVERLOAD),
        (529, FaultKind.OVERLOAD),
        (302, FaultKind.MALFORMED),
        (101, FaultKind.MALFORMED),
        (999, FaultKind.MALFORMED),
    ],
)
def test_a_status_without_a_word_has_a_kind(status: int, kind: FaultKind) -> None:
    read = OPENAI.read(HttpReply(status, {}, b""))

    assert isinstance(read, Fault)
    assert read.kind == kind


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "-1"},
        {"retry-after": "nan"},
        {"retry-after": "1e9"},
        {"retry-after": "soon"},
        {"retry-after": "Mon, 23 Nov 2026 17:01:30 GMT"},
        {"retry-after": "Mon, 99 Nov 99999 17:01:30 GMT", "date": "Mon, 23 Nov 2026 17:00:00 GMT"},
        {"retry-after": "Mon, 23 Nov 2026 17:01:30 -0000", "date": "Mon, 23 Nov 2026 17:00:00 GMT"},
        {"retry-after": "١٢"},
    ],
)
def test_a_wait_that_cannot_be_read_is_none(headers: dict[str, str]) -> None:
    read = OPENAI.read(HttpReply(429, headers, b"{}"))

    assert isinstance(read, Fault)
    assert read.retry_after_s is None


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after": "999999999"}, 86_400.0),
        ({"retry-after": "Mon, 23 Nov 2026 16:00:00 GMT", "date": "Mon, 23 Nov 2026 17:00:00 GMT"}, 0.0),
    ],
)
def test_a_wait_is_kept_within_a_day(headers: dict[str, str], wait_s: float) -> None:
    read = OPENAI.read(HttpReply(429, headers, b"{}"))

    assert isinstance(read, Fault)
    assert read.retry_after_s == wait_s


@pytest.mark.parametrize(("tokens", "longest"), [(16, 40), (500, 200), (900, 360), (100_000, 1_500)])
def test_a_self_hosted_model_may_not_write_one_string_to_the_end(tokens: int, longest: int) -> None:
    schema = {
        "type": "object",
        "properties": {
            "maxLength": {"type": "string", "maxLength": 2000},
            "short": {"type": "string", "maxLength": 9},
        },
    }

    body = json.loads(OPENAI_COMPATIBLE.build(replace(CALL, schema=schema, max_output_tokens=tokens)).body)

    properties = body["response_format"]["json_schema"]["schema"]["properties"]
    assert properties["maxLength"] == {"type": "string", "maxLength": longest}
    assert properties["short"] == {"type": "string", "maxLength": 9}
