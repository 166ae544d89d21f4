"""Results as files: whole or not at all, and nothing in them that a spreadsheet would run."""

from __future__ import annotations

import csv
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from producer.exports import ExportFormat, export, safe_cell
from schemas.errors import BadInput, NoSpaceLeft

JSONL, CSV = ExportFormat.JSONL, ExportFormat.CSV
ROWS = [
    {"job": "j1", "cost": 5, "output": {"verdict": "acceptable"}, "hidden": 1},
    {"job": "=1+1", "cost": -5, "at": datetime(2026, 11, 23, tzinfo=UTC)},
]
COLUMNS = ["cost", "job", "output", "at"]


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_jsonl_has_the_columns_in_order_and_null_for_the_absent(tmp_path: Path) -> None:
    count = export(ROWS, tmp_path / "r.jsonl", columns=COLUMNS, form=JSONL)

    lines = (tmp_path / "r.jsonl").read_text().splitlines()
    assert count == 2
    assert lines[0] == '{"cost":5,"job":"j1","output":{"verdict":"acceptable"},"at":null}'
    assert json.loads(lines[1]) == {"cost": -5, "job": "=1+1", "output": None, "at": "2026-11-23T00:00:00Z"}


def test_csv_escapes_formulas_in_text_and_leaves_numbers(tmp_path: Path) -> None:
    export(ROWS, tmp_path / "r.csv", columns=COLUMNS, form=CSV)

    with (tmp_path / "r.csv").open(newline="") as stream:
        assert list(csv.reader(stream)) == [
            COLUMNS,
            ["5", "j1", '{"verdict":"acceptable"}', ""],
            ["-5", "'=1+1", "", "2026-11-23T00:00:00Z"],
        ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
def test_every_start_of_a_formula_is_escaped(start: str) -> None:
    assert safe_cell(f"{start}cmd|'/c calc'!A0") == f"'{start}cmd|'/c calc'!A0"


def test_no_rows_give_a_whole_and_empty_file(tmp_path: Path) -> None:
    assert export([], tmp_path / "r.jsonl", columns=["a"], form=JSONL) == 0
    assert export([], tmp_path / "r.csv", columns=["a"], form=CSV) == 0

    assert (tmp_path / "r.jsonl").read_bytes() == b""
    assert (tmp_path / "r.csv").read_bytes() == b"a\r\n"


@pytest.mark.parametrize("error", [ValueError("ours"), OSError("the database is away"), KeyboardInterrupt()])
def test_a_file_stands_unchanged_where_the_rows_end_in_an_error(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "r.jsonl").write_text("as before")

    def rows() -> Iterator[dict[str, str]]:
        for _ in range(10_000):
            yield {"a": "some text that fills the buffer"}
        raise error

    with pytest.raises(type(error)) as caught:
        export(rows(), tmp_path / "r.jsonl", columns=["a"], form=JSONL)

    assert caught.value is error
    assert (tmp_path / "r.jsonl").read_text() == "as before"
    assert leftovers(tmp_path) == ["r.jsonl"]


def test_a_new_file_takes_the_place_and_the_permissions_of_the_old(tmp_path: Path) -> None:
    path, link = tmp_path / "r.jsonl", tmp_path / "link.jsonl"
    path.write_text("as before")
    path.chmod(0o640)
    link.symlink_to(path)

    export(ROWS, link, columns=COLUMNS, form=JSONL)

    assert link.is_symlink()
    assert len(path.read_text().splitlines()) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert leftovers(tmp_path) == ["link.jsonl", "r.jsonl"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("count", [1, 100_000])
def test_a_full_disk_is_told_in_a_sentence(count: int) -> None:
    with pytest.raises(NoSpaceLeft, match="no space left to write the results"):
        export(({"a": n} for n in range(count)), "/dev/full", columns=["a"], form=JSONL)


def test_a_disk_that_fills_up_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """With a limit on the size of files, which the system enforces as it does a full disk."""
    (tmp_path / "r.jsonl").write_text("as before")
    program = (
        "import resource, signal; from producer.exports import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "export(({'a': n} for n in range(100_000)), 'r.jsonl', columns=['a'], form=ExportFormat.JSONL)"
    )

    ended = run(program, cwd=tmp_path)

    assert "NoSpaceLeft: r.jsonl: there is no space left" in ended.stderr
    assert (tmp_path / "r.jsonl").read_text() == "as before"
    assert leftovers(tmp_path) == ["r.jsonl"]


def run(program: str, cwd: Path, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).resolve().parents[2])
    env = {**os.environ, "PYTHONPATH": root}
    return subprocess.run(
        [sys.executable, "-c", program], cwd=cwd, env=env, text=True, stdout=stdout, stderr=subprocess.PIPE
    )


TO_STDOUT = (
    "from producer.exports import *; from schemas.errors import NoSpaceLeft\n"
    "print('first')\n"
    "try: export([{'a': 1}], '-', columns=['a'], form=ExportFormat.JSONL)\n"
    "except NoSpaceLeft as error: raise SystemExit(str(error))"
)


def test_standard_output_is_a_place(tmp_path: Path) -> None:
    assert run(TO_STDOUT, tmp_path).stdout == 'first\n{"a":1}\n'


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_standard_output_says_so_once(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = run(TO_STDOUT.replace("print('first')", ""), tmp_path, stdout=full.fileno())

    assert (
        ended.stderr
        == "standard output: there is no space left to write the results; free some, or name another place.\n"
    )
    assert ended.returncode == 1


def test_standard_output_that_is_captured_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    export([{"a": "é"}], "-", columns=["a"], form=JSONL)

    assert capsys.readouterr().out == '{"a":"é"}\n'


def test_a_pipe_is_written_as_it_is(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()

    export([{"a": 1}], pipe, columns=["a"], form=JSONL)
    reader.join(5)

    assert read == ['{"a":1}\n']
    assert leftovers(tmp_path) == ["pipe"]


@pytest.mark.parametrize(("place", "word"), [("gone/r.jsonl", "does not exist"), (".", "is a folder")])
def test_a_place_that_cannot_be_written_is_told_before_any_row_is_read(
    tmp_path: Path, place: str, word: str
) -> None:
    def rows() -> Iterator[dict[str, str]]:
        pytest.fail("a row was read")
        yield {}

    with pytest.raises(BadInput, match=word):
        export(rows(), tmp_path / place, columns=["a"], form=JSONL)

    assert leftovers(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text("as before")
    (tmp_path / "r.jsonl").chmod(0o400)

    with pytest.raises(BadInput, match="may not write"):
        export(ROWS, tmp_path / "r.jsonl", columns=COLUMNS, form=JSONL)
