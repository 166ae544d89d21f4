"""The one place that sends, against a server on the loopback that behaves well or badly."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import httpx
import pytest
from aiohttp import web

from provider_workers.call import MAX_REPLY_BYTES, Caller
from runtime.credentials import Secret
from runtime.http_client import make_transport
from schemas.attempt import Fault, FaultKind
from schemas.call import HttpReply, HttpRequest
from schemas.catalog import CatalogModel, CatalogProvider, DataTerms
from schemas.errors import BadConfiguration

KEY = "sk-test-4711"
DOCUMENT = "the private document"
REQUEST = HttpRequest(
    "/chat/completions", f'{{"d":"{DOCUMENT}"}}'.encode(), {"content-type": "application/json"}
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
RawHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def provider(base_url: str, **changes: Any) -> CatalogProvider:
    facts: dict[str, Any] = {
        "name": "loop",
        "kind": "self_hosted",
        "adapter": "openai",
        "base_url": base_url,
        "boundary": "restricted",
        "regions": ("eu",),
        "data_terms": DataTerms(
            retention_days=0, trains_on_data=False, source="test", checked=date(2026, 11, 23)
        ),
        "ceiling": 10,
        "timeout_s": 5.0,
        "models": (
            CatalogModel(
                name="m", version="m", context_tokens=10, max_output_tokens=10, json_schema=True, quality=1
            ),
        ),
    }
    return CatalogProvider(**{**facts, **changes})


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[str]:
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_server(handler: RawHandler) -> AsyncIterator[str]:
    """For replies that no server library would send."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await handler(reader, writer)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    finally:
        listening.close()
        for writer in writers:
            writer.close()


async def call(base_url: str, request: HttpRequest = REQUEST, **changes: Any) -> HttpReply | Fault:
    async with make_transport() as carrying:
        return await Caller(provider(base_url, **changes), KEY, carrying).send(
            request, idempotency_key="job-1"
        )


def no_secret_in(fault: HttpReply | Fault) -> bool:
    return isinstance(fault, Fault) and KEY not in fault.sentence and DOCUMENT not in fault.sentence


@pytest.mark.asyncio
async def test_a_call_carries_key_query_and_idempotency_and_brings_the_reply() -> None:
    seen: dict[str, Any] = {}

    async def handler(request: web.Request) -> web.Response:
        seen.update(headers=request.headers.copy(), target=request.raw_path, body=await request.read())
        return web.json_response({"ok": True}, headers={"X-Request-Id": "r1"})

    async with server(handler) as base_url:
        reply = await call(base_url, query={"api-version": "2026-10-01"})

    assert isinstance(reply, HttpReply)
    assert (reply.status, reply.body, reply.headers["x-request-id"]) == (200, b'{"ok": true}', "r1")
    assert seen["target"] == "/v1/chat/completions?api-version=2026-10-01"
    assert seen["body"] == REQUEST.body
    assert seen["headers"]["Authorization"] == f"Bearer {KEY}"
    assert seen["headers"]["Idempotency-Key"] == "job-1"
    assert seen["headers"]["Accept-Encoding"] == "identity"


@pytest.mark.asyncio
async def test_a_catalog_s_header_carries_the_key_and_a_secret_is_taken_too() -> None:
    seen: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers.copy())
        return web.Response()

    async with server(handler) as base_url, make_transport() as carrying:
        await Caller(provider(base_url, key_header="api-key"), Secret(KEY), carrying).send(REQUEST)
        await Caller(provider(base_url), None, carrying).send(REQUEST)

    assert seen[0]["api-key"] == KEY
    assert all("Authorization" not in headers for headers in seen)
    assert all("Idempotency-Key" not in headers for headers in seen)


@pytest.mark.asyncio
async def test_an_error_status_is_a_reply_and_not_a_fault() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"error": {"type": "x"}}, status=429, headers={"Retry-After": "3"})

    async with server(handler) as base_url:
        reply = await call(base_url)

    assert isinstance(reply, HttpReply)
    assert (reply.status, reply.headers["retry-after"]) == (429, "3")


