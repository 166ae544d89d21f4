"""The laboratory: one PostgreSQL, one Valkey and the pretend providers, each behind a proxy, and the roles of a yard.

Servers live as long as the laboratory; a scenario gets a fresh database, an empty broker and roles of its own. Nothing
here waits for a time that was guessed: it waits for progress, and gives up when there has been none for long.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg
import redis
import yaml
from psycopg.rows import dict_row

from classyard.embedded.home import Home
from classyard.embedded.postgres import start_postgres
from classyard.embedded.valkey import start_valkey
from producer.intake.accept import accept
from runtime.db.migrate import migrate
from runtime.db.session import Database
from runtime.ids import new_id
from schemas.submission import Requirements, SourceDocument
from tests.faults.history import JobHistory, Verdict, check, read
from tests.faults.pretend import JournaledPretend, end, process, simulator
from tests.faults.proxy import CALM, Proxy, ProxyThread
from tests.flows.yards import FINAL, provider, until
from tests.yard import REVIEW, TENANT, sources

TEMPLATE = "template_faults"
STALL_S = 90.0
"""A yard in which nothing became final for so long stands still; the slowest repair is a minute."""
AGAIN_S = 0.5
"""Before a role that died is started again."""


class StandsStill(AssertionError):
    """No job became final for `STALL_S`."""


@dataclass
class Role:
    name: str
    argv: tuple[str, ...]
    program: str = "classyard"
    """Or `celery`, for what the yard is compared with."""
    process: psutil.Process | None = None
    due_s: float = 0.0
    starts: int = 0

    @property
    def pid(self) -> int:
        return self.process.pid if self.process is not None else 0

    @property
    def is_alive(self) -> bool:
        """A pid that somebody else has by now is not ours: psutil compares the time of start."""
        try:
            return (
                self.process is not None
                and self.process.is_running()
                and self.process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return False


@dataclass
class Lab:
    """Made by `laboratory`."""

    home: Home
    pretend: JournaledPretend
    proxies: ProxyThread
    nursery: subprocess.Popen[str]
    postgres: Any
    valkey: Any
    broker_link: Proxy
    database_link: Proxy
    provider_link: Proxy
    roles: dict[str, Role] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    database: str = ""
    promised: list[str] = field(default_factory=list)
    """Ids of the jobs that were accepted: what the submitter was told, and not what a table says."""
    leaving: list[Role] = field(default_factory=list)
    """Roles that were asked to stop, and are not started again."""
    _number: int = 0

    # -- addresses

    @property
    def database_url(self) -> str:
        """The laboratory's own way, past the proxy."""
        return self.named(self.database)

    @property
    def role_database_url(self) -> str:
        return (
            f"postgresql://classyard@127.0.0.1:{self.database_link.port}/{self.database}"
            "?sslmode=disable&gssencmode=disable"
        )

    @property
    def role_redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.broker_link.port}/0"

    def named(self, database: str) -> str:
        return re.sub(r"/[^/?]+([?]|$)", rf"/{database}\1", self.postgres.url, count=1)

    # -- a scenario

    def fresh(
        self, *providers: dict[str, Any], policy: Mapping[str, Any] | None = None, **settings: str
    ) -> None:
        """No roles, no jobs, no bells, calm links, and this catalog. `settings` are environment variables."""
        self.stop_roles()
        self.calm()
        self._number += 1
        self.database = f"faults_{self._number}"
        self.promised = []
        self.admin(f"create database {self.database} template {TEMPLATE}")
        with redis.Redis.from_url(self.valkey.url) as broker:
            broker.config_set("maxmemory", "256mb")
            broker.flushall()
        catalog = self.home.config / f"catalog-{self._number}.yaml"
        catalog.write_text(yaml.safe_dump({"providers": list(providers)}, sort_keys=False))
        self.settings = {
            "CLASSYARD_KEEP_S": "0.5",
            "CLASSYARD_HEARTBEAT_S": "0.5",
            "CLASSYARD_LEASE_S": "5",
            "CLASSYARD_CATALOG": str(catalog),
            **settings,
        }
        if policy is not None:
            own = self.home.config / f"policy-{self._number}.yaml"
            own.write_text(yaml.safe_dump({"policy": "faults", "version": 1, **policy}, sort_keys=False))
            self.settings["CLASSYARD_POLICY"] = str(own)
        self.pretend.reset()
        self.pretend.forget_calls()

    def calm(self) -> None:
        for link in (self.broker_link, self.database_link, self.provider_link):
            self.proxies.become(link, CALM)

    def provider(self, name: str, **changes: Any) -> dict[str, Any]:
        return provider(name, f"http://127.0.0.1:{self.provider_link.port}", **changes)

    def start(self, name: str, *argv: str, program: str = "") -> Role:
        """`classyard run …` under a name of the laboratory's own, or another program."""
        role = Role(name, argv, program) if program else Role(name, ("run", *argv))
        self.roles[name] = role
        self._launch(role)
        return role

    def start_yard(self, *providers: str, workers: int = 2, routers: int = 1, keepers: int = 1) -> None:
        for number in range(routers):
            self.start(f"router-{number}", "router")
        for name in providers:
            for number in range(workers):
                self.start(f"{name}-{number}", "provider", name)
        for number in range(keepers):
            self.start(f"keeper-{number}", "keeper")

    def await_ready(self) -> None:
        """Until every role has a heart that beats."""
        wanted = {role.pid for role in self.roles.values()}

        def ready() -> bool:
            self.tick()
            return wanted <= {row["pid"] for row in self.rows("select pid from workers")}

        until(ready, f"{len(wanted)} roles", timeout_s=120)

    def tick(self) -> None:
        """Starts again what died."""
        now = time.monotonic()
        for role in self.roles.values():
            if role.is_alive:
                continue
            if role.process is not None:
                role.process, role.due_s = None, now + AGAIN_S
            elif now >= role.due_s:
                self._launch(role)

    def stop_roles(self) -> None:
        """Ends them hard; a scenario that wants grace asks for it itself."""
        ending = [*self.roles.values(), *self.leaving]
        for role in ending:
            self.signal(role, signal.SIGKILL)
        for role in ending:
            until(lambda role=role: not role.is_alive, f"the end of {role.name}")  # type: ignore[misc]
        self.roles.clear()
        self.leaving.clear()

    def signal(self, role: Role, number: signal.Signals) -> bool:
        """To a process that this laboratory started, and to no other; whether it was there."""
        if not role.is_alive or role.process is None:
            return False
        try:
            role.process.send_signal(number)
        except psutil.NoSuchProcess:
            return False
        return True

    # -- documents in

    def accept(
        self,
        count: int,
        *,
        first: int = 1,
        through_proxy: bool = False,
        each_s: float = 0.0,
        **requirements: Any,
    ) -> float:
        """Hands in so many documents in one submission; gives the seconds that it took. To read one takes `each_s`."""
        found = _slowly(sources(count, first=first), each_s)
        return asyncio.run(self._accept(found, through_proxy, requirements))

    async def _accept(
        self, found: Iterable[SourceDocument], through_proxy: bool, requirements: Mapping[str, Any]
    ) -> float:
        given: list[str] = []

        def ids() -> str:
            given.append(new_id())
            return given[-1]

        url = self.role_database_url if through_proxy else self.database_url
        database = Database(url, connections=1)
        await database.open()
        started = time.monotonic()
        try:
            await accept(
                database,
                found,
                tenant_id=TENANT,
                source="the fault laboratory",
                review=REVIEW,
                requirements=Requirements(**requirements),
                ids=ids,
            )
            self.promised += given[1:]  # the first is the batch's
            return time.monotonic() - started
        finally:
            await database.close()

    # -- reading

    def rows(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.database_url, row_factory=dict_row, autocommit=True) as connection:
            return connection.execute(statement, arguments or None).fetchall()  # type: ignore[call-overload,no-any-return]

    def one(self, statement: str, *arguments: Any) -> Any:
        return next(iter(self.rows(statement, *arguments)[0].values()))

    def admin(self, statement: str) -> None:
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def states(self) -> dict[str, int]:
        return {
            row["state"]: row["n"]
            for row in self.rows("select state, count(*) as n from jobs group by state")
        }

    def finished(self) -> int:
        return sum(count for state, count in self.states().items() if state in FINAL)

    def wait(
        self, meanwhile: Callable[[], None] = lambda: None, *, stall_s: float = STALL_S
    ) -> dict[str, int]:
        """Until every job is final, and at least as many as were promised (a submission whose acknowledgement was lost
        is there all the same); looks after the roles meanwhile. Raises `StandsStill`."""
        best, since = -1, time.monotonic()
        while True:
            self.tick()
            meanwhile()
            with contextlib.suppress(psycopg.OperationalError):
                states = self.states()
                done = sum(count for state, count in states.items() if state in FINAL)
                if done == sum(states.values()) and done >= len(self.promised):
                    return states
                if done > best:
                    best, since = done, time.monotonic()
            if time.monotonic() - since > stall_s:
                raise StandsStill(
                    f"{best} of {len(self.promised)} jobs are final, and none for {stall_s:g} s"
                )
            time.sleep(0.1)

    def calls(self) -> dict[str, int]:
        """By idempotency key, over all providers."""
        found: dict[str, int] = {}
        for name in self.pretend.providers():
            for key, times in self.pretend.calls(name).items():
                found[key] = found.get(key, 0) + times
        return found

    def histories(self) -> list[JobHistory]:
        return read(self.database_url, self.calls())

    def verdict(self) -> Verdict:
        return check(self.promised, self.histories())

    def bells(self, queue: str) -> int:
        with redis.Redis.from_url(self.valkey.url) as broker:
            return int(broker.llen(f"classyard:{queue}"))  # type: ignore[arg-type]

    # -- servers

    def wipe_broker(self) -> None:
        """SIGKILL, its data removed, and a new one at the same address."""
        os.kill(self.valkey.pid, signal.SIGKILL)
        self.valkey.process.wait()
        shutil.rmtree(self.home.valkey, ignore_errors=True)
        self.valkey = start_valkey(self.home)

    def restart_database(self, *, hard: bool) -> None:
        """A fast stop, or an immediate one, after which it recovers from its log."""
        self.postgres.process.send_signal(signal.SIGQUIT if hard else signal.SIGINT)
        self.postgres.process.wait(60)
        self.postgres = start_postgres(self.home)

    # -- roles

    def _launch(self, role: Role) -> None:
        role.starts += 1
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "CLASSYARD_HOME": str(self.home.path),
            "CLASSYARD_DATABASE_URL": self.role_database_url,
            "CLASSYARD_REDIS_URL": self.role_redis_url,
            **self.settings,
        }
        log = str(self.home.logs / f"role-{role.name}.log")
        assert self.nursery.stdin is not None and self.nursery.stdout is not None
        asked = {"program": role.program, "argv": role.argv, "environment": environment, "log": log}
        self.nursery.stdin.write(json.dumps(asked) + "\n")
        self.nursery.stdin.flush()
        pid = json.loads(self.nursery.stdout.readline())["pid"]
        try:
            role.process = psutil.Process(pid)
        except psutil.NoSuchProcess:
            role.process, role.due_s = None, time.monotonic() + AGAIN_S


