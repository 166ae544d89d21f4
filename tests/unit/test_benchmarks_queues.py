"""The queues benchmark on a small made-up trace: it runs on any trace of that layout, and measures what it says."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from random import Random

import pytest

from benchmarks.routing import queues
from benchmarks.routing.endpoints import Engine, least_busy, picked, pooled
from benchmarks.routing.peers import PeerMissing
from benchmarks.routing.plan import Plan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two kinds of calls: short ones with long answers, and long ones with short answers."""
    chance, path = Random(3), tmp_path / queues.TRACE
    path.parent.mkdir(parents=True)
    with gzip.open(path, "wt", encoding="utf-8", newline="") as lines:
        out = csv.writer(lines)
        out.writerow(["TIMESTAMP", "ContextTokens", "GeneratedTokens"])
        for _ in range(600):
            read = chance.choice([chance.randint(50, 300), chance.randint(2_000, 4_000)])
            out.writerow(["2026-01-01 00:00:00", read, chance.randint(300, 600) if read < 1_000 else 50])
    return tmp_path


def test_a_quick_run_on_another_trace_gives_every_figure_and_a_page(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise PeerMissing("a peer could not be run: no index")

    monkeypatch.setattr(queues, "adwin", missing)

    found = queues.figures(Plan(folder, quick=True))

    assert found["queues"]["engine"]["p99_s"]["median"] > 0
    assert found["p99_over_bound"] >= 0.9
    assert found["slow_detected_after"] <= 20
    assert "p99 over least busy" in queues.page(found)
    assert found["left_out"] == {"adwin": "a peer could not be run: no index"}
    assert "ADWIN could not be run" in queues.page(found)


def test_without_the_trace_it_says_so(tmp_path: Path) -> None:
    found = queues.figures(Plan(tmp_path, quick=True))

    assert found["left_out"]["queues"] == f"{queues.TRACE} is not in the data folder"
    assert "Not measured" in queues.page(found)


def test_a_guess_is_made_of_earlier_calls_only() -> None:
    assert queues.guesses([(10, 100), (10, 300), (10, 50)]) == [0, 100, 200]


def test_every_call_is_served_once_and_the_engine_learns_who_is_slow(folder: Path) -> None:
    calls = queues.calls_of(queues.read_trace(folder / queues.TRACE), 1)
    engine = Engine()

    ours, busy = engine.run(calls), picked(calls, least_busy, Random(1))

    assert len(ours) == len(busy) == len(pooled(calls)) == len(calls)
    paces = [seen.pace_millionths or 0 for seen in engine.seen]
    assert [round(pace / 1e6) for pace in paces] == [1, 1, 1, 1, 2, 2, 4, 4]
