"""What the yard adds to one answer that is waited for: `python -m benchmarks.answers [REQUESTS] [AT ONCE]`.

A whole yard on this machine, over pretend providers that answer at once, asked by plain HTTP on kept connections. What
is measured is therefore the yard: reading, accepting, deciding, calling, checking, writing and the way back.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence

import httpx

from simulator.documents import make_documents
from tests.clients.test_openai_sdk import address, own_key
from tests.flows.yards import pretending, provider, yard

REQUESTS, AT_ONCE = 200, (1, 8)
WARM = 10


def main(words: Sequence[str]) -> None:
    requests = int(words[0]) if words else REQUESTS
    levels = (int(words[1]),) if len(words) > 1 else AT_ONCE
    with pretending(alpha="instant") as pretend, yard(provider("alpha", pretend.url)) as running:
        for at_once in levels:
            took = asyncio.run(measured(address(running), own_key(running), requests, at_once))
            print(told(at_once, took), flush=True)


async def measured(url: str, key: str, requests: int, at_once: int) -> list[float]:
    """Milliseconds of each request, after a few that warm up."""
    texts = [document.text for document in make_documents(7, 20, language="en")]
    took: list[float] = []
    numbers = iter(range(WARM + requests))
    async with httpx.AsyncClient(
        base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=90
    ) as http:

        async def ask() -> None:
            for number in numbers:
                text = f"{number}. {texts[number % len(texts)]}"
                said = {
                    "model": "review:contract-clauses",
                    "messages": [{"role": "user", "content": text}],
                }
                begun = time.perf_counter()
                answer = await http.post("/chat/completions", json=said)
                answer.raise_for_status()
                if number >= WARM:
                    took.append((time.perf_counter() - begun) * 1000)

        await asyncio.gather(*(ask() for _ in range(at_once)))
    return took


def told(at_once: int, took: Sequence[float]) -> str:
    ordered = sorted(took)

    def at(share: float) -> str:
        return f"{ordered[min(len(ordered) - 1, int(share * len(ordered)))]:.0f} ms"

    return (
        f"{at_once} at once, {len(took)} requests: p50 {at(0.5)}, p90 {at(0.9)}, p99 {at(0.99)}, most {at(1)}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
