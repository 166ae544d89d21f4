"""Other people's packages, run in an environment of their own, on the cases and streams that Classyard is measured on.

Where the environment cannot be made, the peer's figures are left out, with the reason.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.environments import EnvironmentMissing, environment_of, run
from benchmarks.routing.data import Floats

HERE = Path(__file__).resolve().parent
LOCK = HERE / "peers.lock"
RUN_S = 1800


PeerMissing = EnvironmentMissing
"""The peer cannot be run here; the message says why."""


class Triples(NamedTuple):
    """What a promise is made from: for every case a score, and whether the cheap answer stands."""

    scores: Floats
    agrees: Floats


class BargainRun(NamedTuple):
    T: float
    avoided: float
    agreement: float


def bargain(
    tasks: Sequence[Triples], targets: Sequence[float], *, delta: float, seeds: int
) -> list[list[BargainRun]]:
    """BARGAIN's runs, for each task. Its own defaults, twenty thresholds.

    Raises:
        PeerMissing: The environment cannot be made, or the run failed in it.
    """
    asked = {
        "delta": delta,
        "targets": list(targets),
        "seeds": seeds,
        "tasks": [
            {"scores": task.scores.tolist(), "agrees": task.agrees.astype(int).tolist()} for task in tasks
        ],
    }
    python = environment_of(LOCK)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.json"
        path.write_text(json.dumps(asked), encoding="utf-8")
        printed = run([python, str(HERE / "bargain_run.py"), str(path)], RUN_S)
    return [[BargainRun(**run) for run in runs] for runs in json.loads(printed)]


class Alarm(NamedTuple):
    after: int | None
    """Values from the change to the first alarm; None: it was missed."""
    false_alarms: int
    """Before the change."""


def adwin(streams: Mapping[str, Sequence[Sequence[float]]], *, change_at: int) -> dict[str, list[Alarm]]:
    """river's ADWIN, with its defaults, on streams that change at this place.

    Raises:
        PeerMissing: The environment cannot be made, or the run failed in it.
    """
    python = environment_of(LOCK)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "streams.json"
        path.write_text(json.dumps({"change_at": change_at, "streams": streams}), encoding="utf-8")
        printed = run([python, str(HERE / "river_run.py"), str(path)], RUN_S)
    return {name: [Alarm(**one) for one in found] for name, found in json.loads(printed).items()}


def version(peer: str = "bargain", lock: Path = LOCK) -> str:
    """Of a peer, as locked."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    first = next(line for line in lines if line.startswith(f"{peer}=="))
    return first.split()[0].removeprefix(f"{peer}==")
