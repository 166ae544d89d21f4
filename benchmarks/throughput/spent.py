"""Processor time and memory of the processes of a run, by name; PostgreSQL's by what its backends do.

The database knows nothing of roles; here each role connects under a user of its own, and a backend's title names it.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil

LOOK_S = 0.5
"""Between two looks; a backend that ends between them is counted by its parent, as `postgres: others`."""

_TITLE = re.compile(r"^postgres: (?:\S+: )?(\S+) \S+ \[local\]")
POSTGRES = "postgres"


@dataclass
class Spent:
    """Seconds of processor time by name, in the kernel's ticks of a hundredth."""

    seconds: dict[str, float]

    def __sub__(self, other: Spent) -> Spent:
        names = {*self.seconds, *other.seconds}
        return Spent(
            {name: self.seconds.get(name, 0.0) - other.seconds.get(name, 0.0) for name in sorted(names)}
        )

    def __add__(self, other: Spent) -> Spent:
        names = {*self.seconds, *other.seconds}
        return Spent(
            {name: self.seconds.get(name, 0.0) + other.seconds.get(name, 0.0) for name in sorted(names)}
        )

    def of(self, *beginnings: str) -> float:
        return sum(value for name, value in self.seconds.items() if name.startswith(beginnings))

    def without(self, *beginnings: str) -> float:
        return sum(value for name, value in self.seconds.items() if not name.startswith(beginnings))

    def ms_each(self, count: int) -> dict[str, float]:
        return {name: round(1000 * value / count, 4) for name, value in self.seconds.items() if value > 0}


@dataclass
class Meter:
    """Looks at processes by pid until it is closed. `postgres` is the postmaster; its children are found."""

    pids: Mapping[str, int]
    looked_up: dict[int, psutil.Process] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._backends: dict[int, tuple[str, float]] = {}
        self.peak_mb: dict[str, float] = defaultdict(float)
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self._thread.start()

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def read(self) -> Spent:
        with self._lock:
            return Spent(self._seconds())

    def rss_mb(self) -> dict[str, float]:
        """Resident memory now. PostgreSQL is left out: what its backends share would be counted for each of them."""
        return {name: _rss(self._process(pid)) for name, pid in self.pids.items() if name != POSTGRES}

    def _look_on(self) -> None:
        while not self._over.wait(LOOK_S):
            with self._lock:
                self._seconds()
            for name, mb in self.rss_mb().items():
                self.peak_mb[name] = max(self.peak_mb[name], mb)

    def _seconds(self) -> dict[str, float]:
        found = {name: self._whole(pid) for name, pid in self.pids.items() if name != POSTGRES}
        if POSTGRES in self.pids:
            found |= self._postgres(self._process(self.pids[POSTGRES]))
        return found

    def _whole(self, pid: int) -> float:
        """Of a process and of all that it started, ended ones too."""
        process = self._process(pid)
        try:
            family = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return 0.0
        return sum(map(_spent_by, family))

    def _postgres(self, postmaster: psutil.Process) -> dict[str, float]:
        living = set()
        for child in postmaster.children():
            try:
                times, title = child.cpu_times(), " ".join(child.cmdline())
            except psutil.NoSuchProcess:
                continue
            living.add(child.pid)
            self._backends[child.pid] = (role_of(title), times.user + times.system)
        total: dict[str, float] = defaultdict(float)
        for role, seconds in self._backends.values():
            total[f"{POSTGRES}: {role}"] += seconds
        own = postmaster.cpu_times()
        ended = sum(seconds for pid, (_, seconds) in self._backends.items() if pid not in living)
        unseen = max(0.0, own.children_user + own.children_system - ended)
        total[f"{POSTGRES}: others"] += own.user + own.system + unseen
        return total

    def _process(self, pid: int) -> psutil.Process:
        return self.looked_up.setdefault(pid, psutil.Process(pid))


def role_of(title: str) -> str:
    """Whom a backend serves, from its title; `writing` for what writes pages and the log, `others` for the rest."""
    if (client := _TITLE.match(title)) is not None:
        return client[1]
    busy = ("checkpointer", "background writer", "walwriter", "io worker", "autovacuum")
    return "writing" if any(name in title for name in busy) else "others"


def _spent_by(process: psutil.Process) -> float:
    """With what its children took that have ended; nothing where it ends at this moment: then its parent has it."""
    try:
        one = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    ended = getattr(one, "children_user", 0.0) + getattr(one, "children_system", 0.0)
    return float(one.user + one.system + ended)


def _rss(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / 2**20
    except psutil.NoSuchProcess:
        return 0.0
