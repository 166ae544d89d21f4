"""How fast a million lines are taken, beside how fast the same lines are only parsed.

    python -m benchmarks.throughput.ingest [--lines N] [--json FILE] [--no-http]

Starts a PostgreSQL of its own, as the embedded yard has it: durable, and with all of the guards. `ingest_over_parsing`
is lines accepted a second, by `producer.intake.accept` as `classyard submit` calls it, over lines parsed a second by
the standard library. The processor's time stands beside the time that passed, since other work may run on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import uvicorn

from classyard.context import Context
from classyard.embedded.home import Home
from classyard.embedded.postgres import start_postgres
from governance.reviews import find_review
from producer.api.app import create_app
from producer.api.keys import hmac_of, new_key
from producer.api.server import bound
from producer.api.state import ApiState
from producer.intake.accept import Accepted, accept, take_short_turns
from producer.sources import read_all
from runtime.config_files import packaged
from runtime.db.migrate import migrate
from runtime.db.session import Database
from runtime.db.stores import api_keys
from runtime.settings import Settings
from schemas.review import Review
from schemas.submission import Requirements

LINES = 1_000_000
SEED = 20_261_128
PEPPER = "of a yard that lives as long as one measurement"
REVIEW = "contract-clauses"
WORDS = (
    *(
        "the",
        "party",
        "shall",
        "notice",
        "agreement",
        "confidential",
        "term",
        "liability",
        "governed",
        "by",
        "law",
        "of",
    ),
    *(
        "state",
        "and",
        "or",
        "in",
        "writing",
        "within",
        "days",
        "after",
        "receipt",
        "any",
        "such",
        "breach",
        "supplier",
    ),
    *("customer", "fees", "invoice", "payable", "net", "thirty", "Klausel", "Gewährleistung", "§", "clause"),
)


SETTLE_S = 1.0
"""Until a server's process that ended is counted by the one that waits for it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What one way of taking the lines took."""

    name: str
    lines: int
    wall_s: float
    process_s: float
    """Processor time of this process, all of its threads."""
    postgres_s: float
    """Processor time of the server's processes."""

    @property
    def lines_a_second(self) -> float:
        return self.lines / self.wall_s


def make_file(path: Path, lines: int, seed: int = SEED) -> int:
    """About a kilobyte a line: an id, and a text of paragraphs. Gives its bytes."""
    chance = random.Random(seed)
    with path.open("wb") as out:
        for number in range(lines):
            text = "\n".join(
                " ".join(chance.choices(WORDS, k=26)).capitalize() + "." for _ in range(chance.randint(4, 6))
            )
            record = {"custom_id": f"contract-{number:07d}", "text": f"AGREEMENT No. {number}\n\n{text}"}
            out.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
    return path.stat().st_size


def measured(name: str, lines: int, work: Callable[[], Any], server: int | None = None) -> Stage:
    before, began, used = _postgres_s(server), time.perf_counter(), time.process_time()
    work()
    wall_s, process_s = time.perf_counter() - began, time.process_time() - used
    if server is not None:
        time.sleep(SETTLE_S)
    return Stage(name, lines, wall_s, process_s, _postgres_s(server) - before)


def _postgres_s(server: int | None) -> float:
    """Of all processes of the server that are there; those that ended are counted by the one that waited for them."""
    if server is None:
        return 0.0
    total = 0.0
    try:
        parent = psutil.Process(server)
        times = parent.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
        for child in parent.children():
            times = child.cpu_times()
            total += times.user + times.system
    except psutil.NoSuchProcess:
        pass
    return total


def parse_plainly(path: Path, loads: Callable[[bytes], Any]) -> None:
    with path.open("rb") as lines:
        for line in lines:
            loads(line)


# -- the yard


@contextmanager
def yard() -> Iterator[tuple[str, int]]:
    """The address of a migrated database and the server's process."""
    folder = Path(tempfile.mkdtemp(prefix="cy"))
    try:
        server = start_postgres(Home(folder).prepare())
        try:
            migrate(server.url)
            yield server.url, server.pid
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def the_review() -> Review:
    return find_review(REVIEW, (packaged("reviews"),))


def accept_file(url: str, path: Path) -> Accepted:
    """As `classyard submit` does it."""

    async def run() -> Accepted:
        take_short_turns()
        database = Database(url, connections=2)
        await database.open()
        try:
            return await accept(
                database,
                read_all([path]),
                tenant_id="default",
                source=str(path),
                review=the_review(),
                requirements=Requirements(),
            )
        finally:
            await database.close()

    return asyncio.run(run())


class _Silent:
    async def ring(self, queue: str, count: int) -> None:
        pass


