"""How long an urgent job waits that comes when a great many others are there already.

A hundred urgent jobs, one after another, behind a backlog that the provider needs an hour or more for. From the moment
before each is handed in to the moment at which the provider has its call; both are of the machine's one clock.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from benchmarks.throughput.bench import Bench, percentile, rounded
from benchmarks.throughput.ground import Ground
from benchmarks.throughput.provider import MARK
from schemas.sensitivity import Lane
from schemas.submission import SourceDocument

CEILING = 64
CALL_MS, SPREAD = 2_000, 0.5
"""Calls that all took the same time would end in step, 64 at once, and a job that comes between would wait for them."""
URGENT = 100
EVERY_S = 0.15
"""Between two, beside what handing in takes; on average, and never in step with anything."""


def figures(bench: Bench) -> dict[str, Any]:
    bulk = bench.sized(10_000, 100_000)
    ground = bench.ground
    ground.fresh(ceiling=CEILING)
    began = time.monotonic()
    ground.accept(ground.documents(bulk), lane=Lane.BULK)
    accepted_s = time.monotonic() - began
    ground.pretend.become(delay_ms=CALL_MS, spread=SPREAD)
    ground.start_yard()
    _await_busy(ground)
    # The first short text of a router's life: the model for languages that a glance does not tell is read for it.
    _await_sent(ground, asyncio.run(_hand_in(ground, first=URGENT, count=1)))
    handed_in = asyncio.run(_hand_in(ground))
    sent = _await_sent(ground, handed_in)
    left = int(ground.one("select count(*) from jobs where state in ('accepted', 'held', 'routed')"))
    waits = [1000 * (sent[name] - at) for name, at in handed_in.items()]
    return {
        "urgent_p99_ms": round(percentile(waits, 0.99), 1),
        "urgent": {
            "bulk": bulk,
            "bulk_left": left,
            "accepting_bulk_s": round(accepted_s, 1),
            "urgent": len(waits),
            **rounded({f"p{n}_ms": percentile(waits, n / 100) for n in (50, 90, 99, 100)}, 1),
            "call_ms": CALL_MS,
            "spread": SPREAD,
            "ceiling": CEILING,
        },
    }


async def _hand_in(ground: Ground, *, first: int = 0, count: int = URGENT) -> dict[str, float]:
    """By mark, the moment before it was handed in."""
    chance, found = random.Random(ground.seed), dict[str, float]()
    for number in range(first, first + count):
        mark = f"{MARK}{number}"
        text = f"{mark}\nThis Agreement shall be governed by the laws of the State of New York.\n"
        found[mark] = time.monotonic()
        await ground.accepted([SourceDocument(mark, f"{mark}.txt", text, "utf-8")], lane=Lane.URGENT)
        await asyncio.sleep(chance.uniform(0.2, 1.8) * EVERY_S)
    return found


def _await_busy(ground: Ground, timeout_s: float = 60) -> None:
    """Until all slots are taken and some jobs are done, so that nothing starts up any more."""
    end = time.monotonic() + timeout_s
    while (seen := ground.pretend.seen())["in_flight"] < 0.9 * CEILING or seen["calls"] < 4 * CEILING:
        if time.monotonic() > end:
            raise RuntimeError(f"only {seen['in_flight']} of {CEILING} slots were busy after {timeout_s:g} s")
        time.sleep(0.2)


def _await_sent(ground: Ground, handed_in: dict[str, float], timeout_s: float = 60) -> dict[str, float]:
    end = time.monotonic() + timeout_s
    while handed_in.keys() - (sent := ground.pretend.seen()["marks"]).keys():
        if time.monotonic() > end:
            raise RuntimeError(f"only {len(sent)} of {len(handed_in)} urgent jobs were called for")
        time.sleep(0.2)
    found: dict[str, float] = sent
    return found


def page(found: dict[str, Any]) -> str:
    if (row := found.get("urgent")) is None:
        return ""
    return (
        f"**Urgent work overtakes.** {row['urgent']} urgent jobs, one by one, behind {row['bulk']:,} bulk jobs "
        f"({row['bulk_left']:,} still waited at the end), ceiling {row['ceiling']}, {row['call_ms']} ms a call "
        f"(± {row['spread']:.0%}). From "
        f"handing in to the provider's having the call: p50 {row['p50_ms']:,} ms, p90 {row['p90_ms']:,}, "
        f"**p99 {row['p99_ms']:,}**, most {row['p100_ms']:,}."
    )
