"""A document never crosses its boundary: not to a provider, nor to a log, the broker or a metrics page, whatever fails.

The documents carry a canary. Afterwards everything that they must not reach is searched for it.
"""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import redis

from tests.flows.yards import Pretend, Said, Yard, batch_of, pretending, provider, write_contracts, yard
from tests.invariants import check_invariants

pytestmark = [pytest.mark.services, pytest.mark.flows, pytest.mark.xdist_group("flows-boundaries")]

DOCUMENTS = 2
CANARY = "KINGFISHER-OVER-THE-MILLPOND"
PLAN = {"attempts_per_step": 1, "max_plans": 2, "max_attempts": 2}
"""A job that finds no provider gives up soon."""


@dataclass
class Recorder:
    """A provider that keeps every request that it gets. `/api` is out of order; `/echo` repeats the request's body in
    its complaint, as real ones do."""

    url: str = ""
    bodies: list[tuple[str, str]] = field(default_factory=list)
    """Provider and body, in order."""

    def of(self, name: str) -> list[str]:
        return [body for asked, body in self.bodies if asked == name]


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    kept = Recorder()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            name = self.path.split("/")[1]
            kept.bodies.append((name, body))
            status, said = (503, "Out of order.") if name == "api" else (400, f"I do not understand: {body}")
            reply = json.dumps({"error": {"message": said, "type": "server_error", "code": body}}).encode()
            self.send_response(status, "No")
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield kept
        server.shutdown()


@pytest.fixture(scope="module")
def pretend() -> Iterator[Pretend]:
    with pretending(cloud="instant", home="instant") as running:
        yield running


@pytest.fixture(scope="module")
def running(recorder: Recorder, pretend: Pretend) -> Iterator[Yard]:
    """A yard whose best providers by far may see internal documents at most; `home` may see all, and so may `echo`, in
    another region."""
    api = provider("api", recorder.url, boundary="internal", model={"quality": 1.0})
    cloud = provider(
        "cloud",
        pretend.url,
        adapter="anthropic",
        base_url=f"{pretend.url}/cloud",
        boundary="public",
        model={"quality": 0.9},
    )
    home = provider("home", pretend.url, kind="self_hosted", boundary="restricted", model=_dear(0.1))
    echo = provider(
        "echo", recorder.url, kind="self_hosted", boundary="restricted", regions=["de"], model=_dear(0.0)
    )
    with yard(api, cloud, home, echo, policy={"plan": PLAN}) as started:
        yield started


