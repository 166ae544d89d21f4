"""Archives, friendly and hostile."""

from __future__ import annotations

import io
import os
import stat
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from producer.sources import Skipped, read_all
from producer.sources.archive import DEFAULT_LIMITS, ArchiveLimits, read_archive
from producer.sources.places import Found
from schemas.submission import Rejection, SourceDocument
from tests.data import data_file


def pack(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def read(
    data: bytes, limits: ArchiveLimits = DEFAULT_LIMITS
) -> tuple[dict[str, str], list[tuple[str, str]], list[str]]:
    """Texts by id, rejections, and the names of what was skipped."""
    skipped: list[Skipped] = []
    found = list(read_archive(io.BytesIO(data), "a.zip", skipped.append, limits=limits))  # type: ignore[arg-type]
    return (
        {item.document.custom_id: item.document.text for item in found if isinstance(item, Found)},
        [(item.where, item.code) for item in found if isinstance(item, Rejection)],
        [skip.where for skip in skipped],
    )


def test_members_are_documents_and_clutter_is_skipped() -> None:
    data = pack(
        {
            "a.txt": b"a",
            "sub/": b"",
            "sub/b.md": b"b",
            "__MACOSX/._a.txt": b"x",
            ".DS_Store": b"x",
            "c/.x/d": b"x",
        }
    )

    assert read(data) == (
        {"a.txt": "a", "sub/b.md": "b"},
        [],
        ["a.zip/__MACOSX/._a.txt", "a.zip/.DS_Store", "a.zip/c/.x/d"],
    )


def test_names_that_lead_out_are_names_and_no_more() -> None:
    names = ["/etc/passwd", "../../x.txt", "C:\\temp\\y.txt", "..", "a/./b//c.txt", "z\x1b[2J.txt"]

    texts, rejected, _ = read(pack(dict.fromkeys(names, b"t")))

    assert list(texts) == ["etc/passwd", "x.txt", "temp/y.txt", "unnamed", "a/b/c.txt", "z\\x1b[2J.txt"]
    assert not rejected


def test_names_in_utf8_without_the_flag_are_read() -> None:
    data = pack({"Gr\u00f6\u00dfe.txt": b"t"})
    for at in (data.index(b"PK\x03\x04") + 6, data.index(b"PK\x01\x02") + 8):
        data = data[:at] + b"\0\0" + data[at + 2 :]

    assert list(read(data)[0]) == ["Größe.txt"]


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.zip", pack({"x": b"t"}), "nested_archive"),
        ("a.tar", b"text", "nested_archive"),
        ("a.txt", pack({"x": b"t"}), "not_text"),
        ("a.pdf", b"%PDF-1.7", "unsupported_type"),
        ("a.csv", b"id,text", "unsupported_type"),
        ("a.txt", b"", "empty_file"),
        ("a.txt", b"\0\1\2", "not_text"),
        ("a.txt", b"\x81\x8d\x98 \xff", "undecodable"),
    ],
)
def test_members_that_are_no_text_are_rejected_and_the_others_go_on(
    name: str, data: bytes, code: str
) -> None:
    assert read(pack({name: data, "z.txt": b"z"})) == ({"z.txt": "z"}, [(f"a.zip/{name}", code)], [])


def test_an_encrypted_member_is_rejected() -> None:
    data = pack({"a.txt": b"a"})
    for at in (data.index(b"PK\x03\x04") + 6, data.index(b"PK\x01\x02") + 8):
        data = data[:at] + b"\x01\0" + data[at + 2 :]

    assert read(data)[1] == [("a.zip/a.txt", "encrypted")]


def test_a_link_in_an_archive_is_rejected() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        info = zipfile.ZipInfo("link.txt")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")

    assert read(packed.getvalue())[1] == [("a.zip/link.txt", "not_a_file")]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_bound_are_not_used(method: int) -> None:
    assert read(pack({"a.txt": b"a" * 1000}, method))[1] == [("a.zip/a.txt", "unsupported_type")]


def test_a_bomb_is_stopped_by_its_ratio() -> None:
    data = pack({"bomb.txt": b"\n" * 15_000_000, "z.txt": b"z"})

    tracemalloc.start()
    found = read(data)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert found == ({"z.txt": "z"}, [("a.zip/bomb.txt", "too_compressed")], [])
    assert peak_bytes < 8_000_000