def send_file(url: str, path: Path) -> dict[str, Any]:
    """By HTTP, over the loopback, to the API in a thread of this process."""
    with _api(url) as (address, headers), path.open("rb") as data, httpx.Client(timeout=3_600) as client:
        answer = client.post(
            f"{address}/v1/reviews",
            params={"review": REVIEW},
            headers=headers,
            content=iter(lambda: data.read(1 << 18), b""),
        )
    answer.raise_for_status()
    return dict(answer.json())


@contextmanager
def _api(url: str) -> Iterator[tuple[str, dict[str, str]]]:
    ready, stop = threading.Event(), threading.Event()
    address = bound("127.0.0.1", 0)
    key = new_key()

    async def serve() -> None:
        database = Database(url, connections=4)
        await database.open()
        async with database.transaction() as connection:
            await api_keys.add(
                connection,
                key_id=key.id,
                tenant_id="default",
                name="bench",
                secret_hmac=hmac_of(PEPPER, key.secret),
                scopes=["submitter"],
                expires_s=None,
            )
        settings = Settings(database_url=url, redis_url="redis://none")
        context = Context.from_environment()
        bells: Any = _Silent()
        state = ApiState(settings, database, bells, PEPPER, lambda _: the_review(), context.policy)
        app = create_app(state, with_desk=False)
        server = uvicorn.Server(
            uvicorn.Config(app, http="httptools", ws="none", log_config=None, access_log=False)
        )
        serving = asyncio.create_task(server.serve(sockets=[address]))
        ready.set()
        await asyncio.to_thread(stop.wait)
        server.should_exit = True
        await serving
        await database.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    ready.wait(30)
    try:
        yield f"http://127.0.0.1:{address.getsockname()[1]}", {"Authorization": f"Bearer {key.text}"}
    finally:
        stop.set()
        thread.join(30)


# -- the measurement


def measure(lines: int = LINES, *, with_http: bool = True) -> dict[str, Any]:
    """Figures by name. Takes some minutes for a million lines, and about five times the file's size on disk."""
    folder = Path(tempfile.mkdtemp(prefix="cylines"))
    path = folder / "lines.jsonl"
    try:
        size = make_file(path, lines)
        stages = [
            measured("parse, json", lines, lambda: parse_plainly(path, json.loads)),
            measured("parse, orjson", lines, lambda: parse_plainly(path, orjson.loads)),
        ]
        with yard() as (url, server):
            stages.append(
                measured("accept", lines, lambda: _whole(accept_file(url, path).accepted, lines), server)
            )
        if with_http:
            with yard() as (url, server):
                stages.append(
                    measured("HTTP", lines, lambda: _whole(send_file(url, path)["accepted"], lines), server)
                )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return figures(stages, size)


def figures(stages: list[Stage], size_bytes: int) -> dict[str, Any]:
    by_name = {stage.name: stage for stage in stages}
    plain, fast, taken = by_name["parse, json"], by_name["parse, orjson"], by_name["accept"]
    return {
        "lines": plain.lines,
        "bytes": size_bytes,
        "ingest_over_parsing": round(taken.lines_a_second / plain.lines_a_second, 4),
        "ingest_over_orjson": round(taken.lines_a_second / fast.lines_a_second, 4),
        "stages": [{**asdict(stage), "lines_a_second": round(stage.lines_a_second)} for stage in stages],
    }


def _whole(accepted: int, lines: int) -> None:
    if accepted != lines:
        raise SystemExit(f"Only {accepted:,} of {lines:,} lines were accepted.")


def show(found: dict[str, Any]) -> str:
    rows = [f"{found['lines']:,} lines, {found['bytes'] / 1e6:,.0f} MB"]
    rows += [
        f"{stage['name']:14} {stage['lines_a_second']:>10,} lines/s  {stage['wall_s']:8.2f} s"
        f"  here {stage['process_s']:7.2f} s  PostgreSQL {stage['postgres_s']:7.2f} s of processor"
        for stage in found["stages"]
    ]
    rows.append(
        f"ingest_over_parsing {found['ingest_over_parsing']}   (over orjson: {found['ingest_over_orjson']})"
    )
    return "\n".join(rows)


def main() -> None:
    asked = argparse.ArgumentParser(description="How fast lines are taken, beside how fast they are parsed.")
    asked.add_argument("--lines", type=int, default=LINES)
    asked.add_argument("--json", type=Path)
    asked.add_argument("--no-http", action="store_true")
    given = asked.parse_args()
    found = measure(given.lines, with_http=not given.no_http)
    sys.stdout.write(show(found) + "\n")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("CLASSYARD_LOG_LEVEL", "WARNING")
    main()
