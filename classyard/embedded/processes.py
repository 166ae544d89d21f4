"""The supervisor of a yard on one machine: starts servers and roles, watches them, stops them in order.

A child that dies is started again, at once the first time and then after growing pauses, for ever: a
machine that comes back from a full disk finds its yard working. A child that stayed up for a while is
forgiven its past.

If the supervisor itself is killed, its children notice: each inherits the reading end of a pipe that nobody
writes to, and reads its end when the supervisor is gone (`watch_parent`). Servers, which are not ours to
change, are stopped by `watchman`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from classyard.embedded.home import Home
from classyard.embedded.identity import stop_leftovers
from classyard.embedded.server import Launch, Server, launch
from schemas.errors import ClassyardError

PARENT_FD = "CLASSYARD_PARENT_FD"
"""The environment variable by which a role learns the number of its pipe."""

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
FORGIVEN_AFTER_S = 60.0
TICK_S = 0.2
LAST_WORD_S = 10.0  # what a role gets to finish after its supervisor is gone


@dataclass
class Child:
    """One thing to keep running, and how it has been doing."""

    name: str
    start: Callable[[], Server]
    stop_timeout_s: float
    is_role: bool = False
    """One of ours, on which no other child stands; the others are servers."""
    server: Server | None = None
    started_at_s: float = 0.0
    """Monotonic."""
    start_again_at_s: float = 0.0
    deaths: int = 0
    """In a row: a long enough life sets it back to 0."""
    restarts: int = 0
    """In all."""
    last_fault: str = ""
    """A sentence about the last death, empty when there was none."""

    @property
    def is_alive(self) -> bool:
        return self.server is not None and self.server.is_alive()


def pause_after(deaths: int) -> float:
    """Seconds to wait before the next start, after this many deaths in a row: 0, 0.5, 1, 2 … 30."""
    return 0.0 if deaths <= 1 else min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(deaths - 2, 16))


@dataclass
class Supervisor:
    """Keeps children running while its process lives. Make it and use it in one thread; hold the home's lock.

    >>> with home.lock(), Supervisor(home) as yard:                     # doctest: +SKIP
    ...     database = yard.keep("postgres", lambda: start_postgres(home))
    ...     yard.keep_role("router", [sys.executable, "-m", "classyard", "run", "router"], environment)
    ...     yard.watch(until=stop)
    """

    home: Home
    clock: Callable[[], float] = time.monotonic
    children: list[Child] = field(default_factory=list)
    """In order of start; they are stopped the other way round."""
    _pipe: tuple[int, int] | None = None
    _watchman: Server | None = None

    def __enter__(self) -> Supervisor:
        self.home.prepare()
        stop_leftovers(self.home)
        self._pipe = os.pipe()
        self._watchman = self._post_watchman(self._pipe[0])
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def ear(self) -> int:
        """The end of the pipe by which a child notices that this process is gone."""
        assert self._pipe is not None, "use the supervisor in a with block"
        return self._pipe[0]

    def keep(self, name: str, start: Callable[[], Server], *, stop_timeout_s: float = 30.0) -> Server:
        """Starts it now, and again whenever it dies. What the first start raises goes to the caller."""
        return self._keep(Child(name, start, stop_timeout_s))

    def keep_role(
        self, name: str, argv: Sequence[str], environment: Mapping[str, str], *, stop_timeout_s: float = 30.0
    ) -> Server:
        """A process of ours, such as `classyard run router`.

        It gets the environment given, and `PARENT_FD`.
        """
        ear = self.ear
        plan = Launch(name, tuple(argv), environment={**environment, PARENT_FD: str(ear)}, parent_fd=ear)
        return self._keep(Child(name, lambda: launch(self.home, plan), stop_timeout_s, is_role=True))

    def watch(self, *, until: threading.Event) -> None:
        """Looks after the children until the event is set."""
        while not until.wait(TICK_S):
            self.tick()

    def tick(self) -> list[Child]:
        """Notices deaths, starts what is due.

        Gives the children that died or came back since the last look.
        """
        return [child for child in self.children if self._look_after(child)]

    def stop(self) -> None:
        """Roles first, all at once: each gives calls in flight their time, and these must not add up. Then servers, the
        last started first, so that the database outlives those who write to it."""
        roles = [child for child in self.children if child.is_role]
        with ThreadPoolExecutor(max_workers=max(1, len(roles))) as together:
            list(together.map(_stop, roles))
        for child in reversed(self.children):
            _stop(child)
        self.children.clear()
        if self._watchman is not None:
            self._watchman.stop(timeout_s=5.0)
        for descriptor in self._pipe or ():
            os.close(descriptor)
        self._pipe = self._watchman = None

    def _keep(self, child: Child) -> Server:
        child.server = server = child.start()
        child.started_at_s = self.clock()
        self.children.append(child)
        return server

    def _look_after(self, child: Child) -> bool:
        if child.is_alive:
            return False
        if child.server is not None:
            self._note_death(child, f"{child.name} ended with code {child.server.exit_code()}.")
            return True
        return self.clock() >= child.start_again_at_s and self._start_again(child)

    def _note_death(self, child: Child, sentence: str) -> None:
        lived_s = self.clock() - child.started_at_s
        child.deaths = 1 if lived_s >= FORGIVEN_AFTER_S else child.deaths + 1
        child.start_again_at_s = self.clock() + pause_after(child.deaths)
        child.last_fault = sentence
        child.server = None

    def _start_again(self, child: Child) -> bool:
        child.restarts += 1
        child.started_at_s = self.clock()
        try:
            child.server = child.start()
        except ClassyardError as error:
            self._note_death(child, str(error))
        return True

    def _post_watchman(self, ear: int) -> Server:
        argv = (sys.executable, "-m", "classyard.embedded.watchman", str(self.home.path), str(ear))
        environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        return launch(self.home, Launch("watchman", argv, environment=environment, parent_fd=ear))


def _stop(child: Child) -> None:
    if child.server is not None:
        child.server.stop(child.stop_timeout_s)
        child.server = None


def watch_parent(fd: int, *, last_word_s: float = LAST_WORD_S) -> threading.Thread:
    """Ends this process when its supervisor is gone: SIGTERM to itself, and a hard end after `last_word_s`.

    `fd` is the number found in the environment under `PARENT_FD`. Costs one sleeping thread.
    """
    os.set_inheritable(fd, False)
    thread = threading.Thread(target=_wait_for_end, args=(fd, last_word_s), name="watch-parent", daemon=True)
    thread.start()
    return thread


def _wait_for_end(fd: int, last_word_s: float) -> None:
    while os.read(fd, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(last_word_s)
    os._exit(1)
