"""The simulator over real sockets on the loopback: wires, books, faults, keys, and its life as a process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx_aiohttp
import jsonschema_rs
import orjson
import pytest
import pytest_asyncio

from schemas.errors import BadConfiguration, PortInUse
from schemas.review import output_contract
from simulator.documents import make_documents
from simulator.server import running

DOCUMENTS = make_documents(3, 30)
RESPONSE_FORMAT = {"type": "json_schema", "json_schema": {"name": "review", "schema": output_contract()}}
ANTHROPIC = {"anthropic-version": "2023-06-01"}


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx_aiohttp.AiohttpTransport(limits=httpx.Limits(max_connections=200))
    async with httpx.AsyncClient(transport=transport, timeout=5) as made:
        yield made


def openai_body(number: int = 0, **more: Any) -> dict[str, Any]:
    text = f"Review {number}.\n<document>\n{DOCUMENTS[number % 30].text}\n</document>"
    messages = [{"role": "system", "content": "You review."}, {"role": "user", "content": text}]
    return {"model": "tern-8b", "messages": messages, "response_format": RESPONSE_FORMAT, **more}


async def ask(client: httpx.AsyncClient, url: str, number: int = 0, **more: Any) -> httpx.Response:
    return await client.post(f"{url}/p/v1/chat/completions", json=openai_body(number), **more)


async def stats(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    shown: dict[str, Any] = (await client.get(f"{url}/_stats")).json()["providers"]["p"]
    return shown


async def once(client: httpx.AsyncClient, url: str, name: str, value: int) -> dict[str, Any]:
    """The books as soon as they show this value; the test fails after five seconds without."""
    async with asyncio.timeout(5):
        while (shown := await stats(client, url))[name] != value:
            await asyncio.sleep(0.01)
    return shown


@pytest.mark.asyncio
async def test_a_chat_completion_has_the_shape_of_the_wire(client: httpx.AsyncClient) -> None:
    async with running({"p": "instant"}) as url:
        response = await ask(client, url, 4)

    body = response.json()
    assert response.status_code == 200
    assert response.headers["x-simulated"] == "true"
    assert set(body) == {"id", "object", "created", "model", "choices", "usage", "system_fingerprint"}
    assert (body["object"], body["model"]) == ("chat.completion", "tern-8b@sim-1")
    choice, usage = body["choices"][0], body["usage"]
    assert (choice["finish_reason"], choice["message"]["role"]) == ("stop", "assistant")
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    answer = orjson.loads(choice["message"]["content"])
    jsonschema_rs.validate(output_contract(), answer)
    assert [f["quote"] for f in answer["findings"]] == [f.quote for f in DOCUMENTS[4].findings]


@pytest.mark.asyncio
async def test_a_message_has_the_shape_of_the_wire(client: httpx.AsyncClient) -> None:
    body = {
        "model": "heron",
        "max_tokens": 900,
        "messages": openai_body()["messages"][1:],
        "output_config": {"format": {"type": "json_schema", "schema": output_contract()}},
    }

    async with running({"p": "instant"}) as url:
        response = await client.post(f"{url}/p/v1/messages", json=body, headers=ANTHROPIC)
        without_version = await client.post(f"{url}/p/v1/messages", json=body)

    message = response.json()
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", "heron@sim-1")
    assert (message["stop_reason"], message["content"][0]["type"]) == ("end_turn", "text")
    jsonschema_rs.validate(output_contract(), orjson.loads(message["content"][0]["text"]))
    assert message["usage"]["input_tokens"] > 0
    assert without_version.status_code == 400
    assert without_version.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.asyncio
async def test_models_are_listed_on_both_wires(client: httpx.AsyncClient) -> None:
    async with running({"p": "strong-slow"}) as url:
        openai = (await client.get(f"{url}/p/v1/models")).json()
        anthropic = (await client.get(f"{url}/p/v1/models", headers=ANTHROPIC)).json()

    assert (openai["object"], openai["data"][0]["object"]) == ("list", "model")
    assert (anthropic["has_more"], anthropic["data"][0]["type"]) == (False, "model")


@pytest.mark.asyncio
async def test_errors_have_the_envelope_of_their_wire(client: httpx.AsyncClient) -> None:
    async with running({"p": "instant:rate_503=1", "q": "instant:rate_429=1,retry_after_s=1.5"}) as url:
        openai = await ask(client, url)
        anthropic = await client.post(
            f"{url}/p/v1/messages", json={**openai_body(), "max_tokens": 9}, headers=ANTHROPIC
        )
        limited = await client.post(f"{url}/q/v1/chat/completions", json=openai_body())
        nowhere = await client.get(f"{url}/nobody/v1/models")
        broken = await client.post(f"{url}/p/v1/chat/completions", content=b"{")
        odd = await client.post(
            f"{url}/p/v1/chat/completions",
            json=openai_body(response_format={"type": "json_schema", "json_schema": []}),
        )

    assert (openai.status_code, anthropic.status_code) == (503, 529)
    assert anthropic.json()["error"]["type"] == "overloaded_error"
    assert (limited.headers["retry-after"], limited.headers["retry-after-ms"]) == ("2", "1500")
    assert (nowhere.status_code, broken.status_code, odd.status_code) == (404, 400, 400)
    for response in (openai, limited, nowhere, broken, odd):
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert all(r.headers["x-simulated"] == "true" for r in (openai, anthropic, limited, nowhere, broken, odd))


@pytest.mark.asyncio
async def test_a_key_is_asked_for_when_there_is_one(client: httpx.AsyncClient) -> None:
    async with running({"p": "instant"}, key="sésame") as url:
        none = await ask(client, url)
        wrong = await ask(client, url, headers={"Authorization": b"Bearer \xff"})
        right = await ask(client, url, headers={"Authorization": "Bearer sésame".encode()})
        anthropic = await client.post(
            f"{url}/p/v1/messages",
            json={**openai_body(), "max_tokens": 9},
            headers={**ANTHROPIC, "x-api-key": "no"},
        )
        models = await client.get(f"{url}/p/v1/models")
        seen = await stats(client, url)

    assert [r.status_code for r in (none, wrong, right, anthropic, models)] == [401, 401, 200, 401, 401]
    assert wrong.json()["error"]["code"] == "invalid_api_key"
    assert anthropic.json()["error"]["type"] == "authentication_error"
    assert seen["by_status"] == {"401": 3, "200": 1}


@pytest.mark.asyncio
async def test_the_peak_is_the_number_of_calls_at_once(client: httpx.AsyncClient) -> None:
    async with running({"p": "instant:base_ms=700"}) as url:
        calls = [asyncio.create_task(ask(client, url, n)) for n in range(50)]
        during = await once(client, url, "in_flight", 50)
        statuses = {response.status_code for response in await asyncio.gather(*calls)}
        after = await stats(client, url)

    assert statuses == {200}
    assert (during["in_flight"], during["by_status"]) == (50, {})
    assert (after["in_flight"], after["peak_in_flight"], after["calls"]) == (0, 50, 50)
    assert after["first_call_unix_s"] <= after["last_call_unix_s"]


@pytest.mark.asyncio
async def test_calls_one_after_another_have_a_peak_of_one(client: httpx.AsyncClient) -> None:
    async with running({"p": "instant:base_ms=1"}) as url:
        for number in range(20):
            await ask(client, url, number)
        seen = await stats(client, url)

    assert (seen["calls"], seen["peak_in_flight"]) == (20, 1)


@pytest.mark.asyncio
async def test_repeats_are_counted_by_body_and_by_key(client: httpx.AsyncClient) -> None:
    async with running({"p": "instant"}) as url:
        for number, key in ((0, "a"), (0, "b"), (1, "b"), (2, None)):
            await ask(client, url, number, headers={"Idempotency-Key": key} if key else {})
        before = await stats(client, url)
        await client.post(f"{url}/_stats/reset")
        after = await stats(client, url)

    assert (before["calls"], before["duplicates"], before["repeated_keys"]) == (4, 1, 1)
    assert (before["applied"], before["applied_again"], before["forgotten"]) == (4, 1, 0)
    assert (after["calls"], after["duplicates"], after["first_call_unix_s"]) == (0, 0, None)


@pytest.mark.asyncio
async def test_faults_come_by_rate_and_by_seed(client: httpx.AsyncClient) -> None:
    async def statuses(seed: int) -> list[int]:
        async with running({"p": "instant:rate_429=0.2,rate_500=0.2"}, seed=seed) as url:
            return [(await ask(client, url, n)).status_code for n in range(200)]

    first, again, other = await statuses(7), await statuses(7), await statuses(8)

    assert first == again != other
    counts = Counter(first)
    assert 25 <= counts[429] <= 55 and 25 <= counts[500] <= 55 and set(counts) == {200, 429, 500}


@pytest.mark.asyncio
async def test_a_retry_can_succeed(client: httpx.AsyncClient) -> None:
    async with running({"p": "instant:rate_500=0.5"}) as url:
        statuses = {(await ask(client, url)).status_code for _ in range(20)}

    assert statuses == {200, 500}


@pytest.mark.asyncio
async def test_a_cut_body_is_seen_as_a_broken_connection(client: httpx.AsyncClient) -> None:
    async with running({"p": "instant:rate_cut_body=1"}) as url:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await ask(client, url)
        async with httpx.AsyncClient() as plain:
            with pytest.raises(httpx.RemoteProtocolError):
                await ask(plain, url)
        seen = await stats(client, url)

    assert (seen["applied"], seen["applied_again"], seen["in_flight"]) == (2, 1, 0)
    assert seen["by_fault"] == {"cut_body": 2}


@pytest.mark.asyncio
@pytest.mark.parametrize(("rate", "applied"), [("rate_hang", 0), ("rate_applied_hang", 1)])
async def test_a_hanging_call_is_in_flight_until_its_caller_leaves(
    client: httpx.AsyncClient, rate: str, applied: int
) -> None:
    async with running({"p": f"instant:{rate}=1"}) as url:
        call = asyncio.create_task(ask(client, url, timeout=0.5))
        during = await once(client, url, "in_flight", 1)
        with pytest.raises(httpx.TimeoutException):
            await call
        after = await once(client, url, "in_flight", 0)

    assert during["calls"] == 1
    assert (after["applied"], after["disconnected"]) == (applied, 1)
    assert after["by_status"] == {"no_answer": 1}
    assert (after["output_tokens"] > 0) == bool(applied)


@pytest.mark.asyncio
async def test_a_hang_ends_without_an_answer(client: httpx.AsyncClient) -> None:
    async with running({"p": "instant:rate_hang=1,hang_s=0.05"}) as url:
        with pytest.raises((httpx.TransportError, OSError)):
            await ask(client, url)
        seen = await stats(client, url)

    assert (seen["in_flight"], seen["disconnected"]) == (0, 0)


@pytest.mark.asyncio
async def test_calls_above_the_ceiling_and_the_rate_are_refused(client: httpx.AsyncClient) -> None:
    profiles = {
        "p": "instant:base_ms=500,max_concurrency=3",
        "q": "instant:requests_per_minute=60,burst_requests=4",
    }
    async with running(profiles) as url:
        crowd = Counter(
            r.status_code for r in await asyncio.gather(*[ask(client, url, n) for n in range(10)])
        )
        rush = [await client.post(f"{url}/q/v1/chat/completions", json=openai_body(n)) for n in range(8)]

    assert crowd == {200: 3, 429: 7}
    assert [r.status_code for r in rush] == [200] * 4 + [429] * 4
    assert 0 < int(rush[-1].headers["retry-after-ms"]) <= 1000


@pytest.mark.asyncio
async def test_a_profile_changes_while_the_server_runs(client: httpx.AsyncClient) -> None:
    async with running({"p": "instant"}) as url:
        before = (await ask(client, url)).status_code
        changed = await client.post(f"{url}/_profiles/p", json={"profile": "instant:rate_500=1"})
        after = (await ask(client, url)).status_code
        wrong = await client.post(f"{url}/_profiles/p", json={"profile": "instant:colour=blue"})
        unknown = await client.post(f"{url}/_profiles/q", json={"profile": "instant"})

    assert (before, after) == (200, 500)
    assert changed.json()["profile"]["rate_500"] == 1
    assert (wrong.status_code, unknown.status_code) == (400, 404)
    assert "colour" in wrong.json()["error"]["message"]


@pytest.mark.asyncio
async def test_an_address_in_use_is_named_in_a_sentence() -> None:
    async with running({"p": "instant"}) as url:
        port = int(url.rsplit(":", 1)[1])
        with pytest.raises(PortInUse, match=str(port)):
            async with running({"p": "instant"}, port=port):
                pass
    with pytest.raises(BadConfiguration, match="sluggish"):
        async with running({"p": "sluggish"}):
            pass


@contextmanager
def started(*arguments: str, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "simulator", "--provider", "p=instant", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more) as process:
        try:
            yield process
        finally:
            process.kill()


def said_by(process: subprocess.Popen[bytes]) -> bytes:
    """The line in which the process says where it listens."""
    assert process.stdout is not None
    return process.stdout.readline()


def test_the_process_says_where_it_listens_and_stops_on_sigterm(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    with started("--ready-file", str(ready)) as process:
        line = said_by(process)
        address = orjson.loads(line)
        answered = httpx.get(f"http://{address['host']}:{address['port']}/_stats").json()
        with started("--port", str(address["port"])) as taken:
            sentence = taken.communicate(timeout=10)[1]
        process.send_signal(signal.SIGTERM)
        code = process.wait(10)

    assert (code, taken.returncode) == (0, 3)
    assert answered["providers"]["p"]["calls"] == 0
    assert b"Another process listens" in sentence
    assert ready.read_bytes() == line
    assert list(tmp_path.iterdir()) == [ready]


def test_a_call_that_hangs_does_not_hold_the_process_back() -> None:
    with started("--provider", "h=instant:rate_hang=1", "--provider", "s=instant:base_ms=60000") as process:
        address = orjson.loads(said_by(process))
        for name in "hs":
            with pytest.raises(httpx.TimeoutException):
                httpx.post(_completions(address, name), json=openai_body(), timeout=0.2)
        process.send_signal(signal.SIGTERM)

        assert process.wait(5) == 0


def _completions(address: dict[str, Any], name: str) -> str:
    return f"http://{address['host']}:{address['port']}/{name}/v1/chat/completions"


def test_the_process_listens_on_a_unix_socket_and_ends_with_its_parent(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    path = str(tmp_path / "s")
    with started("--unix", path, "--parent-fd", str(ours), pass_fds=(ours,)) as process:
        os.close(ours)
        assert orjson.loads(said_by(process)) == {"unix": path}
        with httpx.Client(transport=httpx.HTTPTransport(uds=path)) as client:
            status = client.post("http://simulator/p/v1/chat/completions", json=openai_body()).status_code
        with started("--unix", path) as second:
            second_code = second.wait(10)
        still_runs = process.poll() is None
        os.close(theirs)

        assert process.wait(10) == 0
    assert (status, second_code, still_runs) == (200, 3, True)
