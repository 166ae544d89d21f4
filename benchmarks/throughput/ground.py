"""What everybody stands on in a run: one PostgreSQL, one Valkey, one pretend provider; and roles of a yard beside them.

All are children of one supervisor, whose watchman ends them even where this process is killed. A measurement gets a
fresh database, an empty broker and processes of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, LiteralString

import psutil
import psycopg
import redis
import yaml
from psycopg.rows import dict_row

from benchmarks.throughput.spent import Meter
from classyard.embedded.home import Home
from classyard.embedded.postgres import start_postgres
from classyard.embedded.processes import Child, Supervisor
from classyard.embedded.server import Launch, Server, launch
from classyard.embedded.valkey import start_valkey
from governance.reviews import find_review
from producer.intake.accept import accept
from runtime.config_files import packaged
from runtime.db.migrate import migrate
from runtime.db.session import Database
from runtime.db.tables.jobs import OPEN
from runtime.doorbells import RedisDoorbells
from runtime.metrics import Metrics
from runtime.redis_client import make_redis
from schemas.messages import CLASSIFIER_QUEUE
from schemas.submission import Requirements, SourceDocument
from simulator.documents import make_documents
from tests.flows.yards import provider, until

REVIEW = "contract-clauses"
PROVIDER = "bench"
TENANT = "default"
TEMPLATE = "template_bench"
USERS = ("router", "worker", "keeper", "producer", "watcher", "naive")
DIFFERENT = 500
"""Documents of a run; further ones are the same with another first line."""
READY_S = 90.0
STALL_S = 120.0
LOOK_S = 5.0
"""Between two looks at whether anything moves."""


class Stalled(RuntimeError):
    """Nothing moved for `STALL_S`."""


@dataclass(frozen=True)
class Pretend:
    """The pretend provider's process, from outside."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def become(self, *, delay_ms: float = 0, spread: float = 0) -> None:
        """Takes so long for a call from now on, evenly between `1 - spread` and `1 + spread` times that, and forgets
        what it saw."""
        body = json.dumps({"delay_ms": delay_ms, "spread": spread}).encode()
        urllib.request.urlopen(f"{self.url}/_reset", data=body, timeout=10).close()

    def seen(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/_seen", timeout=10) as reply:
            found: dict[str, Any] = json.loads(reply.read())
        return found


@dataclass
class Ground:
    home: Home
    supervisor: Supervisor
    postgres: Server
    valkey: Server
    pretend: Pretend
    seed: int
    database: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    roles: dict[str, Child] = field(default_factory=dict)
    mark: str = ""
    """Behind the names of its roles and its databases; empty but for a yard beside another one."""
    _number: int = 0

    # -- addresses

    def beside(self, mark: str) -> Ground:
        """Another yard on the same servers and with the same provider, with a database and a broker of its own."""
        return replace(self, mark=mark, database="", settings={}, roles={}, _number=0)

    @property
    def broker_url(self) -> str:
        return self.valkey.url.replace("db=0", "db=1") if self.mark else self.valkey.url

    def database_url(self, user: str) -> str:
        """Of the measurement's database; each role under a user of its own, so that its backends are told apart."""
        return _named(self.postgres.url, self.database, user)

    # -- a measurement

    def fresh(self, *, ceiling: int = 64, **settings: str) -> None:
        """No roles, no jobs, no bells, and a catalog with the one provider."""
        self.stop_roles()
        self._number += 1
        last, self.database = self.database, f"bench{self.mark}_{self._number}"
        self.admin(f"create database {self.database} template {TEMPLATE}")
        if last:
            self.admin(f"drop database {last} with (force)")
        with redis.Redis.from_url(self.broker_url) as broker:
            broker.flushdb()
        catalog = self.home.config / f"catalog{self.mark}-{self._number}.yaml"
        entry = provider(PROVIDER, self.pretend.url, ceiling=ceiling, timeout_s=60)
        entry["base_url"] = f"{self.pretend.url}/v1"
        catalog.write_text(yaml.safe_dump({"providers": [entry]}, sort_keys=False))
        self.settings = {"CLASSYARD_CATALOG": str(catalog), **settings}
        self.pretend.become()

    def drop(self) -> None:
        """The database of a yard beside another one; the next `fresh` does it for the first."""
        if self.database:
            self.admin(f"drop database {self.database} with (force)")
            self.database = ""

    def admin(self, statement: str) -> None:
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def rows(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        url = self.database_url("watcher")
        with psycopg.connect(url, row_factory=dict_row, autocommit=True) as connection:
            return connection.execute(statement, arguments or None).fetchall()  # type: ignore[call-overload,no-any-return]

    def one(self, statement: str, *arguments: Any) -> Any:
        return next(iter(self.rows(statement, *arguments)[0].values()))

    # -- roles

    def start_yard(self, *, workers: int = 1, keepers: int = 1, profile: Path | None = None) -> None:
        """The roles of a yard with this one provider, up and beating. `profile`: a folder where each leaves where its
        time went (see `sampled`)."""
        mark = f"-{self.mark}" if self.mark else ""
        self.start(f"router{mark}", "router", profile=profile)
        for number in range(workers):
            self.start(f"worker-{number}{mark}", "provider", PROVIDER, profile=profile)
        for number in range(keepers):
            self.start(f"keeper-{number}{mark}", "keeper", profile=profile)
        self.await_ready()

    def start(self, name: str, *words: str, profile: Path | None = None) -> Child:
        argv = [sys.executable, "-m", "classyard", "run", *words]
        if profile is not None:
            argv[2:3] = ["benchmarks.throughput.sampled", str(profile / f"{name}.json")]
        user = name.partition("-")[0]
        return self._start_role(
            name,
            argv,
            CLASSYARD_HOME=str(self.home.path),
            CLASSYARD_DATABASE_URL=self.database_url(user),
            CLASSYARD_REDIS_URL=self.broker_url,
            CLASSYARD_LOG_LEVEL="WARNING",
            **self.settings,
        )

    def start_process(self, name: str, argv: list[str], **environment: str) -> Child:
        """Any other program, as a child; where this process is killed, the watchman ends it at once."""
        made = {**_plain(), **environment}
        plan = Launch(name, tuple(argv), environment=made)
        self.supervisor.keep(name, lambda: launch(self.home, plan), stop_timeout_s=40)
        return self._kept(name)

    def _start_role(self, name: str, argv: list[str], **environment: str) -> Child:
        self.supervisor.keep_role(name, argv, {**_plain(), **environment}, stop_timeout_s=40)
        return self._kept(name)

    def _kept(self, name: str) -> Child:
        self.roles[name] = self.supervisor.children[-1]
        return self.roles[name]

    def await_ready(self) -> None:
        wanted = set(self.pids_of_roles().values())
        until(
            lambda: (
                wanted <= {row["pid"] for row in self.rows("select pid from workers")} and self._all_alive()
            ),
            f"{len(wanted)} roles (their logs: {self.home.logs})",
            timeout_s=READY_S,
        )

    def _all_alive(self) -> bool:
        for name, child in self.roles.items():
            if not child.is_alive:
                said = child.server.last_lines() if child.server else ""
                raise RuntimeError(f"{name} ended by itself: {said}")
        return True

    def hold(self) -> None:
        """Stops the roles where they stand, until `go_on`. Not for longer than what they hold is theirs."""
        self._all_processes(psutil.Process.suspend)

    def go_on(self) -> None:
        self._all_processes(psutil.Process.resume)

    def _all_processes(self, do: Callable[[psutil.Process], None]) -> None:
        for pid in self.pids_of_roles().values():
            with contextlib.suppress(psutil.NoSuchProcess):  # whoever waits for it is told
                role = psutil.Process(pid)
                for each in (role, *role.children(recursive=True)):
                    do(each)

    def stop_roles(self, *names: str) -> None:
        for name in names or tuple(self.roles):
            child = self.roles.pop(name)
            self.supervisor.children.remove(child)
            if child.server is not None:
                child.server.stop(40)

    def pids_of_roles(self) -> dict[str, int]:
        return {name: child.server.pid for name, child in self.roles.items() if child.server is not None}

    def meter(self) -> Meter:
        """Of everything that runs here now, the pretend provider included."""
        servers = {"postgres": self.postgres.pid, "valkey": self.valkey.pid, "provider": self.pretend.pid}
        return Meter({**self.pids_of_roles(), **servers})

    # -- documents in

    def documents(self, count: int, *, first: int = 0) -> Iterator[SourceDocument]:
        return made_documents(self.seed, count, first=first)

    def accept(self, documents: Iterable[SourceDocument], **requirements: Any) -> str:
        """Hands them in as `classyard submit` does: one transaction, then one bell. Gives the batch's id."""
        return asyncio.run(self.accepted(documents, **requirements))

    async def accepted(self, documents: Iterable[SourceDocument], **requirements: Any) -> str:
        return await hand_in(self.database_url("producer"), self.broker_url, documents, **requirements)

    def wait(self, batch: str, *, every_s: float = 0.05) -> float:
        return await_final(self.database_url("watcher"), batch, alive=self._all_alive, every_s=every_s)

    def require_sound(self, batch: str, jobs: int) -> None:
        """Every job succeeded, with a result whose quotes stand. A yard that checks nothing would be quick, too."""
        found = self.one(
            "select count(*) from results where batch_id = %s and standing = 'sound'"
            " and jsonb_array_length(checks->'quotes') > 0",
            batch,
        )
        if found != jobs:
            raise RuntimeError(f"only {found} of {jobs} results are sound")


def made_documents(seed: int, count: int, *, first: int = 0) -> Iterator[SourceDocument]:
    """So many different contracts of about a thousand characters."""
    made = make_documents(seed, DIFFERENT, language="en")
    for number in range(first, first + count):
        text = f"Agreement No. {number} of this series\n\n{made[number % DIFFERENT].text}"
        yield SourceDocument(f"contract-{number}", f"contract-{number}.txt", text, "utf-8")


async def hand_in(
    database_url: str, redis_url: str, documents: Iterable[SourceDocument], **requirements: Any
) -> str:
    """As `classyard submit` does it: one transaction, then one bell. Gives the batch's id."""
    database = Database(database_url, connections=1)
    await database.open()
    try:
        found = await accept(
            database,
            documents,
            tenant_id=TENANT,
            source="the throughput benchmark",
            review=find_review(REVIEW, (packaged("reviews"),)),
            requirements=Requirements(**requirements),
        )
    finally:
        await database.close()
    bells = RedisDoorbells(make_redis(redis_url), Metrics())
    await bells.ring(CLASSIFIER_QUEUE, 1)
    await bells.close()
    return found.batch_id


def await_final(
    database_url: str, batch: str, *, alive: Callable[[], object] = lambda: None, every_s: float = 0.05
) -> float:
    """Until nothing of this batch is open; gives the moment, on `time.monotonic`."""
    asked: LiteralString = f"select 1 from jobs where batch_id = %s and {OPEN} limit 1"
    counted: LiteralString = f"select count(*) from jobs where batch_id = %s and {OPEN}"
    last, since, next_look = -1, time.monotonic(), time.monotonic() + LOOK_S
    with psycopg.connect(database_url, autocommit=True) as connection:
        while connection.execute(asked, (batch,)).fetchone() is not None:
            time.sleep(every_s)
            if time.monotonic() < next_look:
                continue
            next_look = time.monotonic() + LOOK_S
            alive()
            left = (connection.execute(counted, (batch,)).fetchone() or (0,))[0]
            if left != last:
                last, since = left, time.monotonic()
            if time.monotonic() - since > STALL_S:
                raise Stalled(f"{left} jobs are open, and none ended for {STALL_S:g} s")
    return time.monotonic()


@contextlib.contextmanager
def ground(*, seed: int = 20) -> Iterator[Ground]:
    """Servers with nothing on them; all of it ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="cyt"))
    home = Home(folder).prepare()
    try:
        with home.lock(), Supervisor(home) as supervisor:
            postgres = supervisor.keep("postgres", lambda: start_postgres(home))
            valkey = supervisor.keep("valkey", lambda: start_valkey(home))
            found = Ground(home, supervisor, postgres, valkey, _start_provider(supervisor), seed)
            _prepare(found)
            yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(found: Ground) -> None:
    found.admin(f"create database {TEMPLATE}")
    migrate(_named(found.postgres.url, TEMPLATE, "classyard"))
    for user in USERS:
        found.admin(f"create role {user} login superuser")


def _plain() -> dict[str, str]:
    """Enough to find Python, its packages and us."""
    path = os.pathsep.join(one for one in sys.path if one)
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "PYTHONPATH": path}


def _start_provider(supervisor: Supervisor) -> Pretend:
    argv = [sys.executable, "-m", "benchmarks.throughput.provider"]
    server = supervisor.keep_role("provider", argv, _plain())
    until(lambda: b"}" in server.log.read_bytes(), "the pretend provider", timeout_s=30)
    said = json.loads(server.log.read_text().splitlines()[0])
    return Pretend(said["port"], server.pid)


def _named(url: str, database: str, user: str) -> str:
    named = re.sub(r"/[^/?]+([?]|$)", rf"/{database}\1", url, count=1)
    return re.sub(r"^postgresql://[^@/]*@?", f"postgresql://{user}@", named)
