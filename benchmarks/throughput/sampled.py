"""A role that says where its processor time went: `python -m benchmarks.throughput.sampled OUT.json run router`.

A thread looks at every other thread's stack some three hundred times a second and charges what processor time that
thread took since the last look to the stage whose code is innermost on its stack. It writes OUT.json when the role
ends. Looking costs some time by itself, so shares are worth more than sums.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

LOOK_S = 0.003
SWITCH_S = 0.0005
"""How long a thread that works may keep the others waiting; Python's own 5 ms would show only where it lets go."""

STAGES: Sequence[tuple[str, str]] = (
    ("router_worker/features/", "route: read features"),
    ("governance/guardrails/", "route: personal data and keys"),
    ("router_worker/engine/", "route: decide"),
    ("router_worker/observe", "route: observe"),
    ("router_worker/prices", "route: shadow prices"),
    ("router_worker/reports", "bound of finished batches"),
    ("router_worker/bound/", "bound of finished batches"),
    ("provider_workers/prompt", "serve: build the prompt"),
    ("provider_workers/adapters/", "serve: build and read bodies"),
    ("provider_workers/call", "serve: call"),
    ("runtime/http_client", "serve: call"),
    ("provider_workers/checks/", "serve: check"),
    ("provider_workers/standing", "serve: standing"),
    ("provider_workers/moves", "serve: decide what comes after"),
    ("provider_workers/writer", "commit"),
    ("provider_workers/parcels", "claim"),
    ("runtime/doorbells", "bells"),
    ("runtime/heartbeat", "heartbeat"),
    ("runtime/keeper", "keep"),
    ("provider_workers/serve", "serve: the rest"),
    ("provider_workers/service", "serve: the rest"),
    ("router_worker/", "route: the rest"),
    ("runtime/pool", "event loop, sockets"),
    ("uvloop/", "event loop, sockets"),
    ("aiohttp/", "serve: call"),
    ("kombu/", "bells: Celery"),
    ("celery/", "bells: Celery"),
    ("redis/", "bells"),
    ("asyncio/", "event loop, sockets"),
)
"""Part of a path, and the stage that its code is; the first that fits the innermost frame that any fits."""

PARTS: Sequence[tuple[str, str]] = (
    ("runtime/db/stores/", "statements"),
    ("schemas/canonical", "canonical bytes"),
    ("schemas/audit", "audit events"),
    ("psycopg", "psycopg"),
)
"""Inside a stage: what it was about, where that is known."""


class Sampler(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="sampler", daemon=True)
        self.over = threading.Event()
        self.seconds: Counter[str] = Counter()
        self._before: dict[int, float] = {}

    def run(self) -> None:
        while not self.over.wait(LOOK_S):
            self.look()

    def look(self) -> None:
        frames = sys._current_frames()
        for thread in threading.enumerate():
            if thread is self or thread.ident is None:
                continue
            now = _cpu_s(thread.ident)
            taken = now - self._before.get(thread.ident, now)
            self._before[thread.ident] = now
            if taken > 0 and (frame := frames.get(thread.ident)) is not None:
                self.seconds[stage_of(frame)] += taken


def stage_of(frame: FrameType) -> str:
    """Of a stack, from its innermost frame: `commit / psycopg`."""
    part = ""
    for path in paths(frame):
        part = part or _named(path, PARTS)
        if stage := _named(path, STAGES):
            return f"{stage} / {part}" if part else stage
    return "the rest"


def paths(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield frame.f_code.co_filename
        frame = frame.f_back


def _named(path: str, names: Sequence[tuple[str, str]]) -> str:
    return next((name for part, name in names if part in path), "")


def _cpu_s(thread: int) -> float:
    try:
        return time.clock_gettime(time.pthread_getcpuclockid(thread))
    except (OSError, OverflowError):  # it has just ended
        return 0.0


def main(out: str, arguments: Sequence[str]) -> None:
    from classyard.cli import main as command

    sys.setswitchinterval(SWITCH_S)
    sys.argv = ["classyard", *arguments]
    sampler = Sampler()
    sampler.start()
    try:
        command()
    finally:
        sampler.over.set()
        sampler.join()
        Path(out).write_text(json.dumps(sampler.seconds), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