@pytest.mark.asyncio
async def test_a_body_that_drips_ends_with_the_whole_call_s_deadline() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(200):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    async with server(handler) as base_url:
        began = time.monotonic()
        fault = await call(base_url, timeout_s=0.4)
        took_s = time.monotonic() - began

    assert isinstance(fault, Fault)
    assert (fault.kind, fault.sentence) == (
        FaultKind.TIMEOUT,
        "The provider did not finish its reply within 0.4 s.",
    )
    assert took_s < 2


@pytest.mark.asyncio
async def test_a_server_that_reads_nothing_and_drips_ends_with_the_deadline_too() -> None:
    """The request is larger than the sockets hold, so it is still being written when the deadline comes."""

    async def handler(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.05)

    request = HttpRequest("/chat/completions", b"x" * 20_000_000)
    async with raw_server(handler) as base_url:
        began = time.monotonic()
        fault = await call(base_url, request, timeout_s=0.5)
        took_s = time.monotonic() - began

    assert isinstance(fault, Fault)
    assert fault.kind in (FaultKind.TIMEOUT, FaultKind.CONNECTION)
    assert took_s < 3


@pytest.mark.asyncio
async def test_a_server_that_never_answers_is_a_timeout() -> None:
    async def handler(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with raw_server(handler) as base_url:
        fault = await call(base_url, timeout_s=0.3)

    assert isinstance(fault, Fault)
    assert fault.kind == FaultKind.TIMEOUT


@pytest.mark.asyncio
async def test_the_caller_may_shorten_the_deadline_and_not_lengthen_it() -> None:
    async def handler(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async with server(handler) as base_url, make_transport() as carrying:
        short = await Caller(provider(base_url), KEY, carrying).send(REQUEST, timeout_s=0.2)
        long = await Caller(provider(base_url, timeout_s=0.2), KEY, carrying).send(REQUEST, timeout_s=60)

    assert isinstance(short, Fault)
    assert short == long


@pytest.mark.asyncio
@pytest.mark.parametrize("declared", [True, False])
async def test_a_reply_beyond_the_cap_is_not_read_on(declared: bool) -> None:
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        if declared:
            response.content_length = 20 * MAX_REPLY_BYTES
        await response.prepare(request)
        for _ in range(20 * 8):
            await response.write(b"x" * (MAX_REPLY_BYTES // 8))
            sent += MAX_REPLY_BYTES // 8
        return response

    async with server(handler) as base_url:
        fault = await call(base_url)

    assert isinstance(fault, Fault)
    assert fault.kind == FaultKind.MALFORMED
    assert sent < 10 * MAX_REPLY_BYTES


@pytest.mark.asyncio
async def test_a_reply_of_just_the_cap_is_read() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * MAX_REPLY_BYTES)

    async with server(handler) as base_url:
        reply = await call(base_url)

    assert isinstance(reply, HttpReply)
    assert len(reply.body) == MAX_REPLY_BYTES


@pytest.mark.asyncio
async def test_a_redirect_is_not_followed() -> None:
    targets: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        targets.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with server(handler) as base_url:
        fault = await call(base_url)

    assert isinstance(fault, Fault)
    assert (fault.kind, fault.status) == (FaultKind.BAD_REQUEST, 307)
    assert targets == ["/v1/chat/completions"]


@pytest.mark.asyncio
async def test_a_compressed_reply_is_not_opened() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b"bomb", headers={"Content-Encoding": "gzip"})

    async with server(handler) as base_url:
        fault = await call(base_url)

    assert isinstance(fault, Fault)
    assert fault.kind == FaultKind.MALFORMED


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nab\r\n",
        b"HTTP/1.1 200",
        b"",
        b"\x16\x03\x01 this is no HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: minus\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
    ids=["short body", "cut chunk", "odd chunk", "cut head", "nothing", "no HTTP", "odd length", "long head"],
)
async def test_a_reply_that_is_cut_or_odd_is_a_broken_connection(reply: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    async with raw_server(handler) as base_url:
        fault = await call(base_url)

    assert isinstance(fault, Fault)
    assert fault.kind == FaultKind.CONNECTION
    assert no_secret_in(fault)


@pytest.mark.asyncio
async def test_a_refused_connection_says_that_nothing_was_reached() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    fault = await call(f"http://127.0.0.1:{port}/v1")

    assert fault == Fault(FaultKind.CONNECTION, "The provider could not be reached.")


@pytest.mark.asyncio
async def test_a_host_that_does_not_exist_was_not_reached() -> None:
    fault = await call("http://nowhere.invalid/v1")

    assert fault == Fault(FaultKind.CONNECTION, "The provider could not be reached.")


@pytest.mark.asyncio
async def test_plain_http_where_tls_is_expected_is_a_connection_fault() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response()

    async with server(handler) as base_url:
        fault = await call(base_url.replace("http://", "https://"))

    assert isinstance(fault, Fault)
    assert fault.kind == FaultKind.CONNECTION


@pytest.mark.asyncio
async def test_nothing_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b"here")

    async with server(handler) as base_url:
        reply = await call(base_url)

    assert isinstance(reply, HttpReply)
    assert reply.body == b"here"


@pytest.mark.asyncio
async def test_no_cookie_is_kept() -> None:
    cookies: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "who=me; Path=/"})

    async with server(handler) as base_url, make_transport() as carrying:
        caller = Caller(provider(base_url.replace("127.0.0.1", "localhost")), KEY, carrying)
        await caller.send(REQUEST)
        await caller.send(REQUEST)

    assert cookies == [None, None]


