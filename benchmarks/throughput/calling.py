"""What others make of the same calls: runs in an environment of its own, prints figures as JSON, imports none of us.

    python calling.py {litellm|litellm_batch|plain} URL DOCUMENTS.json JOBS IN_FLIGHT RUNS

LiteLLM as its documentation shows it: a `Router` with one deployment and `acompletion`, or `abatch_completion` in
groups of as many as may be in flight. `plain` is asyncio, an httpx client and a semaphore. Each answer is read as JSON;
none keeps anything. Processor time is the whole process's, from the first call of a run to its last answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

SYSTEM = """\
You review a document. Look for these findings. Use only these ids:
- governing-law: which law applies
- termination: how it ends
Answer with one JSON object: {"summary": "...", "findings": [...], "verdict": "...", "confidence": 0.5}"""
WARM = 200

Messages = list[dict[str, str]]
Calls = Callable[[list[Messages], int], Awaitable[int]]
"""Messages of all jobs and how many may be in flight; gives how many answers were as asked."""


def messages(text: str) -> Messages:
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": f"<document>\n{text}\n</document>"},
    ]


def is_review(content: str) -> bool:
    return bool(json.loads(content)["findings"][0]["quote"])


def litellm_calls(url: str) -> Calls:
    router = _router(url)

    async def calls(asked: list[Messages], in_flight: int) -> int:
        gate = asyncio.Semaphore(in_flight)

        async def one(each: Messages) -> bool:
            async with gate:
                reply = await router.acompletion(
                    model="bench", messages=each, response_format={"type": "json_object"}, temperature=0
                )
            return is_review(reply.choices[0].message.content)

        return sum(await asyncio.gather(*map(one, asked)))

    return calls


def litellm_batches(url: str) -> Calls:
    router = _router(url)

    async def calls(asked: list[Messages], in_flight: int) -> int:
        good = 0
        for start in range(0, len(asked), in_flight):
            group = asked[start : start + in_flight]
            replies = await router.abatch_completion(
                models=["bench"], messages=group, response_format={"type": "json_object"}, temperature=0
            )
            good += sum(is_review(one[0].choices[0].message.content) for one in replies)
        return good

    return calls


def _router(url: str) -> Any:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = (
        "True"  # else it asks the network for prices when it is imported
    )
    import litellm

    litellm.suppress_debug_info = True
    where = {"model": "openai/bench-1", "api_base": url, "api_key": "none", "timeout": 60}
    return litellm.Router(model_list=[{"model_name": "bench", "litellm_params": where}])


def plain_calls(url: str) -> Calls:
    import httpx

    async def calls(asked: list[Messages], in_flight: int) -> int:
        gate = asyncio.Semaphore(in_flight)
        limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
        async with httpx.AsyncClient(timeout=60, limits=limits) as client:

            async def one(each: Messages) -> bool:
                body = {
                    "model": "bench-1",
                    "messages": each,
                    "response_format": {"type": "json_object"},
                    "temperature": 0,
                }
                async with gate:
                    reply = await client.post(
                        f"{url}/chat/completions", json=body, headers={"authorization": "Bearer none"}
                    )
                reply.raise_for_status()
                return is_review(reply.json()["choices"][0]["message"]["content"])

            return sum(await asyncio.gather(*map(one, asked)))

    return calls


WAYS: dict[str, Callable[[str], Calls]] = {
    "litellm": litellm_calls,
    "litellm_batch": litellm_batches,
    "plain": plain_calls,
}


async def measured(
    calls: Calls, texts: list[str], jobs: int, in_flight: int, runs: int
) -> list[dict[str, float]]:
    asked = [
        messages(f"Agreement No. {n} of this series\n\n{texts[n % len(texts)]}") for n in range(WARM + jobs)
    ]
    await calls(asked[:WARM], in_flight)
    found = []
    for _ in range(runs):
        began, spent = time.monotonic(), time.process_time()
        good = await calls(asked[WARM:], in_flight)
        seconds, cpu_s = time.monotonic() - began, time.process_time() - spent
        if good != jobs:
            raise SystemExit(f"only {good} of {jobs} answers were reviews")
        rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found.append({"jobs": jobs, "seconds": seconds, "cpu_s": cpu_s, "rss_mb": rss_mb})
    return found


def main(arguments: list[str]) -> None:
    way, url, documents, jobs, in_flight, runs = arguments
    texts = json.loads(Path(documents).read_text(encoding="utf-8"))
    found = asyncio.run(measured(WAYS[way](url), texts, int(jobs), int(in_flight), int(runs)))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
