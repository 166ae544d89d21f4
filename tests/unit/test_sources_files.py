"""Files and folders: what is a document, what is not, and what is never opened."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.sources import Skipped, read_all
from producer.sources.custom_ids import derive
from producer.sources.regular import read_up_to
from schemas.errors import BadInput
from schemas.submission import MAX_CUSTOM_ID_CHARACTERS, MAX_DOCUMENT_BYTES, Rejection, SourceDocument

as_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


def rejections(found: list[SourceDocument | Rejection]) -> list[tuple[str, str]]:
    return [(item.where, item.code) for item in found if isinstance(item, Rejection)]


def ids(found: list[SourceDocument | Rejection]) -> list[str]:
    return [item.custom_id for item in found if isinstance(item, SourceDocument)]


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_folder_gives_its_files_sorted_and_by_relative_path(tmp_path: Path) -> None:
    write(tmp_path, b_txt="b", a__z_md="z", a__deep__er_log="d", README="r")

    found = list(read_all([tmp_path]))

    assert ids(found) == ["README", "a/deep/er.log", "a/z.md", "b.txt"]
    assert not rejections(found)
    assert isinstance(found[1], SourceDocument)
    assert found[1].name == f"{tmp_path.name}/a/deep/er.log"


def test_the_folder_where_one_stands_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(tmp_path, sub__a_txt="a"))

    (found,) = read_all([Path()])

    assert isinstance(found, SourceDocument)
    assert (found.custom_id, found.name) == ("sub/a.txt", "sub/a.txt")


def test_hidden_files_are_skipped_and_mentioned(tmp_path: Path) -> None:
    write(tmp_path, a_txt="a", _hidden="h", _git__config="c", Thumbs_db="t")
    skipped: list[Skipped] = []

    found = list(read_all([tmp_path], on_skip=skipped.append))

    assert ids(found) == ["a.txt"]
    assert sorted(Path(skip.where).name for skip in skipped) == [".git", ".hidden", "Thumbs.db"]


def test_a_hidden_file_that_is_named_is_read(tmp_path: Path) -> None:
    write(tmp_path, _notes="n")

    assert ids(list(read_all([tmp_path / ".notes"]))) == [".notes"]


@pytest.mark.parametrize("kept", [[], [".hidden"]])
def test_a_folder_without_documents_is_a_rejection(tmp_path: Path, kept: list[str]) -> None:
    for name in kept:
        (tmp_path / name).touch()

    assert rejections(list(read_all([tmp_path]))) == [(str(tmp_path), "empty_folder")]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("a.pdf", "not supported yet"),
        ("A.DOCX", "save it as .txt"),
        ("t.csv", "PATH of its own"),
        ("x.tgz", "unpack"),
    ],
)
def test_kinds_that_are_no_text_say_so(tmp_path: Path, name: str, word: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    (tmp_path / "z.txt").write_bytes(b"text")

    found = list(read_all([tmp_path]))

    assert rejections(found) == [(f"{tmp_path}/{name}", "unsupported_type")]
    assert isinstance(found[0], Rejection)
    assert word in found[0].sentence
    assert ids(found) == ["z.txt"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b" \n", "empty_file"),
        (b"\x00\x01", "not_text"),
        (b"caf\xe9 \x81 \x98", "undecodable"),
    ],
)
def test_files_that_hold_no_text_are_rejected_and_the_others_go_on(
    tmp_path: Path, data: bytes, code: str
) -> None:
    (tmp_path / "bad.txt").write_bytes(data)
    write(tmp_path, good_txt="text")

    found = list(read_all([tmp_path]))

    assert rejections(found) == [(f"{tmp_path}/bad.txt", code)]
    assert ids(found) == ["good.txt"]


def test_a_large_file_is_turned_away_without_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "big.txt").open("wb") as stream:
        stream.truncate(50_000_000)
    monkeypatch.setattr("producer.sources.files.read_up_to", lambda *_: pytest.fail("it was read"))

    (found,) = read_all([tmp_path / "big.txt"])

    assert isinstance(found, Rejection)
    assert found.code == "too_large"
    assert "50,000,000 bytes" in found.sentence


def test_a_file_that_grows_while_it_is_read_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As seen by the reader: small by its size, and endless by its content."""

    class Endless:
        def read(self, size: int) -> bytes:
            return b"a" * size

    assert read_up_to(Endless(), 5_000_000) is None  # type: ignore[arg-type]

    write(tmp_path, a_txt="a")
    monkeypatch.setattr("producer.sources.files.read_up_to", lambda _, limit: read_up_to(Endless(), limit))  # type: ignore[arg-type]
    assert rejections(list(read_all([tmp_path / "a.txt"]))) == [(f"{tmp_path}/a.txt", "too_large")]