@pytest.mark.asyncio
async def test_a_cancelled_call_is_cancelled() -> None:
    """A worker that shuts down must not be told of a fault of the provider."""

    async def handler(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async with server(handler) as base_url:
        task = asyncio.create_task(call(base_url))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.asyncio
async def test_hundreds_of_calls_are_in_flight_at_once() -> None:
    """The server answers none before it holds them all."""
    held, all_here = 0, asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        nonlocal held
        held += 1
        if held == 300:
            all_here.set()
        await all_here.wait()
        return web.Response(body=b"{}")

    async with server(handler) as base_url, make_transport() as carrying:
        caller = Caller(provider(base_url, timeout_s=20.0), KEY, carrying)
        replies = await asyncio.gather(*(caller.send(REQUEST) for _ in range(300)))

    assert all(isinstance(reply, HttpReply) for reply in replies)


@pytest.mark.asyncio
async def test_neither_key_nor_document_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b"answer text")

    with caplog.at_level(logging.DEBUG):
        async with server(handler) as base_url:
            await call(base_url)

    said = "\n".join(record.getMessage() for record in caplog.records)
    assert KEY not in said
    assert DOCUMENT not in said
    assert "answer text" not in said


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("base_url", "adapter", "path", "expected"),
    [
        ("/v1", "openai", "/chat/completions", "/v1/chat/completions"),
        ("/v1/", "openai", "/chat/completions", "/v1/chat/completions"),
        ("", "anthropic", "/v1/messages", "/v1/messages"),
        ("/v1", "anthropic", "/v1/messages", "/v1/messages"),
        ("/gateway", "anthropic", "/v1/messages", "/gateway/v1/messages"),
        ("/v1beta", "gemini", "/v1beta/models/a%2Fb:generateContent", "/v1beta/models/a%2Fb:generateContent"),
    ],
)
async def test_base_and_path_meet_in_one_address(
    base_url: str, adapter: str, path: str, expected: str
) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.raw_path)
        return web.Response()

    async with server(handler) as root:
        await call(root.removesuffix("/v1") + base_url, HttpRequest(path, b"{}"), adapter=adapter)

    assert seen == [expected]


@pytest.mark.parametrize(
    "base_url", ["http://u:p@host/v1", "http://host/v1?key=x", "http://host/#a", "http://:80/"]
)
def test_a_base_url_with_more_than_host_and_path_is_refused(base_url: str) -> None:
    with pytest.raises(BadConfiguration, match="loop"):
        Caller(provider(base_url), None, httpx.AsyncHTTPTransport())


def test_an_unknown_adapter_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(BadConfiguration, match="telegraph"):
        Caller(provider("http://host", adapter="telegraph"), None, httpx.AsyncHTTPTransport())
