"""JSONL and CSV: every line that cannot be a document says where and why, and the others go on."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.sources import read_all
from producer.sources.csv_rows import read_csv
from producer.sources.jsonl import read_jsonl
from producer.sources.places import Found
from schemas.submission import Rejection, SourceDocument


def jsonl(data: bytes, **limits: int) -> list[SourceDocument | Rejection]:
    return bare(read_jsonl(io.BufferedReader(io.BytesIO(data)), "jobs.jsonl", **limits))  # type: ignore[arg-type]


def rows(data: bytes, **limits: int) -> list[SourceDocument | Rejection]:
    return bare(read_csv(io.BufferedReader(io.BytesIO(data)), "jobs.csv", **limits))  # type: ignore[arg-type]


def bare(items: Iterator[Found | Rejection]) -> list[SourceDocument | Rejection]:
    return [item.document if isinstance(item, Found) else item for item in items]


GOOD = b'{"custom_id": "good", "text": "A text."}'


@pytest.mark.parametrize(
    ("line", "code", "word"),
    [
        (b"this is not JSON", "invalid_json_line", "not JSON"),
        (b'{"custom_id": "a"', "invalid_json_line", "column 18"),
        (b'{"custom_id": "a", "text": "\\ud800"}', "invalid_json_line", "surrogate"),
        (b'{"custom_id": "a", "text": NaN}', "invalid_json_line", "not JSON"),
        (b"[" * 5000, "invalid_json_line", "depth"),
        (b'["a", "text"]', "invalid_json_line", "not an object"),
        (b'"a"', "invalid_json_line", "not an object"),
        (b"null", "invalid_json_line", "not an object"),
        (b'{"custom_id": "a", "text": "caf\xe9"}', "undecodable", "Byte 32"),
        (b'{"text": "t"}', "missing_required_parameter", "'custom_id'"),
        (b'{"custom_id": null, "text": "t"}', "missing_required_parameter", "'custom_id'"),
        (b'{"custom_id": "", "text": "t"}', "missing_required_parameter", "empty"),
        (b'{"custom_id": "a"}', "missing_required_parameter", "'text'"),
        (b'{"custom_id": "a", "text": ""}', "empty_text", "empty"),
        (b'{"custom_id": "a", "text": " \\n "}', "empty_text", "white space"),
        (b'{"custom_id": "a", "text": "x\\u0000y"}', "not_text", "Character 2 is NUL"),
        (b'{"custom_id": "a", "text": 5}', "invalid_type", "a number"),
        (b'{"custom_id": "a", "text": ["t"]}', "invalid_type", "a list"),
        (b'{"custom_id": true, "text": "t"}', "invalid_type", "true or false"),
        (b'{"custom_id": 1.5, "text": "t"}', "invalid_type", "a number with a fraction"),
        (b'{"custom_id": {"a": 1}, "text": "t"}', "invalid_type", "an object"),
        (b'{"custom_id": "a", "text": "t", "name": 5}', "invalid_type", "'name'"),
        (b'{"custom_id": "a\\nb", "text": "t"}', "invalid_value", "a\\x0ab"),
        (b'{"custom_id": "a", "text": "t", "sensitivity": "restricted"}', "unknown_parameter", "sensitivity"),
        (b'{"custom_id": "a", "text": "t", "Deadline": "2h"}', "unknown_parameter", "Deadline"),
        (b'{"custom_id": "' + b"a" * 513 + b'", "text": "t"}', "invalid_value", "513"),
        (b'{"custom_id": "a", "text": "t", "name": "' + b"n" * 513 + b'"}', "invalid_value", "513"),
    ],
)
def test_a_bad_line_is_named_and_the_others_go_on(line: bytes, code: str, word: str) -> None:
    rejection, good = jsonl(b"\n" + line + b"\r\n" + GOOD)

    assert isinstance(rejection, Rejection)
    assert (rejection.where, rejection.code) == ("jobs.jsonl, line 2", code)
    assert word in rejection.sentence
    assert isinstance(good, SourceDocument)


def test_a_sentence_never_holds_the_text_of_a_document() -> None:
    (rejection,) = jsonl(b'{"custom_id": "a", "text": "very secret words}')

    assert isinstance(rejection, Rejection)
    assert "secret" not in rejection.sentence


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"id": 17, "content": "t"}', ("17", "jobs.jsonl, line 1", "t")),
        (b'{"id": "x", "custom_id": "a", "document": "t", "name": "A name"}', ("a", "A name", "t")),
        (b'{"custom_id": "a", "text": "t", "priority": null, "page": 3}', ("a", "jobs.jsonl, line 1", "t")),
    ],
)
def test_other_spellings_and_other_keys(line: bytes, expected: tuple[str, str, str]) -> None:
    (found,) = jsonl(line)

    assert isinstance(found, SourceDocument)
    assert (found.custom_id, found.name, found.text) == expected


def test_a_long_line_is_dropped_and_the_next_one_read() -> None:
    long, good = jsonl(b'{"custom_id": "a", "text": "' + b"t" * 200_000 + b'"}\n' + GOOD, max_line_bytes=1000)

    assert isinstance(long, Rejection)
    assert (long.where, long.code) == ("jobs.jsonl, line 1", "too_large")
    assert isinstance(good, SourceDocument)


@pytest.mark.parametrize("data", [b"", b"\n\r\n \n", b"\xef\xbb\xbf"])
def test_a_file_without_a_line_is_empty(data: bytes) -> None:
    (rejection,) = jsonl(data)

    assert isinstance(rejection, Rejection)
    assert (rejection.where, rejection.code) == ("jobs.jsonl", "empty_file")


@pytest.mark.parametrize("read", [jsonl, rows])
def test_a_file_of_rows_in_another_encoding_is_one_rejection(read) -> None:
    for data, code in ((GOOD.decode().encode("utf-16"), "undecodable"), (b"\x00\x01" * 500, "not_text")):
        (rejection,) = read(data * 3)

        assert rejection.code == code


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_under_any_header_order(delimiter: str) -> None:
    header = delimiter.join([" Document ", "Date", "ID", "name"])
    row = delimiter.join(['"a; b, c\td"', "2026", "x1", "First"])

    (found,) = rows(f"\ufeff{header}\r\n{row}\r\n".encode())

    assert found == SourceDocument("x1", "First", "a; b, c\td", "utf-8")


def test_csv_names_the_physical_line_where_a_row_begins() -> None:
    found = rows(b'id,text\n\na,"one\ntwo\n"\nb,\nc,"t"\n')

    assert [item.name if isinstance(item, SourceDocument) else item.where for item in found] == [
        "jobs.csv, line 3",
        "jobs.csv, line 6",
        "jobs.csv, line 7",
    ]


@pytest.mark.parametrize(
    ("row", "code", "word"),
    [
        (b"a", "invalid_csv_line", "1 cells, the header 2"),
        (b"a,b,c", "invalid_csv_line", "3 cells"),
        (b'a,"b"c', "invalid_csv_line", "Not CSV"),
        (b"a,x\ry", "invalid_csv_line", "Not CSV"),
        (b"a,", "empty_text", "empty"),
        (b",t", "missing_required_parameter", "custom_id"),
        (b"a,caf\xe9", "undecodable", "Byte 6 of line 2"),
        (b'a,"caf\xe9\nnext"', "undecodable", "Byte 7 of line 2"),
        (b"a,x\0y", "not_text", "NUL"),
        (b'a,"' + b"t\n" * 600 + b'"', "too_large", "too long"),
        (b"a," + b"t" * 70_000, "too_large", "too long"),
        (b'a,"' + b't""' * 30_000 + b'\n"', "too_large", "too long"),
    ],
)
def test_a_bad_row_is_named_and_the_others_go_on(row: bytes, code: str, word: str) -> None:
    rejection, good = rows(b"id,text\n" + row + b"\ngood,A text.\n" + b"\n" * 5000, max_row_bytes=1000)

    assert isinstance(rejection, Rejection)
    assert (rejection.where, rejection.code) == ("jobs.csv, line 2", code) or code == "not_text"
    assert word in rejection.sentence or code == "not_text"
    assert isinstance(good, SourceDocument)


def test_a_quote_that_never_closes_says_what_it_swallowed() -> None:
    good, rejection = rows(b'id,text\na,t\nb,"open\nc,t\nd,t\n')

    assert isinstance(good, SourceDocument)
    assert isinstance(rejection, Rejection)
    assert rejection.where == "jobs.csv, line 3"
    assert "never closes; lines 3 to 5 are not read" in rejection.sentence


@pytest.mark.parametrize(
    ("data", "code", "word"),
    [
        (b"", "empty_file", "no header"),
        (b"\n\n", "empty_file", "no header"),
        (b"id,text\n", "empty_file", "no row"),
        (b"a,b\n1,2\n", "missing_required_parameter", "'custom_id'; it has: a, b"),
        (b"id,b\n1,2\n", "missing_required_parameter", "'text'"),
        (b"id,text,text\n1,2,3\n", "invalid_header", "more than once"),
        (b"id,text,sensitivity\n1,2,public\n", "unknown_parameter", "sensitivity"),
        (b'id,"text\n', "invalid_csv_line", "not CSV"),
        (b"id,caf\xe9\n", "undecodable", "line 1"),
        (b"x" * 3000, "too_large", "too long"),
    ],
)
def test_a_bad_header_is_one_rejection(data: bytes, code: str, word: str) -> None:
    (rejection,) = rows(data, max_row_bytes=1000)

    assert isinstance(rejection, Rejection)
    assert (rejection.where, rejection.code) == ("jobs.csv", code)
    assert word in rejection.sentence


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_long_file_takes_the_memory_of_one_document(tmp_path: Path, kind: str) -> None:
    path, text, count = tmp_path / f"jobs.{kind}", "A clause of the contract. " * 800, 2500
    with path.open("w") as stream:
        stream.write("id,text\n" if kind == "csv" else "")
        for number in range(count):
            stream.write(
                f"{number},{text}\n" if kind == "csv" else json.dumps({"id": number, "text": text}) + "\n"
            )
    assert path.stat().st_size > 50_000_000

    tracemalloc.start()
    found = sum(isinstance(item, SourceDocument) for item in read_all([path]))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert found == count
    assert peak_bytes < 5_000_000