def test_links_stay_in_the_folder(tmp_path: Path) -> None:
    folder, outside = (
        write(tmp_path / "in", a_txt="a", sub__b_txt="b"),
        write(tmp_path / "out", secret_txt="s"),
    )
    (folder / "l1.txt").symlink_to("a.txt")
    (folder / "l2.txt").symlink_to(outside / "secret.txt")
    (folder / "l3").symlink_to(outside)
    (folder / "l4").symlink_to("sub")
    (folder / "l5").symlink_to(".")
    (folder / "l6").symlink_to("gone")
    (folder / "l7").symlink_to("l7")

    found = list(read_all([folder]))

    assert ids(found) == ["a.txt", "l1.txt", "sub/b.txt"]
    assert [(Path(where).name, code) for where, code in rejections(found)] == [
        ("l2.txt", "link_leaves_folder"),
        ("l3", "link_leaves_folder"),
        ("l4", "not_a_file"),
        ("l5", "not_a_file"),
        ("l6", "not_found"),
        ("l7", "not_a_file"),
    ]


def test_a_link_that_the_caller_names_is_followed(tmp_path: Path) -> None:
    write(tmp_path, a_txt="a", docs__b_txt="b")
    (tmp_path / "l.txt").symlink_to("a.txt")
    (tmp_path / "l").symlink_to("docs")

    assert ids(list(read_all([tmp_path / "l.txt", tmp_path / "l"]))) == ["l.txt", "b.txt"]


def test_special_files_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    write(tmp_path, z_txt="z")
    done: list[SourceDocument | Rejection] = []
    reader = threading.Thread(
        target=lambda: done.extend(read_all([tmp_path, tmp_path / "pipe.txt", Path("/dev/null")]))
    )
    reader.daemon = True

    reader.start()
    reader.join(5)

    assert not reader.is_alive(), "it waits for the pipe"
    assert ids(done) == ["z.txt"]
    pipe = str(tmp_path / "pipe.txt")
    assert rejections(done) == [(pipe, "not_a_file"), (pipe, "not_a_file"), ("/dev/null", "not_a_file")]


def test_a_missing_path_is_told_before_anything_is_read(tmp_path: Path) -> None:
    write(tmp_path, a_txt="a")

    with pytest.raises(BadInput, match="no such file or folder") as caught:
        read_all([tmp_path / "a.txt", tmp_path / "gone\n.txt"])

    assert caught.value.code == "not_found"
    assert caught.value.where == f"{tmp_path}/gone\\x0a.txt"


@pytest.mark.parametrize("paths", [[], [Path("a\0b")], [Path("x" * 5000)], [Path("/dev/null/x")]])
def test_other_paths_that_lead_nowhere(paths: list[Path]) -> None:
    with pytest.raises(BadInput):
        read_all(paths)


def test_a_file_that_vanishes_is_a_rejection_and_the_others_go_on(tmp_path: Path) -> None:
    write(tmp_path, a_txt="a", b_txt="b", c_txt="c")
    reading = read_all([tmp_path])
    first = next(reading)
    (tmp_path / "b.txt").unlink()

    rest = list(reading)

    assert isinstance(first, SourceDocument)
    assert rejections(rest) == [(f"{tmp_path}/b.txt", "not_found")]
    assert ids(rest) == ["c.txt"]


