"""Which process is ours. A pid alone says nothing: the kernel gives the same number out again.

Every server and role that we start leaves a record, `run/<name>.process.json`, with its pid and start time.
A signal goes only to a process for which both agree, so a record from before a reboot can never hit a
stranger.
"""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from classyard.embedded.home import Home, write_atomically

START_TIME_TOLERANCE_S = 2.0  # start times are counted from a boot time that clock corrections may shift
RECORD = ".process.json"


@dataclass(frozen=True)
class Identity:
    """One process, for as long as it lives and not a moment longer."""

    name: str
    """Our name for it: `postgres`, `router`."""
    pid: int
    started_at_s: float
    """Seconds since 1970, as the kernel tells it."""
    stop_signal: int
    """What makes it finish in good order."""
    minds_parent: bool = False
    """True for a role that ends by itself once its supervisor is gone: it is given the time to."""

    @property
    def is_alive(self) -> bool:
        return self._process() is not None

    def send(self, number: int) -> bool:
        """True when the signal went to this very process."""
        process = self._process()
        if process is None:
            return False
        try:
            process.send_signal(number)  # psutil looks at the start time once more
        except psutil.NoSuchProcess:
            return False
        return True

    def stop(self, *, timeout_s: float) -> bool:
        """Asks, waits, then kills. False when it was not there any more, or ended by itself."""
        if not self.is_alive or (self.minds_parent and _gone(self, timeout_s)):
            return False
        if not self.send(self.stop_signal):
            return False
        if not _gone(self, timeout_s) and self.send(signal.SIGKILL):
            _gone(self, 5.0)
        return True

    def _process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            born_s = process.create_time()
            dead = process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            return None
        return process if not dead and abs(born_s - self.started_at_s) <= START_TIME_TOLERANCE_S else None


def identify(
    name: str, pid: int, *, stop_signal: int = signal.SIGTERM, minds_parent: bool = False
) -> Identity | None:
    """None when there is no such process any more."""
    try:
        return Identity(name, pid, psutil.Process(pid).create_time(), int(stop_signal), minds_parent)
    except psutil.NoSuchProcess:
        return None


def record(home: Home, identity: Identity) -> Path:
    path = home.run / f"{identity.name}{RECORD}"
    write_atomically(path, json.dumps(asdict(identity)).encode())
    return path


def recorded(home: Home, name: str) -> Identity | None:
    """None without a record, or with one that cannot be read."""
    try:
        return Identity(**json.loads((home.run / f"{name}{RECORD}").read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def forget(home: Home, name: str) -> None:
    (home.run / f"{name}{RECORD}").unlink(missing_ok=True)


def stop_recorded(home: Home, name: str, *, timeout_s: float = 30.0) -> bool:
    """Stops what an earlier yard of this home left running under this name.

    Only for the holder of the home.
    """
    left = recorded(home, name)
    stopped = left is not None and left.stop(timeout_s=timeout_s)
    forget(home, name)
    return stopped


def stop_leftovers(home: Home, *, timeout_s: float = 30.0) -> list[str]:
    """Stops everything an earlier yard of this home left running, the youngest first. Gives their names."""
    names = [path.name.removesuffix(RECORD) for path in home.run.glob(f"*{RECORD}")]
    found = [identity for name in names if (identity := recorded(home, name)) is not None]
    youngest_first = sorted(found, key=lambda identity: identity.started_at_s, reverse=True)
    return [each.name for each in youngest_first if stop_recorded(home, each.name, timeout_s=timeout_s)]


def processes_in(folder: Path, *, program: str) -> list[int]:
    """Pids of the processes of that program name whose working folder this is.

    Looks at the whole machine once.
    """
    real = os.path.realpath(folder)
    running = psutil.process_iter(["name", "cwd", "status"])
    return [
        each.pid
        for each in running
        if each.info["name"] == program
        and each.info["cwd"] == real
        and each.info["status"] != psutil.STATUS_ZOMBIE
    ]


def _gone(identity: Identity, timeout_s: float) -> bool:
    """Whether it ended in this time. An orphan that its new parent has not buried yet counts as ended."""
    end = time.monotonic() + timeout_s
    while identity.is_alive:
        if time.monotonic() >= end:
            return False
        time.sleep(0.02)
    return True
