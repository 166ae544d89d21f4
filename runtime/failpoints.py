"""Named places where a test can make a yard fail: between two writes, before a commit, after one.

Off, a failpoint is the call of a function that does nothing. A role arms them at its start from `CLASSYARD_FAILPOINTS`,
and only where every provider of its catalog is a pretend one, so that no real document is ever served by a yard that
breaks on purpose.

    CLASSYARD_FAILPOINTS="writer.committed=kill:0.01,sql.committed=lose:0.01@7"

kills the process after one in a hundred commits of its writer, and loses the reply to one in a hundred COMMITs. What
follows the `@` is the seed.
"""

from __future__ import annotations

import os
import random
import signal
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import errors

from schemas.errors import ConfigurationError

ARMED_BY = "CLASSYARD_FAILPOINTS"
TOLD_TO = "CLASSYARD_FAILPOINTS_LOG"
"""A file to which every process appends what it reached for the first time, and what it did."""

POINTS = (
    *("sql.commit", "sql.committed"),
    *("intake.commit", "intake.committed"),
    *("router.claimed", "router.commit", "router.committed"),
    *("parcel.commit", "parcel.taken"),
    *("call.send", "call.replied"),
    *("writer.commit", "writer.committed"),
    *("keeper.commit", "keeper.committed"),
    *("bell.ring", "bell.rung"),
)
"""`….commit` is inside a transaction, before its end; `….committed` is after it."""


def _off(point: str) -> None:
    """Nothing."""


reach: Callable[[str], None] = _off
"""What the yard calls at each point, as `failpoints.reach("writer.commit")`."""


def arm(environ: Mapping[str, str], *, all_simulated: bool) -> None:
    """Raises `ConfigurationError` where failpoints are asked for and a provider is real, or the words are wrong."""
    global reach  # noqa: PLW0603
    said = environ.get(ARMED_BY, "")
    if not said:
        return
    if not all_simulated:
        raise ConfigurationError(
            f"{ARMED_BY} is set, and the catalog has providers that are real. Failpoints break a yard on purpose; "
            "unset it, or use a catalog in which every provider says 'simulated: true'."
        )
    log = environ.get(TOLD_TO)
    reach = Armed(plan_of(said), seed=_seed_of(said), log=Path(log) if log else None).reach


def disarm() -> None:
    global reach  # noqa: PLW0603
    reach = _off


@dataclass(frozen=True, slots=True)
class Fault:
    deed: str
    share: float
    """Of the times that the point is reached."""


@dataclass
class Armed:
    """`*` arms all points, and is overruled by a point's own name."""

    plan: Mapping[str, Fault]
    seed: int = 0
    log: Path | None = None
    reached: set[str] = field(default_factory=set)
    _chance: dict[str, random.Random] = field(default_factory=dict)

    def reach(self, point: str) -> None:
        if point not in self.reached:
            self.reached.add(point)
            self._tell("reached", point)
        fault = self.plan.get(point) or self.plan.get("*")
        if fault is not None and self._dice(point).random() < fault.share:
            self._tell(fault.deed, point)
            DEEDS[fault.deed]()

    def _dice(self, point: str) -> random.Random:
        """Each point's own, and each process's own: two workers must not die in step for ever."""
        if point not in self._chance:
            self._chance[point] = random.Random(zlib.crc32(f"{self.seed}/{point}/{os.getpid()}".encode()))  # noqa: S311
        return self._chance[point]

    def _tell(self, what: str, point: str) -> None:
        if self.log is not None:
            with self.log.open("a") as file:  # one short write to a file opened for appending is one line
                file.write(f"{time.time():.3f} {os.getpid()} {what} {point}\n")


def plan_of(said: str) -> dict[str, Fault]:
    """From `point=deed:share,…@seed`."""
    plan = {}
    for part in filter(None, said.partition("@")[0].split(",")):
        point, _, fault = part.strip().partition("=")
        deed, _, share = fault.partition(":")
        if point not in (*POINTS, "*") or deed not in DEEDS or not _is_share(share or "1"):
            raise ConfigurationError(
                f"{ARMED_BY} has {part!r}, which is not POINT=DEED:SHARE. Points: *, {', '.join(POINTS)}. "
                f"Deeds: {', '.join(DEEDS)}. A share is between 0 and 1."
            )
        plan[point] = Fault(deed, float(share or "1"))
    return plan


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def _seed_of(said: str) -> int:
    seed = said.partition("@")[2]
    return int(seed) if seed.isdecimal() else 0


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stall() -> None:
    time.sleep(0.5)


class Lost(psycopg.OperationalError, ConnectionError):
    """What a broken connection looks like, to the database's driver and to the broker's."""


def _lose() -> None:
    raise Lost("a failpoint: the connection broke before the reply")


def _conflict() -> None:
    raise errors.SerializationFailure("a failpoint: could not serialize access")


def _deadlock() -> None:
    raise errors.DeadlockDetected("a failpoint: deadlock detected")


def _full() -> None:
    raise errors.DiskFull("a failpoint: could not extend file: No space left on device")


def _only_look() -> None:
    pass


DEEDS: Mapping[str, Callable[[], None]] = {
    "kill": _kill,
    "stall": _stall,
    "lose": _lose,
    "conflict": _conflict,
    "deadlock": _deadlock,
    "full": _full,
    "look": _only_look,
}
