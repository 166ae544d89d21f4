"""Other people's packages, run in an environment of their own, on the cases and streams that Classyard is measured on.

The environment is made once from `peers.lock` and kept in the user's cache under the lock's digest. Without a package
index the peer cannot be had: its figures are left out, with the reason.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from platformdirs import user_cache_path

from benchmarks.routing.data import Floats

HERE = Path(__file__).resolve().parent
LOCK = HERE / "peers.lock"
INSTALL_S = 600
RUN_S = 1800


class PeerMissing(Exception):
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
    python = environment()
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
    python = environment()
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


def environment(lock: Path = LOCK) -> str:
    """The python of the environment that the lock describes, made where it is not there yet. Raises `PeerMissing`."""
    digest = sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = user_cache_path("classyard") / "peers" / digest
    python, done = folder / "bin" / "python", folder / "complete"
    if not done.exists():
        _make(folder)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        run([*pip, "--no-deps", "--require-hashes", "-r", str(lock)], INSTALL_S)
        done.touch()
    return str(python)


def _make(folder: Path) -> None:
    try:
        venv.create(folder, with_pip=True, clear=True)
    except (OSError, subprocess.CalledProcessError) as error:
        msg = f"the peers could not be run: no environment could be made for them ({error})"
        raise PeerMissing(msg) from error


def run(command: list[str], seconds: int) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds).stdout
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no word of why"])[-1]
        msg = f"a peer could not be run: {last}"
        raise PeerMissing(msg) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"a peer could not be run: {error}"
        raise PeerMissing(msg) from error
