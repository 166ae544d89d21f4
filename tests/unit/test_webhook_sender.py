"""One attempt over real sockets: where it goes, where it does not, and what it says of what happened."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from producer.webhooks.sender import Answer, Outcome, Sender, system_lookup
from tests.sinks import sink

pytestmark = pytest.mark.asyncio

LOOPBACK = ("127.0.0.0/8",)


class Names:
    """A name server that says what it is told, one answer after the other, and the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.asked = list(answers), 0

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@asynccontextmanager
async def sending(
    names: Names | None = None,
    *,
    allowed: Sequence[str] = LOOPBACK,
    deadline_s: float = 1.0,
    **more: ssl.SSLContext,
) -> AsyncIterator[Sender]:
    networks = [ip_network(one) for one in allowed]
    sender = Sender(networks, lookup=names or system_lookup, deadline_s=deadline_s, **more)
    try:
        yield sender
    finally:
        await sender.close()


async def send(sender: Sender, url: str) -> Answer:
    return await sender.send(url, {"webhook-id": "evt_1"}, b"{}")


async def test_what_is_sent_arrives_as_it_is() -> None:
    async with sink() as there, sending(Names(["127.0.0.1"])) as sender:
        answer = await send(sender, there.url("/good?a=b", host="receiver.example"))

        assert (answer.outcome, answer.http_status) == (Outcome.DELIVERED, 204)
        (request,) = there.seen
        assert (request.path, request.body) == ("/good?a=b", b"{}")
        assert request.headers["host"] == f"receiver.example:{there.port}"
        assert request.headers.keys() <= {
            *("host", "webhook-id", "content-type", "content-length", "user-agent"),
            *("accept", "accept-encoding", "connection"),
        }


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"], ["::1"], ["10.0.0.1"], ["169.254.169.254"], ["100.64.1.1"], ["0.0.0.0"], ["::"],
        ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"], ["2002:7f00:1::"], ["fd00:ec2::254"], ["fe80::1%lo"],
        ["93.184.216.34", "127.0.0.1"], ["2606:4700::1111", "::1"],
    ],
)  # fmt: skip
async def test_a_name_that_leads_inside_is_not_connected_to(addresses: list[str]) -> None:
    names = Names(addresses)
    async with sink() as there, sending(names, allowed=()) as sender:
        answer = await send(sender, f"https://receiver.example:{there.port}/good")

        assert (answer.outcome, answer.http_status, there.connections) == (Outcome.FORBIDDEN, None, 0)
        assert names.asked == 1
        assert "nothing is sent there" in answer.sentence or "cannot be read" in answer.sentence


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:7f00:1]", "169.254.169.254"])
async def test_an_address_in_the_place_of_a_name_is_checked_as_well(host: str) -> None:
    names = Names(["93.184.216.34"])
    async with sink() as there, sending(names, allowed=()) as sender:
        answer = await send(sender, f"https://{host}:{there.port}/good")

        assert (answer.outcome, there.connections, names.asked) == (Outcome.FORBIDDEN, 0, 0)


async def test_a_name_that_flips_between_two_lookups_gains_nothing() -> None:
    """The address that was checked is the one that is connected to: there is no second lookup in an attempt."""
    names = Names(["127.0.0.5"], ["127.0.0.1"])
    async with sink(host="127.0.0.5") as mine, sink(port=mine.port) as inner:
        async with sending(names, allowed=["127.0.0.5/32"]) as sender:
            first = await send(sender, mine.url("/cut", host="receiver.example"))
            assert (first.outcome, names.asked, len(mine.seen)) == (Outcome.BROKEN, 1, 1)
            second = await send(sender, mine.url("/good", host="receiver.example"))

        assert (second.outcome, names.asked) == (Outcome.FORBIDDEN, 2)
        assert inner.connections == 0 and inner.seen == []


async def test_http_is_for_named_ranges_only() -> None:
    async with sending(Names(["93.184.216.34"])) as sender:
        answer = await send(sender, "http://receiver.example/")
        assert answer.outcome is Outcome.FORBIDDEN and "use https" in answer.sentence
    async with sending(allowed=()) as sender:
        answer = await send(sender, "http://127.0.0.1:8080/")
        assert answer.outcome is Outcome.FORBIDDEN and "https://" in answer.sentence


async def test_no_redirect_is_followed_and_no_proxy_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with sink() as there, sink() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
        async with sending() as sender:
            answer = await send(sender, there.url("/redirect"))

        assert (answer.outcome, answer.http_status) == (Outcome.REFUSED, 302)
        assert len(there.seen) == 1 and proxy.connections == 0


@pytest.mark.parametrize("path", ["/hang", "/drip"])
async def test_one_deadline_covers_all_of_an_attempt(path: str) -> None:
    async with sink() as there, sending(deadline_s=0.5) as sender:
        began = time.monotonic()
        answer = await send(sender, there.url(path))

        assert answer.outcome is Outcome.TIMEOUT and time.monotonic() - began < 1.5
        assert 450 <= answer.took_ms < 1_500


async def test_a_name_server_that_hangs_is_cut_as_well() -> None:
    class Silent(Names):
        async def __call__(self, host: str) -> Sequence[str]:
            await asyncio.sleep(60)
            return []

    async with sending(Silent(), deadline_s=0.3) as sender:
        assert (await send(sender, "https://receiver.example/")).outcome is Outcome.TIMEOUT


@pytest.mark.parametrize("path", ["/dripping", "/huge"])
async def test_a_body_is_read_for_a_moment_only_and_the_status_counts(path: str) -> None:
    async with sink() as there, sending() as sender:
        began = time.monotonic()
        answer = await send(sender, there.url(path))

        assert (answer.outcome, answer.http_status) == (Outcome.DELIVERED, 200)
        assert time.monotonic() - began < 2.5


async def test_nobody_there() -> None:
    async with sink() as there:
        port = there.port
    async with sending() as sender:
        assert (await send(sender, f"http://127.0.0.1:{port}/")).outcome is Outcome.UNREACHED

    class Nowhere(Names):
        async def __call__(self, host: str) -> Sequence[str]:
            return await system_lookup("no-such-name.invalid")

    async with sending(Nowhere()) as sender:
        assert (await send(sender, "https://receiver.example/")).outcome in (
            Outcome.UNREACHED,
            Outcome.TIMEOUT,
        )


async def test_a_certificate_is_checked_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=receiver.example", "-addext", "subjectAltName=DNS:receiver.example",
         "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    trusting = ssl.create_default_context(cafile=str(cert))
    async with sink(context=server) as there:
        there_url = f"https://receiver.example:{there.port}/good"
        async with sending(Names(["127.0.0.1"]), context=trusting) as sender:
            assert (await send(sender, there_url)).outcome is Outcome.DELIVERED
            other = await send(sender, f"https://another.example:{there.port}/good")
            assert other.outcome is Outcome.UNREACHED and "certificate" in other.sentence
        async with sending(Names(["127.0.0.1"])) as sender:
            strange = await send(sender, there_url)
            assert strange.outcome is Outcome.UNREACHED and "certificate" in strange.sentence
        assert len(there.seen) == 1
