"""The home of a yard: its folders, its run file, its lock, its sockets."""

from __future__ import annotations

import json
import multiprocessing
import socket
import stat
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from classyard.embedded.home import SOCKET_PATH_BYTES, Home, RunningYard, write_atomically
from classyard.embedded.server import require_space
from schemas.errors import BadConfiguration, ConfigurationError, NoSpaceLeft, YardNotRunning

YARD = RunningYard(
    database_url="postgresql://classyard@/classyard?host=/somewhere",
    redis_url="unix:///somewhere/valkey.sock?db=0",
    pids={"up": 4711, "router": 4712},
    started_at=datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
    simulated=True,
    metrics={"router": "127.0.0.1:9101"},
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_environment_chooses_the_home_and_the_platform_is_the_default(tmp_path: Path) -> None:
    assert Home.from_environment({"CLASSYARD_HOME": str(tmp_path)}).path == tmp_path
    assert Home.from_environment({}) == Home.default()
    assert Home.default().path.is_absolute()


def test_folders_are_closed_to_others(tmp_path: Path) -> None:
    home = Home(tmp_path / "yard").prepare()

    assert {mode(path) for path in (home.path, *home.path.iterdir())} == {0o700}
    assert {path.name for path in home.path.iterdir()} == {"valkey", "logs", "run", "config"}


def test_a_home_that_cannot_be_made_says_so_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(BadConfiguration, match="Set CLASSYARD_HOME"):
        Home(tmp_path / "file" / "yard").prepare()


def test_the_run_file_comes_back_as_it_was(tmp_path: Path) -> None:
    home = Home(tmp_path).prepare()

    home.write_run(YARD)

    assert home.read_run() == YARD
    home.forget_run()
    assert home.read_run() is None


def test_keys_of_a_newer_yard_are_ignored_and_garbage_is_no_yard(tmp_path: Path) -> None:
    home = Home(tmp_path).prepare()
    newer = json.loads(YARD.to_json()) | {"colour": "green"}

    (home.run / "yard.json").write_text(json.dumps(newer))
    assert home.read_run() == YARD

    (home.run / "yard.json").write_text('{"database_url": ')
    assert home.read_run() is None


def _rewrite(path: Path, letter: str, times: int) -> None:
    for _ in range(times):
        write_atomically(path, letter.encode() * 50_000)


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "yard.json"
    write_atomically(path, b"a" * 50_000)
    writers = [multiprocessing.Process(target=_rewrite, args=(path, letter, 30)) for letter in "ab"]
    for writer in writers:
        writer.start()

    while any(writer.is_alive() for writer in writers):
        seen = path.read_bytes()
        assert len(seen) == 50_000
        assert len(set(seen)) == 1

    for writer in writers:
        writer.join()
    assert [each.name for each in tmp_path.iterdir()] == ["yard.json"], "temporary files were left behind"
    assert mode(path) == 0o600


def test_one_yard_per_home(tmp_path: Path) -> None:
    home, other = Home(tmp_path / "a"), Home(tmp_path / "b")

    with home.lock(), other.lock():
        home.write_run(YARD)
        assert home.is_locked()
        assert home.running() == YARD
        with (
            pytest.raises(ConfigurationError, match=r"already running .*process 4711.*classyard down"),
            home.lock(),
        ):
            pass

    assert not home.is_locked()
    with home.lock():
        pass


def test_a_run_file_that_nobody_stands_behind_is_no_running_yard(tmp_path: Path) -> None:
    home = Home(tmp_path).prepare()
    home.write_run(YARD)

    with pytest.raises(YardNotRunning, match="classyard up"):
        home.running()


def _long(folder: Path) -> Home:
    return Home(folder / ("long-name-" * 10) / ("more-of-it-" * 5))


def test_sockets_of_a_long_home_lie_in_a_short_private_folder(tmp_path: Path) -> None:
    home = _long(tmp_path).prepare()
    folder = home.sockets()
    try:
        assert len(str(folder / "valkey.sock")) <= SOCKET_PATH_BYTES
        assert mode(folder) == 0o700
        assert folder == home.sockets()
        assert folder != _long(tmp_path / "other").prepare().sockets()
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / "x.sock"))
        (folder / "x.sock").unlink()
    finally:
        folder.rmdir()
        _long(tmp_path / "other").sockets().rmdir()


def test_sockets_of_a_short_home_stay_in_it() -> None:
    with tempfile.TemporaryDirectory(prefix="cy") as short:
        assert Home(Path(short)).sockets() == Path(short) / "run"


@pytest.mark.parametrize("trap", ["open", "link"])
def test_a_socket_folder_prepared_by_somebody_else_is_refused(tmp_path: Path, trap: str) -> None:
    home = _long(tmp_path).prepare()
    folder = home.sockets()
    folder.rmdir()
    if trap == "open":
        folder.mkdir()
        folder.chmod(0o777)
    else:
        folder.symlink_to(tmp_path)
    try:
        with pytest.raises(BadConfiguration, match="mode 0700"):
            home.sockets()
    finally:
        folder.unlink() if trap == "link" else folder.rmdir()


def test_a_full_disk_is_refused_before_the_start(tmp_path: Path) -> None:
    require_space(tmp_path, free_bytes=1)

    with pytest.raises(NoSpaceLeft, match=str(tmp_path)):
        require_space(tmp_path, free_bytes=10**18)