@contextlib.contextmanager
def laboratory(*, seed: int = 7, **profiles: str) -> Iterator[Lab]:
    """Servers, proxies, pretend providers by name and profile, and a nursery; all of it ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="cyl"))
    home = Home(folder).prepare()
    home.config.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres, valkey = start_postgres(home), start_valkey(home)
        proxies = ProxyThread()
        dice = random.Random(seed).random
        sockets = (Path(_socket_folder(postgres.url)) / ".s.PGSQL.5432", home.sockets() / "valkey.sock")
        database_link, broker_link = (proxies.add(socket, dice) for socket in sockets)
        pretending, said = simulator(profiles, seed)
        stack.callback(end, pretending)
        provider_link = proxies.add((said["host"], said["port"]), dice)
        nursery, _ = process("tests.faults.nursery")
        stack.callback(end, nursery)
        lab = Lab(
            home,
            JournaledPretend(f"http://{said['host']}:{said['port']}"),
            proxies,
            nursery,
            postgres,
            valkey,
            broker_link,
            database_link,
            provider_link,
        )
        stack.callback(proxies.close)
        stack.callback(lambda: lab.postgres.stop())  # noqa: PLW0108  it is another one by then
        stack.callback(lambda: lab.valkey.stop())  # noqa: PLW0108
        stack.callback(lab.stop_roles)
        lab.admin(f"create database {TEMPLATE}")
        migrate(lab.named(TEMPLATE))
        yield lab


def _slowly(found: Iterable[SourceDocument], each_s: float) -> Iterator[SourceDocument]:
    for one in found:
        time.sleep(each_s)
        yield one


def _socket_folder(url: str) -> str:
    return parse_qs(urlsplit(url).query)["host"][0]
