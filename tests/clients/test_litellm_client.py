"""LiteLLM's client, unmodified, drives a whole yard over a socket, from an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from benchmarks.environments import EnvironmentMissing, environment_of
from simulator.documents import make_documents
from tests.clients.test_openai_sdk import address, own_key, request
from tests.flows.yards import pretending, provider, yard

pytestmark = pytest.mark.flows

HERE = Path(__file__).resolve().parent
LOCK = HERE / "litellm.lock"
CONTRACTS = [document.text for document in make_documents(20, 3, language="en")]
QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the internet for prices
    "LITELLM_LOG": "ERROR",
}


@pytest.fixture(scope="module")
def python() -> str:
    try:
        return environment_of(LOCK, install_s=240)
    except EnvironmentMissing as missing:
        pytest.skip(f"LiteLLM cannot be had here: {missing}")


def test_its_version_is_none_of_those_that_were_tampered_with() -> None:
    """Releases of March and October 2026 carried foreign code."""
    (pinned,) = [line.split()[0] for line in LOCK.read_text().splitlines() if line.startswith("litellm==")]

    assert pinned == "litellm==1.109.3"
    assert "://" not in LOCK.read_text()


@pytest.mark.timeout(420)
def test_its_client_hands_in_follows_and_downloads(python: str) -> None:
    lines = [request(f"contract-{n}", text) for n, text in enumerate(CONTRACTS)]
    with pretending(alpha="fast-cheap") as pretend, yard(provider("alpha", pretend.url)) as here:
        asked = {
            "api_base": address(here),
            "api_key": own_key(here),
            "lines": lines,
            "metadata": {"desk": "legal", "classyard_sensitivity": "internal"},
        }
        done = subprocess.run(
            [python, str(HERE / "litellm_run.py")],
            input=json.dumps(asked),
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", ""), **QUIET},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-4000:]
    said = json.loads(done.stdout.splitlines()[-1])

    assert (said["version"], said["file"]["purpose"]) == ("1.109.3", "batch")
    batch = said["batch"]
    assert (batch["status"], batch["request_counts"]["completed"]) == ("completed", 3)
    assert batch["metadata"] == asked["metadata"] and batch["usage"]["total_tokens"] > 0
    assert {row["custom_id"] for row in said["output"]} == {line["custom_id"] for line in lines}
    for row in said["output"]:
        answer = row["response"]["body"]["choices"][0]["message"]["content"]
        assert json.loads(answer).keys() == {"summary", "findings", "verdict", "confidence"}
    assert batch["id"] in said["listed"]
    assert {said["file"]["id"], batch["output_file_id"]} <= set(said["files"])
    assert said["wrong"] == {"key": "AuthenticationError", "id": "NotFoundError"}
