"""LiteLLM's client on a yard, in an environment of its own. It imports nothing of Classyard.

Asked on standard input, in JSON: `{"api_base", "api_key", "lines", "metadata"}`. What came of it is printed.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import litellm  # type: ignore[import-not-found]

PATIENCE_S = 60
TERMINAL = ("completed", "failed", "expired", "cancelled")


def main() -> None:
    asked = json.load(sys.stdin)
    yard = {name: asked[name] for name in ("api_base", "api_key")} | {"custom_llm_provider": "openai"}
    data = "\n".join(json.dumps(line) for line in asked["lines"]).encode()
    file = litellm.create_file(file=("asked.jsonl", data), purpose="batch", **yard)
    made = litellm.create_batch(
        completion_window="24h",
        endpoint="/v1/chat/completions",
        input_file_id=file.id,
        metadata=asked["metadata"],
        **yard,
    )
    done = until_ended(made.id, yard)
    output = litellm.file_content(file_id=done.output_file_id, **yard)
    said = {
        "version": litellm._version.version,
        "file": file.model_dump(mode="json"),
        "batch": done.model_dump(mode="json"),
        "output": [json.loads(line) for line in output.content.splitlines()],
        "listed": [one.id for one in litellm.list_batches(limit=5, **yard).data],
        "files": [one.id for one in litellm.file_list(**yard)],
        "wrong": wrong(yard),
    }
    print(json.dumps(said))


def until_ended(batch_id: str, yard: dict[str, str]) -> Any:
    end = time.monotonic() + PATIENCE_S
    while (batch := litellm.retrieve_batch(batch_id=batch_id, **yard)).status not in TERMINAL:
        if time.monotonic() > end:
            raise SystemExit(f"still {batch.status} after {PATIENCE_S} s")
        time.sleep(0.2)
    return batch


def wrong(yard: dict[str, str]) -> dict[str, str]:
    """The names of the exceptions that a wrong key and a wrong id become."""
    found = {}
    for name, changes, batch_id in (("key", {"api_key": "sk-wrong"}, "batch_0"), ("id", {}, "batch_0")):
        try:
            litellm.retrieve_batch(batch_id=batch_id, max_retries=0, **{**yard, **changes})
        except Exception as error:
            found[name] = type(error).__name__
    return found


if __name__ == "__main__":
    main()