@pytest.fixture(autouse=True)
def tight(running: Yard, recorder: Recorder, pretend: Pretend) -> Iterator[None]:
    """After each test the canary is in none of the places where it must not be."""
    yield
    assert not [name for name, body in recorder.bodies if CANARY in body and name != "echo"]
    assert pretend.stats("cloud")["calls"] == 0
    assert _files_with_the_canary(running) == []
    assert _broker_keys_with_the_canary(running) == []
    assert _metrics_with_the_canary(running) == []
    check_invariants(running.database_url)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Confidential documents, each with the canary in the middle of its text."""
    folder = write_contracts(tmp_path / "secret", DOCUMENTS)
    for path in folder.iterdir():
        begin, _, rest = path.read_text().partition("\n")
        path.write_text(f"{begin}\nThe code word of this agreement is {CANARY}.\n{rest}")
    return folder


def test_what_may_be_seen_outside_goes_there_and_falls_back(
    running: Yard, recorder: Recorder, tmp_path: Path
) -> None:
    """Internal documents are offered to the better provider outside first: the recorder does record, and what fails
    there falls back."""
    documents = write_contracts(tmp_path / "plain", 3)

    said = _submit(running, documents)

    assert said.code == 0, said.out
    assert recorder.of("api")
    assert _providers(running, said) == {"api", "home"}


def test_confidential_documents_stay_inside(running: Yard, recorder: Recorder, secret: Path) -> None:
    """Confidential documents are served by the provider that may see them, and by no other, however much better."""
    said = _submit(running, secret, "--sensitivity", "confidential", "--residency", "us")

    assert said.code == 0, said.out
    assert said.out.splitlines()[-1] == "2 jobs: 2 succeeded, 0 refused, 0 failed"
    assert _providers(running, said) == {"home"}


def test_they_stay_inside_when_the_provider_fails(
    running: Yard, pretend: Pretend, recorder: Recorder, secret: Path
) -> None:
    """The one provider that may see them is out of order: the jobs are offered to nobody else. They wait for it until
    their deadline, or fail where their calls were used up before its breaker opened."""
    before = len(recorder.of("api"))
    pretend.become("home", "instant:rate_500=1")

    said = _submit(running, secret, "--sensitivity", "confidential", "--residency", "us", "--deadline", "6s")

    pretend.become("home", "instant")
    assert said.code == 1
    assert "2 jobs: 0 succeeded, 0 refused" in said.out.splitlines()[-1]
    assert set(running.states(batch_of(said))) <= {"expired", "failed"}
    assert _providers(running, said) == {"home"}
    assert len(recorder.of("api")) == before
    asked = "select convert_from(d.body, 'utf8')::jsonb -> 'allowed' as allowed from decisions d join jobs j"
    allowed = running.rows(f"{asked} on j.id = d.job_id where j.batch_id = %s", batch_of(said))
    assert {tuple(row["allowed"]) for row in allowed} == {("home/home-1",)}
    assert CANARY not in said.out + said.err


def test_a_provider_that_repeats_the_document_in_its_complaint(
    running: Yard, recorder: Recorder, secret: Path
) -> None:
    """What a provider says of a request may hold the request: it gets into no log, reason or screen."""
    said = _submit(running, secret, "--sensitivity", "restricted", "--residency", "de")

    assert said.code == 1
    assert said.out.splitlines()[-1] == "2 jobs: 0 succeeded, 0 refused, 2 failed"
    assert [body for body in recorder.of("echo") if CANARY in body], "it did get the documents"
    assert CANARY not in said.out + said.err
    batch = batch_of(said)
    assert _rows_with_the_canary(running, "jobs", batch) == 0
    assert _rows_with_the_canary(running, "attempts", batch) == 0
    audit = "select count(*) from audit_events where convert_from(body, 'utf8') like %s"
    assert running.one(audit, f"%{CANARY}%") == 0


def _dear(quality: float) -> dict[str, object]:
    """A model that is chosen only where nothing else may be."""
    price = {
        "input_usd_micros_per_mtok": 9_000_000,
        "output_usd_micros_per_mtok": 90_000_000,
        "source": "invented for a test",
        "checked": "2026-11-23",
    }
    return {"quality": quality, "price": price}


def _submit(running: Yard, documents: Path, *options: str) -> Said:
    return running.cli("submit", documents, "--review", "contract-clauses", "--wait", *options)


def _providers(running: Yard, said: Said) -> set[str]:
    """Those that were called for the batch."""
    rows = running.rows("select distinct provider from attempts where batch_id = %s", batch_of(said))
    return {row["provider"] for row in rows}


def _files_with_the_canary(running: Yard) -> list[str]:
    """Of all that the yard keeps beside the database: logs, run files, the broker's files."""
    mark = CANARY.encode()
    files = [path for path in running.home.path.rglob("*") if path.is_file()]
    outside = [path for path in files if not path.is_relative_to(running.home.postgres)]
    assert any(path.suffix == ".log" for path in outside)
    return [str(path) for path in outside if mark in path.read_bytes()]


def _broker_keys_with_the_canary(running: Yard) -> list[bytes]:
    mark = CANARY.encode()
    with redis.Redis.from_url(running.redis_url) as broker:
        keys = list(broker.scan_iter(count=1_000))
        return [key for key in keys if mark in key or mark in (broker.dump(key) or b"")]


def _metrics_with_the_canary(running: Yard) -> list[str]:
    pages = running.home.running().metrics
    assert len(pages) == 6, "router, keeper and four providers"
    found = []
    for role, address in pages.items():
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as page:
            text = page.read().decode()
        assert "classyard_" in text
        found += [role] if CANARY in text else []
    return found


def _rows_with_the_canary(running: Yard, table: str, batch: str) -> int:
    asked = f"select count(*) from {table} t where t.batch_id = %s and t::text like %s"
    return int(running.one(asked, batch, f"%{CANARY}%"))
