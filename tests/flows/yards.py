"""Whole yards for tests: `classyard up` as a process, in a home of its own, over pretend providers that the test holds.

The pretend providers run beside the yard and not in it, so that they go on counting whatever is killed in the yard.
Signals go to processes that were started here, by their pid, and to nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import psycopg
import yaml
from psycopg.rows import dict_row

from classyard.embedded.home import Home
from simulator.documents import make_documents

ROOT = Path(__file__).resolve().parents[2]

QUICK = {"CLASSYARD_KEEP_S": "0.3", "CLASSYARD_HEARTBEAT_S": "0.5"}
"""A yard that notices soon."""

UP_S = 60.0
DOWN_S = 40.0
FINAL = ("succeeded", "refused", "failed", "expired", "cancelled")


class Said(NamedTuple):
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str


# -- pretend providers


@dataclass(frozen=True)
class Pretend:
    """A process of `python -m simulator`."""

    url: str

    def stats(self, provider: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/_stats", timeout=10) as reply:
            found: dict[str, Any] = json.loads(reply.read())["providers"][provider]
        return found

    def become(self, provider: str, profile: str) -> None:
        body = json.dumps({"profile": profile}).encode()
        urllib.request.urlopen(f"{self.url}/_profiles/{provider}", data=body, timeout=10).close()

    def reset(self) -> None:
        urllib.request.urlopen(f"{self.url}/_stats/reset", data=b"", timeout=10).close()


@contextlib.contextmanager
def pretending(**profiles: str) -> Iterator[Pretend]:
    """Pretend providers by name and profile, on a free port of the loopback."""
    options = [word for name, profile in profiles.items() for word in ("--provider", f"{name}={profile}")]
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", *options, "--port", "0"],
        cwd=ROOT,
        env=_environment({}),
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield Pretend(f"http://{said['host']}:{said['port']}")
    finally:
        process.kill()  # it keeps nothing, and would wait for connections to end
        process.wait()
        if process.stdout:
            process.stdout.close()


def provider(name: str, url: str, **changes: Any) -> dict[str, Any]:
    """One entry of a catalog, for the OpenAI wire at `url`/NAME; `model` holds changes to its one model."""
    model = {
        "name": f"{name}-1",
        "version": f"{name}-1-test",
        "context_tokens": 128_000,
        "max_output_tokens": 8_192,
        "json_schema": True,
        "quality": 0.7,
        "price": {
            "input_usd_micros_per_mtok": 150_000,
            "output_usd_micros_per_mtok": 600_000,
            "source": "invented for a test",
            "checked": "2026-11-23",
        },
        "latency": {"base_ms": 100, "ms_per_input_token": 0, "ms_per_output_token": 0},
        **changes.pop("model", {}),
    }
    return {
        "name": name,
        "kind": "api",
        "adapter": "openai",
        "base_url": f"{url}/{name}/v1",
        "simulated": True,
        "boundary": "internal",
        "regions": ["us"],
        "data_terms": {
            "retention_days": 0,
            "trains_on_data": False,
            "source": "invented for a test",
            "checked": "2026-11-23",
        },
        "ceiling": 8,
        "timeout_s": 20,
        **changes,
        "models": [model],
    }


# -- yards


@dataclass
class Yard:
    """A running one."""

    home: Home
    process: subprocess.Popen[bytes]
    settings: Mapping[str, str]
    """What differs from the defaults, as environment variables."""
    extra: list[subprocess.Popen[bytes]] = field(default_factory=list)
    """Roles that the test started beside it."""

    @property
    def database_url(self) -> str:
        return self.home.running().database_url

    @property
    def redis_url(self) -> str:
        return self.home.running().redis_url

    def cli(self, *words: str | Path, timeout_s: float = 60.0) -> Said:
        return cli(*words, home=self.home.path, timeout_s=timeout_s, **self.settings)

    def start_role(self, *words: str) -> subprocess.Popen[bytes]:
        """A further `classyard run …` of this yard; it ends with the yard at the latest."""
        log = (self.home.logs / f"extra-{len(self.extra)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "classyard", "run", *words],
                cwd=ROOT,
                env=_environment({**self.settings, "CLASSYARD_HOME": str(self.home.path)}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.extra.append(process)
        return process

    def rows(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.database_url, row_factory=dict_row, autocommit=True) as connection:
            return connection.execute(statement, arguments).fetchall()  # type: ignore[call-overload,no-any-return]

    def one(self, statement: str, *arguments: Any) -> Any:
        """The first column of the first row."""
        return next(iter(self.rows(statement, *arguments)[0].values()))

    def states(self, batch: str) -> dict[str, int]:
        found = self.rows(
            "select state, count(*) as jobs from jobs where batch_id = %s group by state", batch
        )
        return {row["state"]: row["jobs"] for row in found}

    def finished(self, batch: str) -> int:
        """Jobs of the batch that are final."""
        return sum(jobs for state, jobs in self.states(batch).items() if state in FINAL)

    def submit(self, *words: str | Path) -> str:
        """Hands in, does not wait, and gives the batch's id."""
        said = self.cli("submit", *words)
        assert said.code == 0, said.err
        return batch_of(said)

    def wait(self, batch: str, *, timeout_s: float = 60.0) -> dict[str, int]:
        """Until every job of the batch is final; gives the states."""
        total = sum(self.states(batch).values())
        until(lambda: self.finished(batch) == total, f"{total} jobs to be final", timeout_s=timeout_s)
        return self.states(batch)

    def pid(self, role: str) -> int:
        """Of a child of this yard as it is now: `router`, `keeper`, `valkey`, `provider-NAME`."""
        pid = int(json.loads((self.home.run / f"{role}.process.json").read_bytes())["pid"])
        assert psutil.Process(pid).ppid() == self.process.pid, f"{role} ({pid}) is not a child of this yard"
        return pid

    def kill(self, role: str) -> int:
        """SIGKILL to a child of this yard; gives the pid that it had."""
        pid = self.pid(role)
        os.kill(pid, signal.SIGKILL)
        return pid

    def await_replaced(self, role: str, pid: int, *, timeout_s: float = 30.0) -> None:
        """Until the supervisor has put a new process in the place of `pid`."""
        until(lambda: self._is_replaced(role, pid), f"a new {role}", timeout_s=timeout_s)

    def _is_replaced(self, role: str, pid: int) -> bool:
        record = self.home.run / f"{role}.process.json"
        return record.exists() and int(json.loads(record.read_bytes())["pid"]) != pid

    def said(self) -> str:
        """What `classyard up` wrote so far."""
        return (self.home.path / "up.log").read_text(errors="replace")

    def processes(self) -> list[psutil.Process]:
        """The yard's own, from `up` down to the database's workers."""
        up = psutil.Process(self.process.pid)
        return [up, *up.children(recursive=True)]

    def stop(self) -> int:
        """SIGTERM to `up`, as Ctrl-C does it; asserts that nothing is left, and gives the exit code."""
        for process in self.extra:
            process.terminate()
        for process in self.extra:
            process.wait(timeout=DOWN_S)
        ours = self.processes() if self.process.poll() is None else []
        self.process.terminate()
        code = self.process.wait(timeout=DOWN_S)
        assert not living(ours), f"left running: {living(ours)}"
        return code


