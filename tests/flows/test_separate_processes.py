"""The roles as processes of their own, with the commands of `docker-compose.yml` and the broker's file of `deploy/`.

In place of containers they are processes of this machine, and in place of the names of containers its loopback:
everything else is as there, from the one-shot `migrate` to the health checks.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
import yaml
from prometheus_client.parser import text_string_to_metric_families
from psycopg.rows import dict_row

from classyard.embedded.valkey import find_program
from tests.conftest import Services

pytestmark = [pytest.mark.services, pytest.mark.flows, pytest.mark.xdist_group("separate")]

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
ROLES = ("router", "provider-sim-swift", "provider-sim-sage", "keeper")
STOP_S = 30.0


@dataclass
class Processes:
    """The yard's processes by the name of their service."""

    folder: Path
    variables: dict[str, str]
    words: dict[str, str]
    """What stands for a container's folder, name or port here."""
    ports: dict[str, int]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def people(self) -> str:
        return (self.folder / "secrets" / "flower_auth").read_text().strip()

    def here(self, text: str) -> str:
        for there, word in self.words.items():
            text = text.replace(there, word)
        return text

    def argv(self, service: str) -> list[str]:
        start = SERVICES[service].get("entrypoint", ["python", "-m", "classyard"])
        return [sys.executable, *start[1:], *map(self.here, SERVICES[service]["command"])]

    def environment(self, service: str) -> dict[str, str]:
        told = {
            name: self.here(str(value)) for name, value in SERVICES[service].get("environment", {}).items()
        }
        port = (
            {"CLASSYARD_METRICS_PORT": str(self.ports[service])} if "CLASSYARD_METRICS_PORT" in told else {}
        )
        return {**told, **self.variables, **port}

    def start(self, service: str) -> None:
        with (self.folder / f"{service}.log").open("wb") as log:
            self.running[service] = subprocess.Popen(
                self.argv(service),
                cwd=ROOT,
                env=self.environment(service),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def cli(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "classyard", *map(str, words)]
        return subprocess.run(
            argv, cwd=ROOT, env=self.environment("router"), capture_output=True, text=True, timeout=60
        )

    def is_well(self, service: str) -> bool:
        """Asks the service's own health check."""
        asked = [self.here(word) for word in SERVICES[service]["healthcheck"]["test"][2:]]
        done = subprocess.run(
            [sys.executable, *asked], cwd=ROOT, env=self.environment(service), capture_output=True
        )
        return done.returncode == 0

    def stop(self, service: str) -> int:
        process = self.running.pop(service)
        process.terminate()
        return process.wait(STOP_S)

    def rows(self, statement: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.variables["DATABASE_URL"], row_factory=dict_row) as connection:
            return connection.execute(statement).fetchall()  # type: ignore[call-overload,no-any-return]

    def slots(self, service: str) -> int | None:
        pid = self.running[service].pid
        return next(
            (row["slots"] for row in self.rows("select pid, slots from workers") if row["pid"] == pid), None
        )

    def flower(self, path: str, *, data: bytes | None = None, known: bool = True) -> int:
        return self.flower_page(path, data=data, known=known)[0]

    def flower_page(self, path: str, *, data: bytes | None = None, known: bool = True) -> tuple[int, bytes]:
        login = base64.b64encode(self.people.encode()).decode()
        headers = {"Authorization": f"Basic {login}"} if known else {}
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.ports['flower']}{path}", data=data, headers=headers
        )
        try:
            with urllib.request.urlopen(asked, timeout=10) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@pytest.fixture(scope="module")
