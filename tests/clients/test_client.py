"""`classyard.Client` and `classyard.AsyncClient` drive a whole yard over a socket, also one that breaks."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from classyard import AsyncClient, Client, Document
from classyard.client.problems import BadKey, BadRequest, Forbidden, KeyReused, NotFound, RateLimited
from schemas.errors import YardNotRunning
from simulator.documents import make_documents
from tests.faults.proxy import CALM, Proxy, ProxyThread, Weather
from tests.flows.yards import ROOT, Yard, pretending, provider, yard

pytestmark = pytest.mark.flows

CONTRACTS = [
    Document(f"c-{n}", one.text, one.name) for n, one in enumerate(make_documents(21, 8, language="en"))
]


@pytest.fixture(scope="module")
def here() -> Iterator[Yard]:
    with pretending(alpha="fast-cheap") as pretend, yard(provider("alpha", pretend.url)) as running:
        yield running


@pytest.fixture
def client(here: Yard, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """As a program on this machine makes it: with nothing said."""
    monkeypatch.setenv("CLASSYARD_HOME", str(here.home.path))
    monkeypatch.delenv("CLASSYARD_URL", raising=False)
    monkeypatch.delenv("CLASSYARD_KEY", raising=False)
    with Client() as made:
        yield made


def test_the_address_is_the_one_that_status_names(here: Yard) -> None:
    found = re.search(r"HTTP API: (http://\S+)/v1", here.cli("status").out)
    assert found and here.home.running().api == found[1]
    assert (here.home.run / "api.key").stat().st_mode & 0o077 == 0


def test_documents_go_in_are_waited_for_and_come_out(client: Client) -> None:
    seen: list[int] = []

    made = client.submit(CONTRACTS, review="contract-clauses", sensitivity="internal", deadline="1h")
    done = client.wait(made, timeout_s=60, on_progress=lambda batch: seen.append(batch.final))

    assert (made.accepted, made.rejected, made.repeated) == (8, 0, False)
    assert (done.status, done.succeeded, dict(done.states)) == ("done", 8, {"succeeded": 8})
    assert seen == sorted(seen) and seen[-1] == 8
    assert done.requirements["sensitivity"] == "internal"
    found = list(client.results(made))
    assert [one.custom_id for one in found] == [one.custom_id for one in CONTRACTS]
    for one in found:
        assert one.succeeded and one.provider == "alpha" and one.simulated
        assert one.verdict and one.standing and one.decision_digest and one.cost_usd_micros > 0
        assert len(one.quotes) == len(one.findings)


def test_a_file_goes_in_as_it_is_with_its_rejections(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "contracts.jsonl"
    path.write_text(f'{{"custom_id": "a", "text": {json.dumps(CONTRACTS[0].text)}}}\nrubbish\n')

    made = client.submit(path, review="contract-clauses", key="my own")
    again = client.submit(str(path), review="contract-clauses", key="my own")

    assert (made.accepted, made.rejected, made.rejections[0].code) == (1, 1, "invalid_json_line")
    assert made.id == again.id and again.repeated
    with pytest.raises(KeyReused, match="used before"):
        client.submit(CONTRACTS[:1], review="contract-clauses", key="my own")


def test_what_is_cancelled_and_what_is_taken_up_again(client: Client) -> None:
    refused = client.submit(CONTRACTS[:2], review="contract-clauses", residency=["eu"])
    assert client.wait(refused, timeout_s=60).states == {"refused": 2}
    assert all(one.reason and not one.output for one in client.results(refused))

    again = client.retry(refused)
    ended = client.cancel(again)

    assert (again.accepted, again.retry_of) == (2, refused.id)
    assert ended.id == again.id and not client.get(again).is_open


def test_errors_are_classes_with_the_yards_sentence(here: Yard, client: Client) -> None:
    with pytest.raises(NotFound, match="No such review batch: 'nothing'"):
        client.get("nothing")
    with pytest.raises(NotFound, match="no-such-review"):
        client.submit(CONTRACTS, review="no-such-review")
    with pytest.raises(BadRequest, match="deadline"):
        client.submit(CONTRACTS, review="contract-clauses", deadline="soon")
    with pytest.raises(BadRequest, match="not one document") as empty:
        client.submit([{"custom_id": "a"}], review="contract-clauses")
    assert empty.value.code == "empty_batch"
    with pytest.raises(BadKey, match="not valid"):
        Client(here.home.running().api, "cy_wrong").get("nothing")
    watcher = here.cli("keys", "new", "a watcher", "--scope", "operator").out.strip()
    with Client(here.home.running().api, watcher) as other, pytest.raises(Forbidden, match="submitter"):
        other.submit(CONTRACTS, review="contract-clauses")


def test_a_key_with_a_rate_is_shown_with_it_and_told_when_it_is_used_up(here: Yard) -> None:
    made = here.cli("keys", "new", "few", "--scope", "operator", "--rate", "2/m")
    assert made.code == 0, made.err
    with Client(here.home.running().api, made.out.strip(), retries=0) as few:
        for _ in range(2):
            with pytest.raises(NotFound):
                few.get("nothing")
        with pytest.raises(RateLimited, match="2 times a minute") as limited:
            few.get("nothing")

    assert 1 <= int(limited.value.retry_after or "") <= 30
    listed = here.cli("keys", "list").out
    assert "this machine" in listed and re.search(r"few .* 2/m ", listed)
    wrong = here.cli("keys", "new", "few", "--rate", "often")
    assert wrong.code == 2 and "600/m" in wrong.err


def test_without_a_yard_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLASSYARD_HOME", str(tmp_path))
    with pytest.raises(YardNotRunning, match="classyard up"):
        Client()


def test_the_asynchronous_one_does_the_same(here: Yard, client: Client) -> None:
    async def coming() -> Any:
        for one in CONTRACTS[:3]:
            await asyncio.sleep(0)
            yield one

    async def run() -> tuple[Any, list[Any], list[Any]]:
        async with AsyncClient() as caller:
            made = await caller.submit(coming(), review="contract-clauses")
            moves = [one async for one in caller.progress(made, timeout_s=60)]
            return made, moves, [one async for one in caller.results(made)]

    made, moves, found = asyncio.run(run())

    assert made.accepted == 3 and moves[-1].succeeded == 3 and not moves[-1].is_open
    assert found == list(client.results(made))


def test_a_submission_whose_answer_was_lost_is_the_same_batch(here: Yard, client: Client) -> None:
    """The yard has committed, and the connection ends before it can say so."""
    with before(here) as (proxies, proxy, url):
        proxies.become(proxy, Weather(cut_after=0))
        calm = threading.Timer(1.0, proxies.become, (proxy, CALM))
        calm.start()
        with Client(url, own_key(here), retries=8) as caller:
            made = caller.submit(iter(CONTRACTS[:4]), review="contract-clauses", key="lost answer")
        calm.join()

        assert proxy.counts["cut"] >= 1
        assert made.accepted == 4 and made.repeated
        assert here.one("select count(*) from batches where idempotency_key = 'lost answer'") == 1
        client.cancel(made)


def test_results_whose_connection_breaks_are_all_there_once(here: Yard, client: Client) -> None:
    made = client.submit((Document(f"r-{n}", f"{n}. Fee.") for n in range(300)), review="contract-clauses")
    client.cancel(made)
    wanted = [one.custom_id for one in client.results(made)]
    with before(here) as (proxies, proxy, url), Client(url, own_key(here)) as caller:
        proxies.become(proxy, Weather(cut_after=50_000))
        found = []
        for one in caller.results(made):
            found.append(one.custom_id)
            if len(found) == 1:
                threading.Timer(0.5, proxies.become, (proxy, CALM)).start()

        assert found == wanted and len(found) == 300
        assert proxy.counts["cut"] >= 1


def test_the_page_shows_what_works(here: Yard, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    snippet = re.search(r"<!-- snippet:[^>]*-->\n```python\n(.*?)```", page, re.DOTALL)
    assert snippet

    exec(compile(snippet[1], "docs/client.md", "exec"), {})

    said = capsys.readouterr().out
    assert said.endswith("\n") and "1 of 1\ncontract-1 succeeded " in said


@contextmanager
def before(here: Yard) -> Iterator[tuple[ProxyThread, Proxy, str]]:
    """A proxy before the API, calm at first."""
    port = int(here.home.running().api.rpartition(":")[2])
    proxies = ProxyThread()
    try:
        proxy = proxies.add(("127.0.0.1", port))
        yield proxies, proxy, f"http://127.0.0.1:{proxy.port}"
    finally:
        proxies.close()


def own_key(here: Yard) -> str:
    return (here.home.run / "api.key").read_text()


def test_memory_does_not_grow_with_the_submission(client: Client) -> None:
    """7 MB of documents, and a client that never holds a third of it."""
    text = "The fee is EUR 100. " * 700

    def many(count: int) -> Iterator[Document]:
        for n in range(count):
            yield Document(f"m-{n}", f"{n}. {text}")

    class Many:
        def __iter__(self) -> Iterator[Document]:
            return many(500)

    tracemalloc.start()
    made = client.submit(Many(), review="contract-clauses", priority="bulk", key="many")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    client.cancel(made)

    assert made.accepted == 500
    assert peak < 2_000_000
