"""A seeded hand that breaks things, one at a time, and writes down what it broke.

A fault counts as fired only when there was something to break: a signal to a process that was not there is not counted,
and a run whose count stays below its plan has shown nothing.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults.lab import Lab, Role


@dataclass(frozen=True, slots=True)
class Blow:
    at_s: float
    """Unix time."""
    what: str
    whom: str


@dataclass
class Nemesis:
    lab: Lab
    seed: int
    planned: int
    """Blows; it then rests."""
    every_s: float = 1.0
    blows: list[Blow] = field(default_factory=list)
    _next_s: float = 0.0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    @property
    def is_done(self) -> bool:
        return len(self.blows) >= self.planned

    @property
    def times_s(self) -> list[float]:
        return sorted(blow.at_s for blow in self.blows)

    def kill(self, *, only: Callable[[Role], bool] = lambda role: True) -> None:
        """SIGKILL to a random living role, if it is time; called again and again while the yard works."""
        if self.is_done or time.monotonic() < self._next_s:
            return
        living = sorted((role for role in self.lab.roles.values() if role.is_alive and only(role)), key=_name)
        if not living:
            return
        role = self.dice.choice(living)
        if self.lab.signal(role, signal.SIGKILL):
            self._wrote("kill", role.name)

    def pause(self, role: Role, *, seconds: float, meanwhile: Callable[[], None]) -> bool:
        """SIGSTOP, and SIGCONT after so long; `meanwhile` is called in between."""
        if not self.lab.signal(role, signal.SIGSTOP):
            return False
        self._wrote("pause", role.name)
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                meanwhile()
                time.sleep(0.05)
        finally:
            self.lab.signal(role, signal.SIGCONT)
        return True

    def strike(self, what: str, whom: str, deed: Callable[[], object]) -> None:
        """Any other blow."""
        self._wrote(what, whom)
        deed()

    def _wrote(self, what: str, whom: str) -> None:
        self.blows.append(Blow(time.time(), what, whom))
        self._next_s = time.monotonic() + self.every_s * self.dice.uniform(0.5, 1.5)


def _name(role: Role) -> str:
    return role.name
