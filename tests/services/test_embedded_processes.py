"""The supervisor: children come back, stop in order, and do not outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from classyard.embedded.home import Home
from classyard.embedded.identity import recorded
from classyard.embedded.processes import LONGEST_PAUSE_S, Supervisor, pause_after
from classyard.embedded.server import Launch, Server, launch

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
ROLE = """
import os, signal, sys, threading
from classyard.embedded.processes import PARENT_FD, watch_parent
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
watch_parent(int(os.environ[PARENT_FD]))
print("role is up", flush=True)
stop.wait()
print("role ended in good order", flush=True)
"""


@pytest.fixture
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="cy") as folder:
        yield Home(Path(folder) / "yard").prepare()


def eventually(true: Callable[[], bool], *, within_s: float = 10.0) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


def _says(server: Server, line: str) -> bool:
    return server.last_lines() == line


def test_pauses_grow_and_are_bounded() -> None:
    assert [pause_after(deaths) for deaths in range(6)] == [0.0, 0.0, 0.5, 1.0, 2.0, 4.0]
    assert pause_after(1000) == LONGEST_PAUSE_S


def test_a_child_that_dies_comes_back_after_growing_pauses(home: Home) -> None:
    now = 100.0
    with Supervisor(home, clock=lambda: now) as yard:
        yard.keep("mayfly", lambda: launch(home, Launch("mayfly", ("/bin/sh", "-c", "exit 3"))))
        child = yard.children[0]

        eventually(lambda: bool(yard.tick()))
        assert child.last_fault == "mayfly ended with code 3."
        yard.tick()
        assert child.restarts == 1, "the first time at once"
        eventually(lambda: bool(yard.tick()))
        yard.tick()
        assert child.restarts == 1, "the second time after a pause"
        now += 0.5
        yard.tick()
        assert child.restarts == 2


def test_a_child_that_lived_long_is_forgiven(home: Home) -> None:
    now = 100.0
    with Supervisor(home, clock=lambda: now) as yard:
        server = yard.keep("sleeper", lambda: launch(home, Launch("sleeper", ("/bin/sleep", "60"))))
        yard.children[0].deaths = 9
        now += 3600.0
        server.process.kill()
        server.process.wait()

        yard.tick()
        yard.tick()

        assert yard.children[0].deaths == 1
        assert yard.children[0].is_alive


def test_the_last_started_is_stopped_first(home: Home) -> None:
    order = home.path / "order"
    script = f"trap 'echo $0 >> {order}; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    with Supervisor(home) as yard:
        for name in ("database", "role"):
            plan = Launch(name, ("/bin/sh", "-c", script, name))
            server = yard.keep(name, partial(launch, home, plan))
            eventually(partial(_says, server, "up"))

    assert order.read_text().split() == ["role", "database"]
    assert list(home.run.glob("*.process.json")) == []


def test_a_role_gets_its_environment_and_ends_on_request(home: Home) -> None:
    with Supervisor(home) as yard:
        role = yard.keep_role("router", [sys.executable, "-c", ROLE], ENVIRONMENT)
        eventually(lambda: "role is up" in role.last_lines())

    assert role.exit_code() == 0
    assert "good order" in role.last_lines()


def _yard(home: Home) -> subprocess.Popen[bytes]:
    script = f"""
        import sys, time
        from pathlib import Path
        from classyard.embedded.home import Home
        from classyard.embedded.processes import Supervisor
        from classyard.embedded.postgres import start_postgres
        from classyard.embedded.valkey import start_valkey
        home = Home(Path({str(home.path)!r}))
        with home.lock(), Supervisor(home) as yard:
            yard.keep("valkey", lambda: start_valkey(home))
            yard.keep("postgres", lambda: start_postgres(home))
            yard.keep_role("router", [sys.executable, "-c", {ROLE!r}], {ENVIRONMENT!r})
            print("up", flush=True)
            time.sleep(60)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], env=ENVIRONMENT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


@pytest.mark.services
def test_nothing_outlives_a_supervisor_that_was_killed(home: Home) -> None:
    supervisor = _yard(home)
    names = ("valkey", "postgres", "router", "watchman")
    left = {name: found for name in names if (found := recorded(home, name)) is not None}
    assert set(left) == set(names)
    eventually(lambda: "role is up" in (home.logs / "router.log").read_text())

    supervisor.kill()
    supervisor.communicate()

    eventually(lambda: not any(each.is_alive for each in left.values()))
    assert "good order" in (home.logs / "router.log").read_text()
    assert not (home.postgres / "postmaster.pid").exists(), "the database was shut down in order"


@pytest.mark.services
def test_the_next_yard_stops_what_was_left_when_the_watchman_died_too(home: Home) -> None:
    supervisor = _yard(home)
    watchman, database = recorded(home, "watchman"), recorded(home, "postgres")
    assert watchman is not None
    assert database is not None
    watchman.send(signal.SIGKILL)
    eventually(lambda: not watchman.is_alive)
    supervisor.kill()
    supervisor.communicate()
    assert database.is_alive

    with home.lock(), Supervisor(home) as yard:
        assert not database.is_alive
        assert yard.children == []


def test_this_suite_leaves_no_process_behind(before: frozenset[int]) -> None:
    left = [child for child in _living() if child.pid not in before]

    assert [child.name() for child in left if child.name() in {"postgres", "valkey-server", "sleep"}] == []


def _living() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(scope="module", autouse=True)
def before() -> frozenset[int]:
    """What other tests of this process keep running, such as the servers that the whole suite shares."""
    return frozenset(child.pid for child in _living())
