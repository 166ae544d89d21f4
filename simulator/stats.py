"""What a pretend provider saw: the other side of the books that Classyard keeps.

Memory is bounded: a provider remembers the last 200,000 different bodies, 16 bytes of digest each. When it
has forgotten some, `forgotten` says so, and `duplicates` is a lower bound.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from simulator.behaviour import SimulatedReply

REMEMBERED = 200_000


class Seen:
    """How often each of the last keys was seen. About 130 bytes a key."""

    def __init__(self, room: int = REMEMBERED) -> None:
        self._counts: dict[bytes, int] = {}
        self._room = room
        self.repeats = 0
        self.forgotten = 0

    def add(self, key: bytes) -> int:
        """Counts one more, and gives how often the key was seen before."""
        key = key[:16]
        before = self._counts.get(key, 0)
        if before:
            self.repeats += 1
        elif len(self._counts) >= self._room:
            del self._counts[next(iter(self._counts))]
            self.forgotten += 1
        self._counts[key] = before + 1
        return before


class Stats:
    """Counts of one provider: `calls` = the sum of `by_status` + `in_flight`. One event loop writes it."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.journal: dict[str, int] = {}
        self.unjournaled = 0
        """Calls under further keys, once `REMEMBERED` keys are known."""
        self.reset()

    def reset(self) -> None:
        """Everything at zero and nothing remembered, but for the calls in flight, which stay true."""
        self.calls = self.in_flight
        self.peak_in_flight = self.in_flight
        self.applied = 0
        self.disconnected = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.by_status: Counter[str] = Counter()
        self.by_fault: Counter[str] = Counter()
        self.bodies = Seen()
        self.keys = Seen()
        self.applied_bodies = Seen()
        self.first_call_unix_s: float | None = None
        self.last_call_unix_s: float | None = None

    def note(self, key: str) -> None:
        """Counts the call by the idempotency key that it came with, for `GET /_calls/NAME`."""
        if key not in self.journal and len(self.journal) >= REMEMBERED:
            self.unjournaled += 1
            return
        self.journal[key] = self.journal.get(key, 0) + 1

    def forget_calls(self) -> None:
        """Begins the journal anew."""
        self.journal.clear()
        self.unjournaled = 0

    def begin(self) -> int:
        """One more call in flight; gives its number, from 1."""
        self.calls += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        self.last_call_unix_s = time.time()
        if self.first_call_unix_s is None:
            self.first_call_unix_s = self.last_call_unix_s
        return self.calls

    def decided(self, reply: SimulatedReply, digest: bytes) -> None:
        """Books the work of a call, before anything is sent: what is applied is applied, heard or not."""
        self.by_fault[reply.fault.value] += 1
        self.input_tokens += reply.input_tokens
        self.output_tokens += reply.output_tokens
        if reply.is_applied:
            self.applied += 1
            self.applied_bodies.add(digest)

    def end(self, status: int | None) -> None:
        """The call left: answered with this status, or not at all (None)."""
        self.in_flight -= 1
        self.by_status["no_answer" if status is None else str(status)] += 1

    def as_json(self) -> dict[str, Any]:
        """The object that `GET /_stats` shows for this provider."""
        return {
            "calls": self.calls,
            "in_flight": self.in_flight,
            "peak_in_flight": self.peak_in_flight,
            "applied": self.applied,
            "applied_again": self.applied_bodies.repeats,
            "duplicates": self.bodies.repeats,
            "repeated_keys": self.keys.repeats,
            "disconnected": self.disconnected,
            "forgotten": self.bodies.forgotten + self.keys.forgotten + self.applied_bodies.forgotten,
            "by_status": dict(self.by_status),
            "by_fault": dict(self.by_fault),
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "first_call_unix_s": self.first_call_unix_s,
            "last_call_unix_s": self.last_call_unix_s,
        }