def living(processes: Sequence[psutil.Process]) -> list[str]:
    """Those that still run, by name and pid. One that nobody has buried yet does not."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.name()} ({process.pid})")
    return found


@contextlib.contextmanager
def yard(
    *providers: dict[str, Any], policy: Mapping[str, Any] | None = None, **settings: str
) -> Iterator[Yard]:
    """A yard with this catalog in a fresh home, up until the block ends. `settings` are environment variables."""
    with folder() as path:
        prepare_home(path, *providers, policy=policy)
        with up(path, **settings) as running:
            yield running


@contextlib.contextmanager
def up(home: Path, **settings: str) -> Iterator[Yard]:
    """`classyard up` in a home that is there already."""
    chosen = {**QUICK, **settings}
    with (home / "up.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "classyard", "up"],
            cwd=ROOT,
            env=_environment({**chosen, "CLASSYARD_HOME": str(home)}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    started = Yard(Home(home), process, chosen)
    try:
        _await_up(started)
        yield started
    except BaseException:
        _show_logs(started.home)
        raise
    finally:
        started.stop()


def _await_up(started: Yard) -> None:
    def is_up() -> bool:
        assert started.process.poll() is None, f"`up` ended with {started.process.poll()}:\n{started.said()}"
        found = started.home.read_run()
        return found is not None and found.pids["up"] == started.process.pid

    until(is_up, "the yard to be up", timeout_s=UP_S)


def _show_logs(home: Home) -> None:
    """For the report of a failed test: the end of each log."""
    for log in sorted(home.logs.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-15:]
        print(f"--- {log.name}", *lines, sep="\n")


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A fresh folder with a name that is short enough for sockets; pytest's own are too long."""
    path = Path(tempfile.mkdtemp(prefix="cyf"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def prepare_home(path: Path, *providers: dict[str, Any], policy: Mapping[str, Any] | None = None) -> Path:
    """Writes the catalog, and the policy where one is given, to where a user would put them."""
    catalog = path / "config" / "catalog" / "test.yaml"
    catalog.parent.mkdir(parents=True, exist_ok=True)
    catalog.write_text(yaml.safe_dump({"providers": list(providers)}, sort_keys=False))
    if policy is not None:
        own = path / "config" / "policies" / "default.yaml"
        own.parent.mkdir(exist_ok=True)
        own.write_text(yaml.safe_dump({"policy": "test", "version": 1, **policy}, sort_keys=False))
    return path


# -- commands, documents, waiting


def cli(*words: str | Path, home: Path, timeout_s: float = 60.0, **settings: str) -> Said:
    """`python -m classyard …` as a process with an environment of a few names."""
    done = subprocess.run(
        [sys.executable, "-m", "classyard", *map(str, words)],
        cwd=ROOT,
        env=_environment({**settings, "CLASSYARD_HOME": str(home)}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    passed = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**passed, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", **more}


def batch_of(said: Said) -> str:
    """The batch's id, from what `submit` said."""
    line = next(line for line in said.err.splitlines() if " as batch " in line)
    return line.rpartition(" ")[2].rstrip(".")


def write_contracts(folder: Path, count: int, *, seed: int = 20) -> Path:
    """So many synthetic contracts as text files."""
    folder.mkdir(parents=True, exist_ok=True)
    for document in make_documents(seed, count, language="en"):
        (folder / document.name).write_text(document.text, encoding="utf-8")
    return folder


def until(true: Callable[[], bool], what: str, *, timeout_s: float = 30.0, every_s: float = 0.05) -> None:
    """Looks again and again; fails with the words in `what`."""
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, f"waited {timeout_s:g} s for {what}"
        time.sleep(every_s)
