"""A pretend provider that costs next to nothing: HTTP/1.1 by hand on asyncio, OpenAI's chat shape.

    python -m benchmarks.throughput.provider --delay-ms 0

It reads each request's document and answers with a sentence that stands in it and an id that the review asks for, so
that whoever checks its answers finds them sound. For faults, tokens and wires there is `simulator`; this one is for
measuring others, and must not be what is measured. Prints `{"port": …}`; ends with its parent.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import orjson

OPENING, CLOSING = "<document>\n", "\n</document>"
SHORTEST, LONGEST = 20, 300
"""Characters of a quote."""
MARK = "URGENT-"
"""A document that begins so is written down with the moment at which its call came in."""
PARENT_FD = "CLASSYARD_PARENT_FD"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_FINDING = re.compile(r"\n- ([a-z0-9-]+): ")


@dataclass
class Seen:
    """What came in since the last reset."""

    delay_s: float = 0.0
    spread: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(20))
    calls: int = 0
    in_flight: int = 0
    peak: int = 0
    first_s: float = 0.0
    """Of the clock that all processes of a machine share, `time.monotonic`."""
    last_s: float = 0.0
    marks: dict[str, float] = field(default_factory=dict)

    def begin(self) -> None:
        self.calls += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        self.first_s = self.first_s or time.monotonic()

    def end(self) -> None:
        self.in_flight -= 1
        self.last_s = time.monotonic()

    def told(self) -> dict[str, Any]:
        return {
            name: getattr(self, name)
            for name in ("calls", "in_flight", "peak", "first_s", "last_s", "marks", "delay_s")
        }


class Wire(asyncio.Protocol):
    """One connection; requests of one follow each other."""

    def __init__(self, seen: list[Seen]) -> None:
        self._seen, self._read = seen, bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (head := self._read.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._read, 0, head + 2)
            end = head + 4 + (int(found[1]) if found else 0)
            if len(self._read) < end:
                return
            line, body = bytes(self._read[: self._read.find(b"\r\n")]), bytes(self._read[head + 4 : end])
            del self._read[:end]
            self._answer(line, body)

    def _answer(self, line: bytes, body: bytes) -> None:
        if b" /_" in line:
            self._send(self._controlled(line, body))
            return
        seen = self._seen[0]
        seen.begin()
        reply = answer(body, seen)
        if seen.delay_s:
            takes_s = seen.delay_s * seen.chance.uniform(1 - seen.spread, 1 + seen.spread)
            asyncio.get_running_loop().call_later(takes_s, self._finish, seen, reply)
        else:
            self._finish(seen, reply)

    def _finish(self, seen: Seen, reply: bytes) -> None:
        seen.end()
        if not self._transport.is_closing():
            self._send(reply)

    def _controlled(self, line: bytes, body: bytes) -> bytes:
        if line.startswith(b"POST"):
            asked = orjson.loads(body)
            self._seen[0] = Seen(delay_s=asked["delay_ms"] / 1000, spread=asked["spread"])
        return orjson.dumps(self._seen[0].told())

    def _send(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)


def answer(body: bytes, seen: Seen) -> bytes:
    """OpenAI's chat completion to one request. One finding, with the beginning of the document as its quote."""
    asked = orjson.loads(body)
    system, user = asked["messages"][0]["content"], asked["messages"][-1]["content"]
    start = user.find(OPENING) + len(OPENING) if OPENING in user[:200] else 0
    quote = quoted(user, start)
    if user.startswith(MARK, start):
        seen.marks[user[start : user.find("\n", start)]] = time.monotonic()
    kind = _FINDING.search(system)
    finding = {
        "id": kind[1] if kind else "clause",
        "severity": "low",
        "quote": quote,
        "explanation": "It stands at the beginning of the document.",
    }
    said = {
        "summary": "An agreement between two parties.",
        "findings": [finding],
        "verdict": "acceptable",
        "confidence": 0.7,
    }
    content = orjson.dumps(said).decode()
    used = (len(body) // 4, len(content) // 4)
    return orjson.dumps(
        {
            "id": f"chatcmpl-{seen.calls}",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": asked["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": content, "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": used[0],
                "completion_tokens": used[1],
                "total_tokens": sum(used),
            },
        }
    )


def quoted(text: str, start: int = 0) -> str:
    """The first line from there on, or as much more or less as makes a quote."""
    closing = text.rfind(CLOSING)
    most = min(start + LONGEST, closing if closing >= start else len(text))
    end = text.find("\n", start + SHORTEST, most)
    return text[start : end if end > 0 else most].strip()


async def serve(delay_s: float) -> None:
    seen = [Seen(delay_s)]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Wire(seen), "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(orjson.dumps({"port": server.sockets[0].getsockname()[1]}).decode() + "\n")
    sys.stdout.flush()
    await server.serve_forever()


def _end_with_parent(fd: int) -> None:
    while os.read(fd, 1):
        pass
    os._exit(0)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.throughput.provider", description=__doc__)
    parser.add_argument("--delay-ms", type=float, default=0)
    asked = parser.parse_args(arguments)
    if (ear := os.environ.get(PARENT_FD)) is not None:
        threading.Thread(target=_end_with_parent, args=(int(ear),), daemon=True).start()
    asyncio.run(serve(asked.delay_ms / 1000))


if __name__ == "__main__":
    main(sys.argv[1:])
