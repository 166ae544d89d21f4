"""The client without a network: what is sent, when it is sent again, and what is read of answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classyard.client import bodies, operations
from classyard.client.asynchronous import AsyncClient
from classyard.client.blocking import Client
from classyard.client.bodies import Body, Document, packed
from classyard.client.effects import Request
from classyard.client.operations import Events, Lines, Requirements, parameters
from classyard.client.problems import (
    BY_STATUS,
    BadAnswer,
    BadKey,
    BadRequest,
    ClientError,
    ConnectionBroken,
    Misconfigured,
    NotConnected,
    NotFinished,
    RateLimited,
    Refused,
    Unavailable,
    refused,
)
from classyard.client.retries import AGAIN, Retries
from producer.api.asked import NAMES
from schemas.sensitivity import Lane, Quality, Sensitivity

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
BATCH = {
    "id": "b1", "review": "clauses", "status": "open", "accepted": 2, "rejected": 0, "states": {"accepted": 2},
    "requirements": {}, "created_at": "2026-11-28T09:00:00+00:00", "finished_at": None, "retry_of": None,
}  # fmt: skip
DONE = {**BATCH, "status": "done", "states": {"succeeded": 2}, "finished_at": "2026-11-28T09:01:00+00:00"}
MADE = {"id": "b1", "accepted": 1, "rejected": 0, "rejections": [], "repeated": False}


def row(job_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "job_id": job_id, "custom_id": job_id, "name": "a", "state": "refused", "reason_code": "boundary",
        "reason": "No.", "provider": None, "model": None, "simulated": None, "output": None, "standing": None,
        "checks": None, "sensitivity": "public", "input_tokens": None, "output_tokens": None, "cost_usd_micros": 0,
        "attempts": 0, "decision_digest": None, **changes,
    }  # fmt: skip


# -- when it is sent again

tries = st.integers(1, 10)
chances = st.floats(0, 1, exclude_max=True)
statuses = st.sampled_from([400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504])


def retries(chance: float = 0.5, most: int = 4) -> Retries:
    return Retries(lambda: chance, lambda: NOW, most=most)


def told(text: str, status: int = 429) -> Refused:
    return refused(status, {"retry-after": text}, b"")


@given(statuses, tries, chances)
def test_what_may_do_harm_when_done_twice_is_sent_again_only_where_it_was_turned_away(
    status: int, count: int, chance: float
) -> None:
    pause = retries(chance).pause(Request("POST", "/", is_repeatable=False), refused(status, {}, b""), count)

    assert (pause is not None) == (status == 429 and count <= 4)


@given(statuses, tries, chances)
def test_pauses_are_bounded_and_only_for_what_may_change(status: int, count: int, chance: float) -> None:
    pause = retries(chance).pause(Request("GET", "/"), refused(status, {}, b""), count)

    assert (pause is not None) == (status in AGAIN and count <= 4)
    if pause is not None:
        most = min(20.0, 0.5 * 2 ** (count - 1))
        assert most / 2 <= pause <= most


@given(st.integers(0, 120), chances)
def test_a_pause_is_never_shorter_than_the_yard_asks_for(seconds: int, chance: float) -> None:
    as_date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    for text in (str(seconds), as_date):
        pause = retries(chance).pause(Request("GET", "/"), told(text), 1)
        assert pause is not None and seconds <= pause <= seconds + 0.5


def test_what_the_yard_says_may_be_unreadable_long_past_or_too_long() -> None:
    request = Request("GET", "/")
    assert retries(1.0).pause(request, told("soon"), 1) == 0.5
    assert retries(0.0).pause(request, told(format_datetime(NOW - timedelta(days=1))), 1) == 0.0
    assert retries().pause(request, told("86400"), 1) is None


def test_no_connection_is_no_harm_and_a_broken_one_may_be() -> None:
    once = Request("POST", "/", is_repeatable=False)
    assert retries().pause(once, NotConnected("."), 1) is not None
    assert retries().pause(once, ConnectionBroken("."), 1) is None
    assert retries().pause(Request("GET", "/"), ConnectionBroken("."), 1) is not None


# -- documents as lines

documents = st.lists(
    st.builds(
        Document,
        st.text(max_size=5),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
        st.none() | st.just("a name"),
    ),
    max_size=30,
)


@given(documents, st.integers(1, 200), st.integers(0, 400))
def test_lines_are_the_documents_whatever_the_pieces_and_however_often_they_are_sent(
    given_: list[Document], piece_bytes: int, kept_bytes: int
) -> None:
    wanted = [{k: v for k, v in (("custom_id", d.custom_id), ("text", d.text), ("name", d.name)) if v is not None}
              for d in given_]  # fmt: skip
    before = bodies.PIECE_BYTES, bodies.KEPT_BYTES
    bodies.PIECE_BYTES, bodies.KEPT_BYTES = piece_bytes, kept_bytes
    try:
        again, once = Body(given_), Body(iter(given_))
        for _ in range(3):
            assert read_back(again.pieces()) == wanted and again.is_whole
        cut = once.pieces()
        first = next(cut, b"")
        if once.is_whole:
            assert read_back(once.pieces()) == wanted
        else:
            assert read_back([first, *cut]) == wanted
    finally:
        bodies.PIECE_BYTES, bodies.KEPT_BYTES = before


def read_back(pieces: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in b"".join(pieces).splitlines() if line]


@given(st.lists(st.binary(max_size=9).map(lambda one: one.replace(b"\n", b"")), max_size=9), st.data())
def test_lines_come_out_whole_wherever_they_were_cut(given_: list[bytes], data: st.DataObject) -> None:
    whole, lines, found = b"".join(line + b"\n" for line in given_), Lines(), []
    while whole:
        size = data.draw(st.integers(1, len(whole)))
        found += lines.add(whole[:size])
        whole = whole[size:]
    lines.end()

    assert found == [line for line in given_ if line]


def test_what_is_no_document_is_said_without_its_text() -> None:
    with pytest.raises(Misconfigured, match="'a' cannot be written") as error:
        list(packed([{"custom_id": "a", "text": "secret \ud800"}]))
    assert "secret" not in str(error.value)
    with pytest.raises(Misconfigured):
        list(packed(["only text"]))  # type: ignore[list-item]
    for wrong in (b"bytes", {"custom_id": "a"}, Document("a", "b"), 7):
        with pytest.raises(Misconfigured, match="documents"):
            Body(wrong)  # type: ignore[arg-type]
    with pytest.raises(Misconfigured, match="no file"):
        Body("/nowhere/at/all.jsonl")


def test_requirements_are_written_as_the_api_reads_them() -> None:
    given_: Requirements = {
        "sensitivity": "internal",
        "residency": ["eu", "us"],
        "deadline": timedelta(hours=2),
        "max_cost": Decimal("1E+1"),
    }
    written = {"sensitivity": "internal", "residency": "eu,us", "deadline": "7200s", "max_cost": "10"}
    assert parameters(given_) == written
    for wrong in ({"max_cost": 0.1}, {"deadline": timedelta(milliseconds=5)}):
        with pytest.raises(Misconfigured):
            parameters(wrong)


def test_requirements_are_those_of_the_api() -> None:
    hints = operations.Requirements.__annotations__
    assert set(hints) == set(NAMES) - {"review"}
    from typing import get_type_hints

    resolved = get_type_hints(Requirements)
    for name, kind in (("sensitivity", Sensitivity), ("quality", Quality), ("priority", Lane)):
        assert set(get_args(resolved[name])) == set(kind)


# -- what is read of errors


@pytest.mark.parametrize("status", sorted(BY_STATUS))
def test_an_error_has_the_class_of_its_status_and_the_sentence_of_the_yard(status: int) -> None:
    problem = json.dumps(
        {"detail": "It may not be.", "code": "a_code", "param": "here", "title": "T"}
    ).encode()
    envelope = json.dumps(
        {"error": {"message": "It may not be.", "code": "a_code", "param": "here"}}
    ).encode()
    for body in (problem, envelope):
        error = refused(status, {}, body)
        assert type(error) is BY_STATUS[status]
        assert (error.sentence, error.code, error.param) == ("It may not be.", "a_code", "here")


@given(st.integers(300, 599), st.binary(max_size=80))
def test_any_answer_is_an_error_with_a_sentence(status: int, body: bytes) -> None:
    assert str(refused(status, {}, body))


# -- both clients over a transport that is told what to answer

Script = list[httpx.Response | Exception]


class Told(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers from a script, and keeps what it was sent."""

    def __init__(self, script: Script) -> None:
        self._script, self.seen, self.bodies = script, list[httpx.Request](), list[bytes]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.read())
        return self._next(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(await request.aread())
        return self._next(request)

    def _next(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        answer = self._script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Cut(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        raise httpx.RemoteProtocolError("cut")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class Both:
    """One way to call either client."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def call(self, script: Script, ask: Callable[[Any], Any]) -> tuple[Any, Told]:
        told = Told(script)
        if self.kind == "blocking":
            with Client("http://yard", "k", transport=told) as client:
                made = ask(client)
                return (list(made) if isinstance(made, Iterator) else made), told

        async def run() -> Any:
            async with AsyncClient("http://yard", "k", transport=told) as client:
                made = ask(client)
                return [one async for one in made] if isinstance(made, AsyncIterator) else await made

        return asyncio.run(run()), told


@pytest.fixture(params=["blocking", "asynchronous"])
def both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Both:
    async def at_once(seconds: float) -> None:
        pass

    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr("classyard.client.asynchronous.asyncio.sleep", at_once)
    return Both(request.param)


def ok(body: Mapping[str, Any], status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


def test_a_submission_that_broke_is_sent_again_with_the_same_key_and_content(both: Both) -> None:
    script: Script = [httpx.ReadError("cut"), httpx.Response(503), ok(MADE, 202)]
    lines = iter([Document("a", "A."), {"custom_id": "b", "text": "B."}])

    made, told = both.call(script, lambda c: c.submit(lines, review="clauses", deadline="2h"))

    assert made.id == "b1" and made.key
    assert {request.headers["idempotency-key"] for request in told.seen} == {made.key}
    assert len(set(told.bodies)) == 1 and len(told.seen) == 3
    assert dict(told.seen[0].url.params) == {"review": "clauses", "deadline": "2h"}
    assert told.seen[0].url.path == "/v1/reviews"


def test_every_call_has_a_key_of_its_own(both: Both) -> None:
    keys = set()
    for _ in range(2):
        made, _told = both.call([ok(MADE)], lambda c: c.submit([Document("a", "A")], review="r"))
        keys.add(made.key)
    assert len(keys) == 2


def test_a_long_stream_that_can_be_read_once_is_not_sent_again(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "KEPT_BYTES", 10)
    script: Script = [httpx.ReadError("cut"), ok(MADE)]

    with pytest.raises(ConnectionBroken):
        both.call(script, lambda c: c.submit(iter([Document("a", "A" * 50)]), review="r"))
    assert len(script) == 1


def test_a_retry_that_may_have_been_done_is_not_done_again(both: Both) -> None:
    script: Script = [httpx.ReadError("cut"), ok(MADE)]
    with pytest.raises(ConnectionBroken):
        both.call(script, lambda c: c.retry("b1"))
    assert len(script) == 1


NOBODY_TELLS = {"detail": "There is nothing at this address."}


def event(**changes: Any) -> bytes:
    return b"event: progress\nid: 4\ndata: " + json.dumps({**BATCH, **changes}).encode() + b"\n\n"


def test_waiting_asks_now_and_then_where_nobody_tells(both: Both) -> None:
    seen: list[Any] = []
    moved = {**BATCH, "states": {"accepted": 1, "succeeded": 1}}
    script: Script = [ok(BATCH), ok(NOBODY_TELLS, 404), *(ok(one) for one in (BATCH, moved, moved, DONE))]

    done, _ = both.call(script, lambda c: c.wait("b1", on_progress=seen.append))

    assert (done.is_open, done.succeeded) == (False, 2)
    assert [one.final for one in seen] == [0, 1, 2]
    assert not script


def test_waiting_listens_and_goes_on_where_the_connection_breaks(both: Both) -> None:
    seen: list[Any] = []
    half, over = event(states={"accepted": 1, "succeeded": 1}), event(status="done", states={"succeeded": 2})
    script: Script = [
        ok(BATCH),
        httpx.Response(200, stream=Cut(b"retry: 2000\n\n: alive\n\n", half[:30], half[30:] + half)),
        ok({**BATCH, "states": {"accepted": 1, "succeeded": 1}}),
        httpx.Response(200, content=half + over),
        ok(DONE),
    ]

    done, told = both.call(script, lambda c: c.wait("b1", on_progress=seen.append))

    assert [one.final for one in seen] == [0, 1, 2]
    assert done.finished_at is not None
    assert told.seen[1].url.path == "/v1/reviews/b1/events"
    assert told.seen[1].headers["accept"] == "text/event-stream"
    assert not script


@given(
    st.lists(st.text("ab {}:", min_size=1, max_size=9), max_size=6),
    st.sampled_from(["\n", "\r\n"]),
    st.data(),
)
def test_events_come_out_whole_wherever_they_were_cut(
    given_: list[str], end: str, data: st.DataObject
) -> None:
    whole = "".join(f": comment{end}event: x{end}data: {one}{end}{end}" for one in given_).encode()
    events, found = Events(), []
    while whole:
        size = data.draw(st.integers(1, len(whole)))
        found += events.add(whole[:size])
        whole = whole[size:]

    assert found == [one.encode() for one in given_]


def test_a_wait_is_given_up_in_time_and_says_how_far_it_is(both: Both) -> None:
    with pytest.raises(NotFinished, match="0 of 2 documents"):
        both.call([ok(BATCH), ok(NOBODY_TELLS, 404)], lambda c: c.wait("b1", timeout_s=0))


def test_results_that_break_off_are_taken_up_behind_the_last_one(both: Both) -> None:
    first, second, third = (json.dumps(row(f"j{n}")).encode() + b"\n" for n in (1, 2, 3))
    script: Script = [
        httpx.Response(200, stream=Cut(first + second[:9])),
        httpx.ReadTimeout("late"),
        httpx.Response(200, stream=Cut(second)),
        httpx.Response(200, content=third[:-1]),
        httpx.Response(200, content=third),
    ]

    found, told = both.call(script, lambda c: c.results("b1"))

    assert [one.job_id for one in found] == ["j1", "j2", "j3"]
    assert [request.url.params.get("after") for request in told.seen] == [None, "j1", "j1", "j2", "j2"]
    assert told.seen[0].headers["accept"] == "application/x-ndjson"


def test_results_that_begin_anew_are_not_given_twice(both: Both) -> None:
    first, second, third = (json.dumps(row(f"j{n}")).encode() + b"\n" for n in (1, 2, 3))
    script: Script = [
        httpx.Response(200, stream=Cut(first + second)),
        httpx.Response(200, stream=Cut(first)),
        httpx.Response(200, content=first + second + third),
    ]

    found, _ = both.call(script, lambda c: c.results("b1"))

    assert [one.job_id for one in found] == ["j1", "j2", "j3"]


def test_results_of_nothing_are_an_error(both: Both) -> None:
    with pytest.raises(Refused, match="No such"):
        both.call([ok({"detail": "No such batch."}, 404)], lambda c: c.results("nothing"))


def test_an_answer_of_somebody_else_is_said_to_be(both: Both) -> None:
    for answer in (httpx.Response(200, content=b"<html>"), ok({"hello": 1}), httpx.Response(200, json=[1])):
        with pytest.raises(BadAnswer, match="not one of a yard"):
            both.call([answer], lambda c: c.get("b1"))


def test_a_redirect_is_not_followed_with_the_key(both: Both) -> None:
    script: Script = [httpx.Response(307, headers={"location": "http://evil/"}), ok(DONE)]
    with pytest.raises(Refused):
        both.call(script, lambda c: c.get("b1"))
    assert len(script) == 1


def test_an_id_cannot_become_another_address(both: Both) -> None:
    _, told = both.call([ok(DONE)], lambda c: c.get("../files?x=1"))
    assert told.seen[0].url.raw_path == b"/v1/reviews/..%2Ffiles%3Fx%3D1"


def test_tries_come_to_an_end(both: Both) -> None:
    script: Script = [httpx.Response(503) for _ in range(9)]
    with pytest.raises(Unavailable):
        both.call(script, lambda c: c.get("b1"))
    assert len(script) == 4
    for status, kind in ((401, BadKey), (400, BadRequest)):
        with pytest.raises(kind):
            both.call([httpx.Response(status)], lambda c: c.get("b1"))
    with pytest.raises(RateLimited):
        both.call([httpx.Response(429, headers={"retry-after": "9999"})], lambda c: c.get("b1"))


# -- which yard


def test_a_key_and_an_address_are_taken_whole_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLASSYARD_HOME", str(tmp_path))
    monkeypatch.delenv("CLASSYARD_URL", raising=False)
    monkeypatch.delenv("CLASSYARD_KEY", raising=False)
    for url, key, word in (
        ("http://yard", None, "no key"),
        ("ftp://yard", "k", "address"),
        ("http://yard?x=1", "k", "address"),
        ("http://a:b@yard", "k", "address"),
        ("yard:80", "k", "address"),
        ("http://[", "k", "address"),
        ("http://yard", "k\r\nX: y", "characters"),
        ("http://yard", " ", "characters"),
    ):
        with pytest.raises(ClientError, match=word) as error:
            Client(url, key)
        assert "X: y" not in str(error.value)
    for url in ("http://yard", "http://yard/", "http://yard/v1", "http://yard/v1/"):
        told = Told([ok(DONE)])
        Client(url, "cy_secret", transport=told).get("b1")
        assert str(told.seen[0].url) == "http://yard/v1/reviews/b1"
        assert told.seen[0].headers["authorization"] == "Bearer cy_secret"
