"""What is particular to the Gemini wire."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from provider_workers.adapters.gemini import Gemini
from schemas.attempt import Fault
from schemas.call import HttpReply, ProviderCall

ADAPTER = Gemini()
CALL = ProviderCall("gemini-x", "system", "user", None, "terms", 100)


@pytest.mark.parametrize(
    ("version", "path"),
    [
        ("models/gemini-x", "/v1beta/models/gemini-x:generateContent"),
        ("a/../b?c", "/v1beta/models/a%2F..%2Fb%3Fc:generateContent"),
    ],
)
def test_the_model_is_one_segment_of_the_path(version: str, path: str) -> None:
    assert ADAPTER.build(replace(CALL, model_version=version)).path == path


def test_a_key_goes_under_the_wire_s_header() -> None:
    assert ADAPTER.auth_headers("k") == {"x-goog-api-key": "k"}


def test_without_a_schema_plain_text_is_asked_for() -> None:
    config = json.loads(ADAPTER.build(CALL).body)["generationConfig"]

    assert config == {"maxOutputTokens": 100, "temperature": 0.0}


@pytest.mark.parametrize("delay", ["-3s", "s", "NaNs", "soon", 34, None])
def test_a_wait_that_cannot_be_read_is_none(delay: object) -> None:
    body = {"error": {"status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": delay}]}}

    read = ADAPTER.read(HttpReply(429, {}, json.dumps(body).encode()))

    assert isinstance(read, Fault)
    assert read.retry_after_s is None
