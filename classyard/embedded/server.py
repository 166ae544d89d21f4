"""One child process of the yard, a server or a role: started with a log file and a record, awaited, stopped.

Children get their own session, so Ctrl-C reaches the supervisor alone and it stops them in order. They get
a small environment: a provider's key in the caller's environment is nothing that a database should hold.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from classyard.embedded.home import Home
from classyard.embedded.identity import forget, identify, record, stop_recorded
from schemas.errors import ConfigurationError, NoSpaceLeft, ServiceUnreachable

LOG_BYTES = 5_000_000  # an older log is kept once, as `.1`; nobody should find a full disk because of us
FREE_BYTES = 200_000_000  # below this the database's own log cannot turn over
POLL_S = 0.02
PLAIN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Account(NamedTuple):
    """An operating system account to run as."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Launch:
    """How to start one child. `argv` names the program by its full path."""

    name: str
    argv: tuple[str, ...]
    url: str = ""
    cwd: Path | None = None
    account: Account | None = None
    """None: the account of the caller."""
    stop_signal: signal.Signals = signal.SIGTERM
    environment: Mapping[str, str] = field(default_factory=lambda: PLAIN_ENVIRONMENT)
    parent_fd: int | None = None
    """Inherited by a child that ends by itself when this pipe does (`processes.watch_parent`)."""


@dataclass(frozen=True)
class Server:
    """A running child. Only the process that started it holds one."""

    name: str
    url: str
    """Where clients reach it; empty for a role that nobody connects to."""
    log: Path
    home: Home
    process: subprocess.Popen[bytes]
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def exit_code(self) -> int | None:
        """None while it runs; negative is the number of the signal that ended it."""
        return self.process.poll()

    def stop(self, timeout_s: float = 30.0) -> None:
        """Asks it to finish, and kills its process group after `timeout_s`. Calling it again does no harm."""
        if self.is_alive():
            self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)  # not yet reaped, so the number is still ours
            self.process.wait()
        forget(self.home, self.name)

    def last_lines(self, count: int = 8) -> str:
        """The end of its log, for a person."""
        return last_lines(self.log, count)


def launch(home: Home, plan: Launch) -> Server:
    """Starts it, in place of one that an earlier yard of this home left behind under the same name.

    Raises ConfigurationError when the program cannot be run at all.
    """
    stop_recorded(home, plan.name)
    log = home.logs / f"{plan.name}.log"
    process = _spawn(plan, log)
    minds_parent = plan.parent_fd is not None
    identity = identify(plan.name, process.pid, stop_signal=plan.stop_signal, minds_parent=minds_parent)
    if identity is not None:
        record(home, identity)
    return Server(plan.name, plan.url, log, home, process, plan.stop_signal)


def await_ready(server: Server, answers: Callable[[], bool], *, deadline_s: float) -> Server:
    """Gives the server back once it answers. Stops it otherwise.

    Raises ServiceUnreachable, with the end of its log, when it dies first or does not answer in time.
    """
    end = time.monotonic() + deadline_s
    while server.is_alive() and time.monotonic() < end:
        if answers():
            return server
        time.sleep(POLL_S)
    what = "did not answer" if server.is_alive() else f"ended with code {server.exit_code()}"
    when = f"within {deadline_s:g} s" if server.is_alive() else "before it was ready"
    server.stop(timeout_s=5.0)
    raise ServiceUnreachable(
        f"The embedded {server.name} {what} {when}. The end of {str(server.log)!r}:\n{server.last_lines()}"
    )


def require_space(folder: Path, *, free_bytes: int = FREE_BYTES) -> None:
    """Refuses a start that would soon run out of disk: one that was refused has lost nothing.

    Raises NoSpaceLeft, naming the folder.
    """
    free = shutil.disk_usage(folder).free
    if free < free_bytes:
        raise NoSpaceLeft(
            f"Only {free // 1_000_000} MB are free for {str(folder)!r}; the yard starts with "
            f"{free_bytes // 1_000_000} MB or more. Free some, or set CLASSYARD_HOME to another disk."
        )


def last_lines(log: Path, count: int = 8) -> str:
    if not log.exists():
        return "(no log)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8_000))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-count:]) or "(the log is empty)"


def _spawn(plan: Launch, log: Path) -> subprocess.Popen[bytes]:
    account = plan.account
    with _opened(log) as output:
        try:
            return subprocess.Popen(  # noqa: S603  argv is ours, never a shell line
                plan.argv,
                cwd=plan.cwd,
                env=dict(plan.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=() if plan.parent_fd is None else (plan.parent_fd,),
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        except OSError as error:
            raise ConfigurationError(
                f"Cannot run {plan.argv[0]!r} for {plan.name}: {error.strerror}."
            ) from error


def _opened(log: Path) -> IO[bytes]:
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    return log.open("ab")