def processes(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    folder = tmp_path_factory.mktemp("separate")
    subprocess.run(
        ["sh", ROOT / "deploy" / "make-secrets", folder / "secrets"], check=True, capture_output=True
    )
    with _database(services) as database_url, _broker(folder) as redis_url:
        made = _prepared(folder, database_url, redis_url)
        migrated = subprocess.run(
            made.argv("migrate"), cwd=ROOT, env=made.environment("migrate"), capture_output=True
        )
        assert migrated.returncode == 0, migrated.stderr
        try:
            for service in ("simulator", *ROLES, "flower"):
                made.start(service)
            for service in ("simulator", *ROLES, "flower"):
                eventually(lambda name=service: made.is_well(name), f"{service} to be well", every_s=0.5)
            yield made
        finally:
            _stop(made)


def _prepared(folder: Path, database_url: str, redis_url: str) -> Processes:
    ports = {name: _free_port() for name in (*ROLES, "migrate", "flower", "simulator")}
    words = {
        "/run/secrets": str(folder / "secrets"),
        "/etc/classyard/catalog": str(folder / "catalog"),
        "0.0.0.0": "127.0.0.1",
        "simulator:8080": f"127.0.0.1:{ports['simulator']}",
        "8080": str(ports["simulator"]),
        "5555": str(ports["flower"]),
        "${CLASSYARD_LOG_LEVEL:-INFO}": "INFO",
    }
    variables = {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "CLASSYARD_HOME": str(folder / "home"),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "CLASSYARD_HEARTBEAT_S": "0.5",
    }
    made = Processes(folder, variables, words, ports)
    (folder / "catalog").mkdir()
    for catalog in (ROOT / "deploy" / "catalog").glob("*.yaml"):
        (folder / "catalog" / catalog.name).write_text(made.here(catalog.read_text()))
    return made


@contextmanager
def _database(services: Services) -> Iterator[str]:
    """Empty: the yard's own `migrate` fills it."""
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute("create database separate")
        yield services.named("separate")
        connection.execute("drop database separate with (force)")


@contextmanager
def _broker(folder: Path) -> Iterator[str]:
    """A server with the file of `deploy/` and a password, by TCP."""
    port, data = _free_port(), folder / "redis"
    data.mkdir()
    told = (ROOT / "deploy" / "redis" / "redis.conf").read_text()
    told = told.replace("/run/secrets", str(folder / "secrets")).replace("dir /data", f"dir {data}")
    (folder / "redis.conf").write_text(f"{told.replace('bind * -::*', 'bind 127.0.0.1')}\nport {port}\n")
    password = (folder / "secrets" / "redis_auth").read_text().split()[1]
    with (folder / "redis.log").open("wb") as log:
        server = subprocess.Popen([find_program(), folder / "redis.conf"], stdout=log, stderr=log)
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    try:
        eventually(lambda: _pings(url), "the broker to answer")
        yield url
    finally:
        server.terminate()
        server.wait(STOP_S)


def _pings(url: str) -> bool:
    with redis.Redis.from_url(url) as client, suppress(redis.ConnectionError):
        return bool(client.ping())
    return False


def _stop(made: Processes) -> None:
    for process in made.running.values():
        process.terminate()
    for name, process in made.running.items():
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        print(f"--- {name}", *(made.folder / f"{name}.log").read_text().splitlines()[-8:], sep="\n")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(true: Callable[[], bool], what: str, *, within_s: float = 40.0, every_s: float = 0.1) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, f"waited {within_s:g} s for {what}"
        time.sleep(every_s)


# -- what is shown


def test_documents_that_are_handed_in_are_reviewed_to_the_end(processes: Processes) -> None:
    documents = processes.folder / "documents"
    subprocess.run(
        [sys.executable, "-m", "simulator", "--documents", "12", "--out", documents], cwd=ROOT, check=True
    )

    texts = sorted(documents.glob("*.txt"))
    done = processes.cli("submit", *texts, "--review", "contract-clauses", "--wait")

    assert done.returncode == 0, done.stderr
    assert "12 jobs: 12 succeeded, 0 refused, 0 failed" in done.stdout + done.stderr
    assert processes.rows("select state, count(*) as jobs from jobs group by state") == [
        {"state": "succeeded", "jobs": 12}
    ]


def test_a_broker_without_its_password_says_nothing(processes: Processes) -> None:
    host = processes.variables["REDIS_URL"].partition("@")[2]

    with redis.Redis.from_url(f"redis://{host}") as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_shows_its_metrics_where_prometheus_looks(processes: Processes, role: str) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{processes.ports[role]}/metrics", timeout=10) as page:
        families = {family.name for family in text_string_to_metric_families(page.read().decode())}

    assert {"classyard_job_moves", "classyard_calls_in_flight"} <= families


def test_a_second_keeper_stands_by_and_is_well(processes: Processes) -> None:
    plain = processes.environment("keeper") | {"CLASSYARD_METRICS_PORT": str(processes.ports["migrate"])}
    second = subprocess.Popen(
        [sys.executable, "-m", "classyard", "run", "keeper"], cwd=ROOT, env=plain, stderr=subprocess.DEVNULL
    )
    try:
        asked = [sys.executable, "-m", "classyard.healthcheck"]

        def check() -> int:
            return subprocess.run(asked, cwd=ROOT, env=plain, capture_output=True).returncode

        eventually(lambda: check() == 0, "the second keeper to be well", every_s=0.5)
    finally:
        second.terminate()
        assert second.wait(STOP_S) == 0
    assert check() == 1, "a keeper that is gone is not well because another leads"


def test_flower_lets_nobody_in_without_the_password(processes: Processes) -> None:
    for page in ("/", "/workers", "/tasks", "/broker", "/api/workers"):
        assert processes.flower(page, known=False) == 401
        assert processes.flower(page) == 200
    assert processes.flower("/api/worker/pool/grow/any?n=1", data=b"", known=False) == 401


def test_flower_raises_and_lowers_the_slots_of_one_worker(processes: Processes) -> None:
    service = "provider-sim-swift"
    worker = f"{service}.{processes.running[service].pid}@{socket.gethostname()}"
    before = processes.slots(service)
    assert before is not None

    def knows_it() -> bool:
        return worker in json.loads(processes.flower_page("/api/workers?refresh=1")[1] or b"{}")

    eventually(knows_it, "Flower to know the worker", every_s=0.5)

    assert processes.flower(f"/api/worker/pool/grow/{worker}?n=2", data=b"") == 200
    eventually(lambda: processes.slots(service) == before + 2, "two more slots")
    assert processes.flower(f"/api/worker/pool/shrink/{worker}?n=3", data=b"") == 200
    eventually(lambda: processes.slots(service) == before - 1, "three slots fewer")
    assert processes.slots("provider-sim-sage") == 4


def test_a_role_that_is_stopped_ends_in_good_order_and_is_not_well(processes: Processes) -> None:
    for role in ("provider-sim-sage", "router"):
        assert processes.is_well(role)

        assert processes.stop(role) == 0

        assert not processes.is_well(role)
