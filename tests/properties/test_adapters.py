"""Laws of every adapter: no reply makes one raise, and no sentence repeats what a reply says in prose."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_workers.adapters import ADAPTERS
from schemas.attempt import Fault
from schemas.call import Answer, HttpReply, ProviderCall

MARK = "Zanzibar 4711 private"
"""Stands for document text in places where a provider may echo it."""

KEYS = st.sampled_from(
    [
        "choices",
        "message",
        "content",
        "text",
        "finish_reason",
        "refusal",
        "usage",
        "prompt_tokens",
        "completion_tokens",
        "logprobs",
        "logprob",
        "type",
        "stop_reason",
        "stop_details",
        "category",
        "input",
        "input_tokens",
        "output_tokens",
        "candidates",
        "parts",
        "finishReason",
        "promptFeedback",
        "blockReason",
        "usageMetadata",
        "promptTokenCount",
        "modelVersion",
        "model",
        "error",
        "code",
        "status",
        "details",
        "reason",
        "retryDelay",
        "innererror",
        "error_code",
        "thought",
        "avgLogprobs",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.sampled_from(
        ["stop", "length", "tool_use", "text", "error", "SAFETY", "refusal", "34s", MARK, "\x00", ""]
    )
    | st.text(max_size=20)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=40,
)
STATUS = st.sampled_from([200, 200, 200, 201, 204, 302, 400, 401, 429, 498, 500, 529]) | st.integers(0, 999)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "date"]),
    st.text(max_size=30)
    | st.sampled_from(["5", "Mon, 23 Nov 2026 17:00:00 GMT", "Thu, 01 Jan 0000 00:00:00 GMT"]),
)
BODIES = (
    st.binary(max_size=200)
    | JSON.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
    | st.integers(1, 100_000).map(lambda depth: b"[" * depth + b"]" * depth)
    | st.integers(1, 100_000).map(lambda depth: b'{"choices":' * depth)
    | st.just(b'{"usage":{"prompt_tokens":' + b"9" * 5_000 + b"}}")
)

adapters = pytest.mark.parametrize("name", sorted(ADAPTERS))


@adapters
@given(status=STATUS, headers=HEADERS, body=BODIES)
def test_no_reply_makes_an_adapter_raise(
    name: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    reply = HttpReply(status, headers, body)

    reading, usage = ADAPTERS[name].read(reply), ADAPTERS[name].usage(reply)

    assert isinstance(reading, (Answer, Fault))
    assert usage.input_tokens >= 0
    assert usage.output_tokens >= 0
    if isinstance(reading, Fault):
        assert MARK not in reading.sentence
        assert len(reading.sentence) < 300
        assert reading.retry_after_s is None or 0 <= reading.retry_after_s <= 86_400
    else:
        assert 200 <= status < 300


def marked(value: Any) -> Any:
    """The same shape with prose in the place of every string under a key that holds prose."""
    if isinstance(value, dict):
        return {key: MARK if key in PROSE else marked(part) for key, part in value.items()}
    return [marked(part) for part in value] if isinstance(value, list) else value


PROSE = {"message", "explanation", "refusal", "param"}


@adapters
@given(
    value=st.dictionaries(st.sampled_from(["error", "type", "choices"]), JSON), status=st.integers(300, 599)
)
def test_prose_of_a_reply_never_gets_into_a_sentence(name: str, value: Any, status: int) -> None:
    reading = ADAPTERS[name].read(HttpReply(status, {}, json.dumps(marked(value)).encode()))

    assert isinstance(reading, Fault)
    assert MARK not in reading.sentence


@adapters
@given(system=st.text(), user=st.text(), version=st.text(min_size=1), limit=st.integers(1, 10**6))
def test_a_request_carries_the_words_unchanged(
    name: str, system: str, user: str, version: str, limit: int
) -> None:
    call = ProviderCall(version, system, user, {"type": "object"}, "terms", limit)

    body = ADAPTERS[name].build(call).body

    strings = list(strings_of(json.loads(body)))
    assert system in strings
    assert user in strings


def strings_of(value: Any) -> Any:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings_of(part)
