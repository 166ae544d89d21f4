"""What each method of a client does, as operations: requests, whether they are sent again, and what is read of answers.

Nothing is sent here and nothing waited for; `effects` says how. Time and chance come with `Retries` and `clock`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal, TypedDict
from urllib.parse import quote

from classyard.client import values
from classyard.client.bodies import Body
from classyard.client.effects import Give, Open, Operation, Pause, Read, Reply, Request, Send
from classyard.client.problems import (
    ClientError,
    ConnectionBroken,
    ConnectionFault,
    Misconfigured,
    NotFinished,
    refused,
)
from classyard.client.retries import Retries
from classyard.client.values import Batch, Cancelled, Result, Retried, Submitted

FIRST_LOOK_S = 0.25
LONGEST_LOOK_S = 5.0
"""Between looks at a batch in which nothing moves."""
SLOWER = 1.5
SHORTEST_READ_S = 0.5

Which = str | Submitted | Batch | Retried
"""A batch, or its id."""


class Requirements(TypedDict, total=False):
    """What every document of a submission needs, as `classyard submit` has it."""

    sensitivity: Literal["public", "internal", "confidential", "restricted"]
    residency: str | Sequence[str]
    """Regions."""
    deadline: str | timedelta
    """From acceptance, such as `2h`."""
    max_cost: str | Decimal | int
    """Dollars, for the whole submission."""
    quality: Literal["draft", "standard", "high"]
    priority: Literal["urgent", "normal", "bulk"]
    model: str
    """The one that may answer: its name in the catalog, or `provider/model`."""
    tier: str
    """Of the policy."""
    webhook: str
    """An endpoint that is told of this batch."""


def parameters(given: Mapping[str, Any]) -> dict[str, str]:
    """Of an address. Raises `Misconfigured` for an amount that went through a float, or a span with fractions."""
    return {name: _written(name, value) for name, value in given.items() if value is not None}


def _written(name: str, value: Any) -> str:
    if isinstance(value, float):
        raise Misconfigured(f"{name}: {value!r} is a float; write an amount as text or as a Decimal.")
    if isinstance(value, timedelta):
        seconds, fraction = divmod(value, timedelta(seconds=1))
        if fraction:
            raise Misconfigured(f"{name}: {value} has a fraction of a second.")
        return f"{seconds}s"
    if isinstance(value, Decimal):
        return format(value, "f")
    return ",".join(value) if isinstance(value, (list, tuple)) else str(value)


def id_of(which: Which) -> str:
    return which if isinstance(which, str) else which.id


@dataclass(frozen=True, slots=True)
class Operations:
    retries: Retries
    clock: Callable[[], float]
    """Seconds, that only go on."""

    def submit(
        self, body: Body, *, review: str, requirements: Mapping[str, Any], key: str
    ) -> Operation[Submitted]:
        params = {"review": review, **parameters(requirements)}
        headers = {"Idempotency-Key": key, "Content-Type": "application/x-ndjson"}
        reply = yield from self._answer(Request("POST", "/reviews", params, headers, body))
        yield Give(values.read(reply.body, values.submitted(key)))

    def get(self, which: Which) -> Operation[Batch]:
        yield Give((yield from self._batch(which)))

    def cancel(self, which: Which) -> Operation[Cancelled]:
        reply = yield from self._answer(Request("POST", f"{_path(which)}/cancel"))
        yield Give(values.read(reply.body, values.cancelled))

    def retry(self, which: Which) -> Operation[Retried]:
        """Twice would be two batches, so it is sent again only where it was surely not done."""
        reply = yield from self._answer(Request("POST", f"{_path(which)}/retry", is_repeatable=False))
        yield Give(values.read(reply.body, values.retried))

    def progress(self, which: Which, *, timeout_s: float | None = None) -> Operation[Batch]:
        """The batch as it is, and again whenever it has moved; the last one is not open any more.

        The yard tells of each move while the connection holds; where it does not tell, it is asked now and then.
        """
        until = None if timeout_s is None else self.clock() + timeout_s
        last = yield from self._batch(which)
        yield Give(last)
        pause, is_told = FIRST_LOOK_S, True
        while last.is_open:
            if is_told:
                last, is_told = yield from self._events(last, until)
            if not last.is_open:
                yield Give((yield from self._batch(which)))
                return
            left = None if until is None else until - self.clock()
            if left is not None and left <= 0:
                raise NotFinished(
                    f"Batch {last.id} is not finished after {timeout_s:g} s: {last.final} of {last.accepted} "
                    "documents are. It goes on; wait again, or cancel it."
                )
            yield Pause(pause if left is None else min(pause, left))
            found = yield from self._batch(which)
            if _has_moved(last, found):
                pause = FIRST_LOOK_S
                yield Give(found)
            else:
                pause = min(pause * SLOWER, LONGEST_LOOK_S)
            last = found

    def _events(self, last: Batch, until: float | None) -> Generator[Any, Any, tuple[Batch, bool]]:
        """Gives each move but the last until the connection ends: the batch then, and whether to listen again."""
        accept = {"Accept": "text/event-stream"}
        left = None if until is None else max(SHORTEST_READ_S, until - self.clock())
        try:
            reply = yield Open(Request("GET", f"{_path(last)}/events", headers=accept, timeout_s=left))
            if reply.status != 200:
                return last, False
            events = Events()
            while piece := (yield Read()):
                for data in events.add(piece):
                    found = values.read(data, values.moved(last))
                    if found.is_open and _has_moved(last, found):
                        yield Give(found)
                    last = found
                if not last.is_open or (until is not None and self.clock() >= until):
                    break
        except ConnectionFault:
            pass
        return last, True

    def results(self, which: Which) -> Operation[Result]:
        """A document each, in one order. A stream that breaks is taken up behind the last one that came."""
        after: dict[str, str] = {}
        first, count, tries = "", 0, 0
        while True:
            tries += 1
            over = 0
            request = Request("GET", f"{_path(which)}/results", after, {"Accept": "application/x-ndjson"})
            try:
                _success((yield Open(request)))
                lines = Lines()
                while piece := (yield Read()):
                    for line in lines.add(piece):
                        made = values.read(line, values.result)
                        if made.job_id == first:
                            over = count  # it begins anew: an older yard, which does not know `after`
                        if over:
                            over -= 1
                            continue
                        first, count = first or made.job_id, count + 1
                        after, tries = {"after": made.job_id}, 0
                        yield Give(made)
                lines.end()
                return
            except ClientError as error:
                pause = self.retries.pause(request, error, tries)
                if pause is None:
                    raise
            yield Pause(pause)

    # -- requests

    def _batch(self, which: Which) -> Generator[Any, Any, Batch]:
        reply = yield from self._answer(Request("GET", _path(which)))
        return values.read(reply.body, values.batch)

    def _answer(self, request: Request) -> Generator[Any, Any, Reply]:
        """Of a success. Raises `ClientError` where all tries failed, or a further one could do harm."""
        tries = 0
        while True:
            tries += 1
            try:
                return _success((yield Send(request)))
            except ClientError as error:
                pause = self.retries.pause(request, error, tries)
                if pause is None:
                    raise
            yield Pause(pause)


class Lines:
    """Whole lines of what comes in pieces."""

    def __init__(self) -> None:
        self._begun = b""

    def add(self, piece: bytes, *, with_empty: bool = False) -> list[bytes]:
        *whole, self._begun = (self._begun + piece).split(b"\n")
        return [line for line in whole if line or with_empty]

    def end(self) -> None:
        """Raises `ConnectionBroken` in the middle of a line."""
        if self._begun:
            raise ConnectionBroken("The results end in the middle of a line.")


class Events:
    """The data of server-sent events, of what comes in pieces. Comments and other fields are passed over.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
    """

    def __init__(self) -> None:
        self._lines = Lines()
        self._data: list[bytes] = []

    def add(self, piece: bytes) -> list[bytes]:
        found = []
        for line in self._lines.add(piece, with_empty=True):
            field, _, value = line.rstrip(b"\r").partition(b":")
            if field == b"data":
                self._data.append(value.removeprefix(b" "))
            elif not field and not value and self._data:
                found.append(b"\n".join(self._data))
                self._data = []
        return found


def _has_moved(before: Batch, now: Batch) -> bool:
    return (before.states, before.status) != (now.states, now.status)


def _success(reply: Reply) -> Reply:
    if 200 <= reply.status < 300:
        return reply
    raise refused(reply.status, reply.headers, reply.body)


def _path(which: Which) -> str:
    return f"/reviews/{quote(id_of(which), safe='')}"