@as_user
def test_what_may_not_be_read_is_a_rejection(tmp_path: Path) -> None:
    write(tmp_path, a_txt="a", shut__b_txt="b", z_txt="z")
    (tmp_path / "a.txt").chmod(0)
    (tmp_path / "shut").chmod(0)

    found = list(read_all([tmp_path]))
    (tmp_path / "shut").chmod(0o700)

    assert [code for _, code in rejections(found)] == ["permission_denied"] * 2
    assert ids(found) == ["z.txt"]


def test_a_refusal_of_the_system_is_a_rejection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a_txt="a", b_txt="b")
    really = os.open

    def refusing(path: str | Path, *args: int) -> int:
        if Path(path).name == "a.txt":
            raise PermissionError(13, "Permission denied")
        return really(path, *args)

    monkeypatch.setattr(os, "open", refusing)
    found = list(read_all([tmp_path]))

    assert rejections(found) == [(f"{tmp_path}/a.txt", "permission_denied")]
    assert ids(found) == ["b.txt"]


def test_a_duplicate_id_names_both_places(tmp_path: Path) -> None:
    write(tmp_path, one__a_txt="1", two__a_txt="2")
    (tmp_path / "jobs.jsonl").write_text(
        '{"id": "x", "text": "1"}\n{"id": "a.txt", "text": "2"}\n{"id": "x", "text": "3"}'
    )

    found = list(
        read_all([tmp_path / "one", tmp_path / "two", tmp_path / "two" / "a.txt", tmp_path / "jobs.jsonl"])
    )

    assert ids(found) == ["a.txt", "x"]
    first = f"is taken by {tmp_path}/one/a.txt"
    sentences = {item.where: item.sentence for item in found if isinstance(item, Rejection)}
    assert first in sentences[f"{tmp_path}/two/a.txt"]
    assert first in sentences[f"{tmp_path}/jobs.jsonl, line 2"]
    assert f"is taken by {tmp_path}/jobs.jsonl, line 1" in sentences[f"{tmp_path}/jobs.jsonl, line 3"]
    assert {code for _, code in rejections(found)} == {"duplicate_custom_id"}


def test_a_rejected_line_takes_no_id(tmp_path: Path) -> None:
    (tmp_path / "jobs.jsonl").write_text('{"id": "x", "text": ""}\n{"id": "x", "text": "3"}')

    assert ids(list(read_all([tmp_path / "jobs.jsonl"]))) == ["x"]


def test_a_name_that_is_no_utf8_is_shown_and_stored_escaped(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\x1b.txt")).write_text("t")

    (found,) = read_all([tmp_path])

    assert isinstance(found, SourceDocument)
    assert found.custom_id == "caf\\xe9\\x1b.txt"


def test_a_long_path_keeps_its_end(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 200) / ("e" * 200) / ("f" * 200)
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("t")

    (found,) = read_all([tmp_path])

    assert isinstance(found, SourceDocument)
    assert len(found.custom_id) == MAX_CUSTOM_ID_CHARACTERS
    assert found.custom_id.endswith("/a.txt")
    assert derive("short") == "short"


@pytest.fixture
def deep_folder(tmp_path: Path) -> Iterator[Path]:
    """More folders within each other than Python calls may nest; taken away at once, as pytest could not."""
    folder = tmp_path / "deep"
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(os.open("a.txt", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)
    yield folder
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_a_deep_folder_is_walked_to_its_end(deep_folder: Path) -> None:
    (found,) = read_all([deep_folder])

    assert isinstance(found, Rejection)
    assert found.where.endswith("/d/a.txt")
    assert found.code == "empty_file"


def test_the_largest_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * MAX_DOCUMENT_BYTES)

    assert ids(list(read_all([tmp_path / "a.txt"]))) == ["a.txt"]
