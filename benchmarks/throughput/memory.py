"""How much memory a million lines take, in each process that they pass: in by the command line and by HTTP, out again
as results and as a batch's files.

    python -m benchmarks.throughput.memory [--lines N] [--json FILE]

Every figure is the kernel's own high-water mark of a real process. PostgreSQL is not counted: its settings say what it
takes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg

from benchmarks.throughput.ingest import LINES, PEPPER, REVIEW, make_file
from classyard.embedded.home import Home
from classyard.embedded.postgres import start_postgres
from classyard.embedded.valkey import start_valkey
from producer.api.keys import hmac_of, new_key
from runtime.db.migrate import migrate

LIMIT_MB = 300
PATIENCE_S = 3_600.0
TENANT = "default"

_BATCH = """
insert into api_batches (id, tenant_id, key_id, endpoint, input_file_id, completion_window, request_digest,
                         expires_at, batch_id, model, in_progress_at)
select 'batch_memory', tenant_id, 'memory', '/v1/chat/completions', 'file-none', '24h', '',
       now() + interval '1 day', id, 'auto', now() from batches order by created_at desc, id desc limit 1
"""


def measure(lines: int = LINES) -> dict[str, Any]:
    """Megabytes by the way that the lines went; `limit_mb` is what each should stay below for a million."""
    folder = Path(tempfile.mkdtemp(prefix="cy"))
    try:
        path = folder / "lines.jsonl"
        size = make_file(path, lines)
        with _services(folder) as environ:
            url = environ["CLASSYARD_DATABASE_URL"]
            found = dict[str, float]()

            def note(name: str, peak_mb: float) -> None:
                found[name] = peak_mb
                sys.stderr.write(f"{name}: {peak_mb} MB\n")

            with _api(environ) as (pid, address, headers):
                note("api, idle", _peak_mb(pid))
                _send(address, headers, path, lines)
                note("api, lines in", _peak_mb(pid))
                note("results", _command(environ, "results", "latest", "--output", str(folder / "out.jsonl")))
                (folder / "out.jsonl").unlink()
                _end_all(url)
                _await_file(address, headers)
                note("api, file out", _peak_mb(pid))
            note("submit", _command(environ, "submit", str(path), "--review", REVIEW))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"lines": lines, "bytes": size, "limit_mb": LIMIT_MB, "peak_mb": found}


@contextmanager
def _services(folder: Path) -> Iterator[dict[str, str]]:
    home = Home(folder / "h").prepare()
    database, broker = start_postgres(home), start_valkey(home)
    try:
        migrate(database.url)
        yield {
            **os.environ,
            "CLASSYARD_DATABASE_URL": database.url,
            "CLASSYARD_REDIS_URL": broker.url,
            "CLASSYARD_HOME": str(folder / "h"),
            "CLASSYARD_API_PEPPER": PEPPER,
            "CLASSYARD_LOG_LEVEL": "WARNING",
        }
    finally:
        broker.stop()
        database.stop()


def _command(environ: Mapping[str, str], *arguments: str) -> float:
    """Runs it to its end, and looks at its peak again and again: what the kernel tells of an ended child counts what
    its parent held when it was started."""
    running = subprocess.Popen(
        [sys.executable, "-m", "classyard", *arguments], env=environ, stdout=subprocess.DEVNULL
    )
    peak_mb = 0.0
    while running.poll() is None:
        peak_mb = max(peak_mb, _peak_mb(running.pid))
        time.sleep(0.01)
    if running.returncode:
        raise SystemExit(f"classyard {arguments[0]} ended with {running.returncode}.")
    return peak_mb


@contextmanager
def _api(environ: Mapping[str, str]) -> Iterator[tuple[int, str, dict[str, str]]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    key = new_key()
    with psycopg.connect(environ["CLASSYARD_DATABASE_URL"]) as connection:
        connection.execute(
            "insert into api_keys (id, tenant_id, name, secret_hmac, scopes) values (%s, %s, 'memory', %s, %s)",
            (key.id, TENANT, hmac_of(PEPPER, key.secret), ["submitter"]),
        )
    arguments = ["run", "api", "--host", "127.0.0.1", "--port", str(port)]
    running = subprocess.Popen([sys.executable, "-m", "classyard", *arguments], env=environ)
    headers, address = {"Authorization": f"Bearer {key.text}"}, f"http://127.0.0.1:{port}"
    try:
        _await(lambda: _answers(address, headers), 120.0)
        yield running.pid, address, headers
    finally:
        running.terminate()
        running.wait(60)


def _answers(address: str, headers: dict[str, str]) -> bool:
    try:
        return httpx.get(f"{address}/v1/files", headers=headers).status_code == 200
    except httpx.TransportError:
        return False


def _send(address: str, headers: dict[str, str], path: Path, lines: int) -> None:
    with path.open("rb") as data:
        answer = httpx.post(
            f"{address}/v1/reviews",
            params={"review": REVIEW},
            headers=headers,
            content=iter(lambda: data.read(1 << 18), b""),
            timeout=PATIENCE_S,
        )
    answer.raise_for_status()
    if answer.json()["accepted"] != lines:
        raise SystemExit(f"Only {answer.json()['accepted']:,} of {lines:,} lines were accepted.")


def _end_all(url: str) -> None:
    """The newest batch as one of OpenAI's shape of which every job has just expired: the desk writes its file."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "update jobs set state = 'expired', version = version + 1, reason_code = 'deadline', reason = 'Too late.'"
            " where batch_id = (select id from batches order by created_at desc, id desc limit 1)"
        )
        connection.execute(_BATCH)


def _await_file(address: str, headers: dict[str, str]) -> None:
    def is_there() -> bool:
        found = httpx.get(f"{address}/v1/batches/batch_memory", headers=headers, timeout=60)
        return found.status_code == 200 and bool(found.json()["error_file_id"])

    _await(is_there, PATIENCE_S)


def _await(is_so: Any, patience_s: float) -> None:
    end = time.monotonic() + patience_s
    while not is_so():
        if time.monotonic() > end:
            raise SystemExit("It took too long.")
        time.sleep(0.2)


def _peak_mb(pid: int) -> float:
    """0 where it has ended."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return round(int(found[1]) / 1024, 1) if found else 0.0


def show(found: dict[str, Any]) -> str:
    rows = [f"{found['lines']:,} lines, {found['bytes'] / 1e6:,.0f} MB; peaks of resident memory:"]
    rows += [f"{name:14} {peak:8.1f} MB" for name, peak in found["peak_mb"].items()]
    return "\n".join(rows)


def main() -> int:
    asked = argparse.ArgumentParser(description="How much memory lines take, in each process that they pass.")
    asked.add_argument("--lines", type=int, default=LINES)
    asked.add_argument("--json", type=Path)
    given = asked.parse_args()
    found = measure(given.lines)
    sys.stdout.write(show(found) + "\n")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if max(found["peak_mb"].values()) < LIMIT_MB else 1


if __name__ == "__main__":
    raise SystemExit(main())
