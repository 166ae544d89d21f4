"""Everything a yard keeps lies in its home: two homes are two yards, and a home outlives the processes in it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.yards import (
    Pretend,
    Yard,
    batch_of,
    cli,
    folder,
    living,
    prepare_home,
    pretending,
    provider,
    until,
    up,
    write_contracts,
)
from tests.invariants import check_invariants

pytestmark = [pytest.mark.services, pytest.mark.flows, pytest.mark.xdist_group("flows-homes")]


@pytest.fixture(scope="module")
def pretend() -> Iterator[Pretend]:
    with pretending(quick="instant:base_ms=20", slow="instant:base_ms=1000") as running:
        yield running


@pytest.fixture
def home(pretend: Pretend) -> Iterator[Path]:
    with folder() as path:
        yield prepare_home(path, provider("quick", pretend.url, ceiling=4))


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    return write_contracts(tmp_path / "documents", 12)


def test_two_yards_side_by_side_and_down_and_up_again(home: Path, pretend: Pretend, documents: Path) -> None:
    """Two yards work beside each other and know nothing of each other; a second `up` in a home is refused; `down` stops
    everything and keeps everything."""
    with folder() as other_home:
        prepare_home(other_home, provider("quick", pretend.url, ceiling=4))
        with up(home) as one, up(other_home) as other:
            mine = _reviewed(one, documents)
            theirs = _reviewed(other, documents)
            assert one.rows("select id::text from batches") == [{"id": mine}]
            assert other.rows("select id::text from batches") == [{"id": theirs}]
            _assert_refused(one)
            before = _results(one, mine)
            ours = one.processes()

            said = one.cli("down")

            assert (said.code, said.err) == (0, "The yard is down; everything is kept.\n")
            assert one.process.wait(timeout=10) == 0
            assert living(ours) == []
            assert one.cli("down").code == 4
            assert one.cli("status").err == (
                f"classyard: No yard is running in {str(home)!r}; start one with `classyard up`.\n"
            )
            assert other.cli("status").code == 0, "the other yard is not touched"

    with up(home) as again:
        assert _results(again, mine) == before
        assert again.states(_reviewed(again, documents)) == {"succeeded": 12}
        check_invariants(again.database_url)


def test_a_yard_whose_supervisor_was_killed(pretend: Pretend, home: Path, tmp_path: Path) -> None:
    """SIGKILL to `up` in the middle of a batch: everything else ends by itself, and the next `up` goes on with the
    batch and brings it to its end, each job once."""
    prepare_home(home, provider("slow", pretend.url, ceiling=4))
    documents = write_contracts(tmp_path / "many", 60)
    with up(home, CLASSYARD_LEASE_S="3") as first:
        batch = first.submit(documents, "--review", "contract-clauses")
        until(lambda: first.finished(batch) >= 5, "the batch to get going")
        ours = first.processes()

        os.kill(first.process.pid, signal.SIGKILL)
        pretend.become("slow", "instant:base_ms=30")

        first.process.wait()
        until(lambda: not living(ours), "the yard's processes to end by themselves", timeout_s=30)

    with up(home, CLASSYARD_LEASE_S="3") as second:
        assert second.wait(batch) == {"succeeded": 60}
        assert second.one("select count(*) from results where batch_id = %s", batch) == 60
        check_invariants(second.database_url)
        assert pretend.stats("slow")["peak_in_flight"] <= 4


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    """`up` with a home that is a file says so, and ends with the exit code of a wrong configuration."""
    path = tmp_path / "file"
    path.write_text("not a folder")

    said = cli("up", home=path)

    assert said.code == 3
    assert f"Cannot use {str(path)!r} as the home" in said.err
    assert "Traceback" not in said.err


def _assert_refused(running: Yard) -> None:
    began = time.monotonic()
    said = running.cli("up")
    assert said.code == 3
    assert said.err == (
        f"classyard: A yard is already running in {str(running.home.path)!r} (process {running.process.pid}); "
        "stop it with `classyard down`, or set CLASSYARD_HOME to another folder.\n"
    )
    assert time.monotonic() - began < 10, "it is refused at once"


def _reviewed(running: Yard, documents: Path) -> str:
    said = running.cli("submit", documents, "--review", "contract-clauses", "--wait")
    assert said.code == 0, said.out + said.err
    return batch_of(said)


def _results(running: Yard, batch: str) -> str:
    said = running.cli("results", batch)
    assert said.code == 0 and said.out
    return said.out
