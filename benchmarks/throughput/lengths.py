"""What a long document costs beside a short one: 52,000 characters, as contracts have, over a thousand.

Looking for personal data and keys reads every character, and nobody would want otherwise; it is measured by itself on
the same texts, and taken off.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from benchmarks.throughput.bench import Bench
from benchmarks.throughput.ground import Ground
from benchmarks.throughput.serving import NEIGHBOURS
from governance.guardrails.leaked_keys import leaked_keys
from governance.guardrails.markings import is_filing, markings
from governance.guardrails.pii import personal_data
from schemas.submission import SourceDocument
from simulator.documents import make_documents

CHARACTERS = 52_000
SHORT_FOR_A_LONG = 4
"""So that beginning and end of a batch, which cost the same whatever its length, weigh as little in the short ones."""
ROUNDS = 3


def figures(bench: Bench) -> dict[str, Any]:
    jobs, ground = bench.sized(150, 600), bench.ground
    short = list(ground.documents(2 * SHORT_FOR_A_LONG * jobs))
    long = [_long(ground.seed, number) for number in range(2 * jobs)]
    ground.fresh()
    ground.start_yard()
    found = {}
    for name, documents in (("short", short), ("long", long)):
        half = len(documents) // 2
        ground.wait(ground.accept(documents[:half]))
        cpu_ms = _cpu_ms(ground, documents[half:])
        guarding_ms = guarding([one.text for one in documents[:50]])
        found[name] = {
            "jobs": half,
            "cpu_ms": cpu_ms,
            "guarding_ms": guarding_ms,
            "characters": _mean(documents),
        }
    apart = [found[name]["cpu_ms"] - found[name]["guarding_ms"] for name in ("long", "short")]
    return {
        "long_over_short_cpu": round(found["long"]["cpu_ms"] / found["short"]["cpu_ms"], 3),
        "long_over_short_cpu_guardrails_apart": round(apart[0] / apart[1], 3),
        "lengths": found,
    }


def _long(seed: int, number: int) -> SourceDocument:
    """Different contracts behind each other."""
    text = f"Agreement No. {number} in many parts\n\n"
    parts = make_documents(seed, 100, language="en")
    while len(text) < CHARACTERS:
        number += 1
        text += parts[number % len(parts)].text + "\n\n"
    name = f"long-{number}-{text[14:24].strip()}"
    return SourceDocument(name, f"{name}.txt", text[:CHARACTERS], "utf-8")


def _cpu_ms(ground: Ground, documents: list[SourceDocument]) -> float:
    """Of everything, intake too: the long way of a long text begins there."""
    with ground.meter() as meter:
        before, own = meter.read(), time.process_time()
        batch = ground.accept(documents)
        accepting_s = time.process_time() - own
        ground.wait(batch)
        spent = meter.read() - before
    ground.require_sound(batch, len(documents))
    return round(1000 * (spent.without(*NEIGHBOURS) + accepting_s) / len(documents), 3)


def guarding(texts: Sequence[str]) -> float:
    """Milliseconds of processor time a text; the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time()
        for text in texts:
            personal_data(text), leaked_keys(text), markings(text) and is_filing(text)
        best = min(best, time.thread_time() - began)
    return round(1000 * best / len(texts), 3)


def _mean(documents: Sequence[SourceDocument]) -> int:
    return round(sum(len(one.text) for one in documents) / len(documents))


def page(found: dict[str, Any]) -> str:
    if (rows := found.get("lengths")) is None:
        return ""
    lines = [
        "**Long documents.** Processor time with everything, intake too, in ms a job.",
        "",
        "| characters | jobs | all | of that, looking for personal data and keys |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {row['characters']:,} | {row['jobs']:,} | {row['cpu_ms']} | {row['guarding_ms']} |"
        for row in (rows["short"], rows["long"])
    ]
    last = (
        f"A long one costs **{found['long_over_short_cpu']}** of a short one; "
        f"{found['long_over_short_cpu_guardrails_apart']} without looking for personal data and keys."
    )
    return "\n".join([*lines, "", last])