def test_short_text_that_repeats_itself_is_no_bomb() -> None:
    assert list(read(pack({"a.txt": b"a" * 1_000_000}))[0]) == ["a.txt"]


def test_a_member_is_counted_and_not_believed() -> None:
    """The list says 10 bytes, and 5 MB come."""
    honest = pack({"a.txt": os.urandom(2_500_000).hex().encode()})
    at = honest.index(b"PK\x01\x02") + 24
    liar = honest[:at] + (10).to_bytes(4, "little") + honest[at + 4 :]

    texts, rejected, _ = read(liar, ArchiveLimits(member_bytes=1_000_000))

    assert not texts
    assert rejected == [("a.zip/a.txt", "damaged_archive")]


def test_a_large_member_is_rejected_and_the_others_go_on() -> None:
    data = pack({"big.txt": b"long text " * 100, "z.txt": b"z"})

    assert read(data, ArchiveLimits(member_bytes=999)) == (
        {"z.txt": "z"},
        [("a.zip/big.txt", "too_large")],
        [],
    )


def test_reading_stops_at_the_limit_of_all_members_and_says_so() -> None:
    data = pack({f"{number}.txt": b"t" * 400 for number in range(5)})

    texts, rejected, _ = read(data, ArchiveLimits(total_bytes=1000))

    assert list(texts) == ["0.txt", "1.txt"]
    assert rejected == [("a.zip/2.txt", "too_large"), ("a.zip", "too_large")]


def test_too_many_members_are_refused_before_any_is_read() -> None:
    data = pack({f"{number}.txt": b"t" for number in range(20)})

    assert read(data, ArchiveLimits(entries=19)) == ({}, [("a.zip", "too_many_entries")], [])
    assert read(data, ArchiveLimits(directory_bytes=500)) == ({}, [("a.zip", "too_many_entries")], [])
    assert len(read(data, ArchiveLimits(entries=20))[0]) == 20


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        b"not a zip at all",
        pack({"a.txt": b"a" * 1000})[:-30],
        b"PK\x05\x06" + b"\xff" * 18,
    ],
    ids=["empty", "a beginning", "text", "cut short", "no directory"],
)
def test_what_is_no_archive_says_so(data: bytes) -> None:
    assert read(data) == ({}, [("a.zip", "damaged_archive")], [])


def test_a_damaged_member_is_rejected_and_the_others_go_on() -> None:
    data = bytearray(pack({"a.txt": b"some text " * 50, "z.txt": b"z"}))
    data[40] ^= 0xFF

    texts, rejected, _ = read(bytes(data))

    assert texts == {"z.txt": "z"}
    assert rejected == [("a.zip/a.txt", "damaged_archive")]


@pytest.mark.parametrize("members", [{}, {"folder/": b""}, {".DS_Store": b"x"}])
def test_an_archive_without_documents_is_a_rejection(members: dict[str, bytes]) -> None:
    assert read(pack(members))[:2] == ({}, [("a.zip", "empty_file")])


def test_the_same_member_twice_is_a_duplicate_that_names_both(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(pack({"a.txt": b"1", "../a.txt": b"2"}))

    first, second = read_all([tmp_path / "a.zip"])

    assert isinstance(first, SourceDocument)
    assert isinstance(second, Rejection)
    assert second.code == "duplicate_custom_id"
    assert f"taken by {tmp_path}/a.zip/a.txt" in second.sentence


def test_an_archive_is_known_by_suffix_or_else_by_content(tmp_path: Path) -> None:
    for name in ("A.ZIP", "packed"):
        (tmp_path / name).write_bytes(pack({f"{name}.txt": b"1"}))

    found = list(read_all([tmp_path / "A.ZIP", tmp_path / "packed"]))

    assert [item.custom_id for item in found if isinstance(item, SourceDocument)] == [
        "A.ZIP.txt",
        "packed.txt",
    ]


def test_sixty_contracts_are_sixty_documents() -> None:
    found = list(read_all([data_file("documents", "cuad", "contracts_txt.zip")]))

    documents = [item for item in found if isinstance(item, SourceDocument)]
    assert len(documents) == len(found) == 60
    assert all(len(document.text) > 100 for document in documents)
    assert len({document.custom_id for document in documents}) == 60
