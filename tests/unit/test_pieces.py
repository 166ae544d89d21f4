"""A file in pieces reads as the file itself, wherever it was cut and wherever one reads."""

from __future__ import annotations

import codecs
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.sources import read_stream
from producer.sources.pieces import Pieces, stream_of
from producer.sources.text import flaw_of_text
from schemas.submission import Rejection, SourceDocument

LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.text(LETTERS, min_size=1, max_size=30).filter(lambda text: flaw_of_text(text) is None)


def cut(data: bytes, ends: list[int]) -> io.BufferedReader:
    """Pieces that end at these places; one may be empty."""
    marks = sorted({min(end, len(data)) for end in ends} | {len(data)})
    pieces = [data[start:end] for start, end in zip([0, *marks], marks, strict=False)]
    return stream_of([len(piece) for piece in pieces], lambda number: pieces[number])


def read(stream: io.BufferedReader, name: str = "body") -> list[Any]:
    return [
        (one.custom_id, one.text) if isinstance(one, SourceDocument) else (one.where, one.code)
        for one in read_stream(stream, name)
    ]


CUTS = st.lists(st.integers(0, 400), max_size=12)


@given(
    data=st.binary(max_size=300),
    ends=CUTS,
    moves=st.lists(st.tuples(st.integers(0, 320), st.integers(0, 40))),
)
def test_reading_from_anywhere_gives_what_the_file_has_there(
    data: bytes, ends: list[int], moves: list[tuple[int, int]]
) -> None:
    stream, plain = cut(data, ends), io.BytesIO(data)

    for to, size in moves:
        assert stream.seek(to) == plain.seek(to)
        assert stream.read(size) == plain.read(size)
    assert (stream.seek(0), stream.read()) == (0, data)
    assert stream.seek(0, io.SEEK_END) == len(data)


@given(
    texts=st.lists(TEXTS, min_size=1, max_size=6),
    ends=CUTS,
    line_end=st.sampled_from(["\n", "\r\n"]),
    with_mark=st.booleans(),
    with_last_end=st.booleans(),
    as_ascii=st.booleans(),
)
def test_lines_are_the_same_wherever_they_are_cut(
    texts: list[str], ends: list[int], line_end: str, with_mark: bool, with_last_end: bool, as_ascii: bool
) -> None:
    records = [
        json.dumps({"custom_id": f"c{n}", "text": text}, ensure_ascii=as_ascii)
        for n, text in enumerate(texts)
    ]
    data = line_end.join(records) + (line_end if with_last_end else "")
    whole = (codecs.BOM_UTF8 if with_mark else b"") + data.encode()

    assert read(cut(whole, ends)) == [(f"c{n}", text) for n, text in enumerate(texts)]


@given(ids=st.lists(st.integers(0, 5), min_size=1, max_size=12), ends=CUTS)
def test_the_first_of_each_id_is_taken_and_every_later_one_rejected(ids: list[int], ends: list[int]) -> None:
    lines = [json.dumps({"custom_id": f"c{n}", "text": f"text {at}"}) for at, n in enumerate(ids)]

    found = list(read_stream(cut("\n".join(lines).encode(), ends), "body"))

    taken = [one.custom_id for one in found if isinstance(one, SourceDocument)]
    again = [one for one in found if isinstance(one, Rejection)]
    assert taken == [f"c{n}" for n in dict.fromkeys(ids)]
    assert [one.code for one in again] == ["duplicate_custom_id"] * (len(ids) - len(taken))
    for one in again:
        at = int(one.where.rpartition(" ")[2]) - 1
        assert f"body, line {ids.index(ids[at]) + 1};" in one.sentence


@given(data=st.binary(max_size=300), ends=CUTS, name=st.sampled_from(["body", "b.csv", "b.zip", "b.jsonl"]))
def test_no_bytes_raise(data: bytes, ends: list[int], name: str) -> None:
    read(cut(data, ends), name)


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_an_archive_and_a_table_are_read_from_pieces(size: int) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.txt", "The first.")
        archive.writestr("in/two.txt", "Zwei, mit Ä.")

    def pieces(data: bytes) -> io.BufferedReader:
        return cut(data, list(range(0, len(data), size)))

    both = [("one.txt", "The first."), ("in/two.txt", "Zwei, mit Ä.")]
    assert read(pieces(packed.getvalue()), "upload.zip") == both
    assert read(pieces(packed.getvalue()), "no-suffix") == both
    table = 'id;text\n1;"A;\nB"\n2;é\n'.encode()
    assert read(pieces(table), "rows.csv") == [("1", "A;\nB"), ("2", "é")]


def test_one_piece_is_held_and_each_is_fetched_once() -> None:
    asked: list[int] = []

    def fetch(number: int) -> bytes:
        asked.append(number)
        return b"x" * 1_000

    def read_on() -> Iterator[bytes]:
        raw = Pieces([1_000] * 4, fetch)
        while data := raw.read(300):
            yield data

    assert sum(map(len, read_on())) == 4_000 and asked == [0, 1, 2, 3]
