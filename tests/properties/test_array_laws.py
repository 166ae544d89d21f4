"""An array that is cut as its bytes come: whatever they are cut into, it is what a JSON reader makes of the whole."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from producer.api.arrays import Element, Member, NotJson, Splitter

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | TEXT
    | st.sampled_from(['"', "\\", '\\"', "]}"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
NAMES = TEXT.filter(lambda name: name != "requests")
BODIES = st.tuples(
    st.dictionaries(NAMES, VALUES, max_size=3),
    st.lists(VALUES, max_size=6),
    st.dictionaries(NAMES, VALUES, max_size=3),
).map(lambda parts: {**parts[0], "requests": parts[1], **parts[2]})


def split(pieces: Iterable[bytes], *, element_bytes: int = 10_000) -> list[Member | Element]:
    splitter = Splitter("requests", element_bytes=element_bytes, member_bytes=10_000)
    found = [one for piece in pieces for one in splitter.feed(piece)]
    return found + list(splitter.finish())


def read(pieces: Iterable[bytes]) -> dict[str, Any] | None:
    """The object; None where it is none."""
    try:
        found = split(pieces)
        whole: dict[str, Any] = {"requests": []}
        for one in found:
            assert one.value is not None
            if isinstance(one, Element):
                assert one.index == len(whole["requests"])
                whole["requests"].append(orjson.loads(one.value))
            else:
                whole[one.name] = orjson.loads(one.value)
    except (NotJson, orjson.JSONDecodeError):
        return None
    return whole


def pieces_of(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


@given(
    body=BODIES,
    cuts=st.lists(st.integers(0, 10_000), max_size=12),
    indent=st.sampled_from([None, 0, 2]),
    is_ascii=st.booleans(),
    with_mark=st.booleans(),
)
def test_it_is_the_same_wherever_it_is_cut(
    body: dict[str, Any], cuts: list[int], indent: int | None, is_ascii: bool, with_mark: bool
) -> None:
    data = json.dumps(body, indent=indent, ensure_ascii=is_ascii).encode()
    data = (codecs.BOM_UTF8 if with_mark else b"") + data

    assert read(pieces_of(data, cuts)) == body
    assert read(data[at : at + 1] for at in range(len(data))) == body


@given(
    body=BODIES,
    changes=st.lists(
        st.tuples(st.integers(0, 10_000), st.sampled_from(list('{}[]",:\\ 1nt\n\x00\xff'))), max_size=3
    ),
    cuts=st.lists(st.integers(0, 10_000), max_size=4),
    is_put_in=st.booleans(),
)
@example({"requests": [1]}, [(14, ",")], [], True)
@example({"requests": [[]]}, [(15, "}")], [], False)
def test_it_takes_what_a_json_reader_takes_and_nothing_else(
    body: dict[str, Any], changes: list[tuple[int, str]], cuts: list[int], is_put_in: bool
) -> None:
    data = bytearray(json.dumps(body).encode())
    for place, byte in changes:
        at = place % len(data)
        data[at : at if is_put_in else at + 1] = byte.encode("latin-1")
    try:
        expected = orjson.loads(data)
    except orjson.JSONDecodeError:
        expected = None
    if isinstance(expected, dict) and isinstance(expected.get("requests"), list):
        pairs = json.loads(data.decode(), object_pairs_hook=lambda found: [name for name, _ in found])
        assume(pairs.count("requests") == 1)  # twice is an error here, and taken by JSON readers
    else:
        expected = None

    assert read(pieces_of(bytes(data), cuts)) == expected


@given(data=st.binary(max_size=60), cuts=st.lists(st.integers(0, 60), max_size=3))
def test_no_bytes_raise_anything_else(data: bytes, cuts: list[int]) -> None:
    assert read(pieces_of(data, cuts)) is None or orjson.loads(data.removeprefix(codecs.BOM_UTF8))


@given(length=st.integers(0, 60), cuts=st.lists(st.integers(0, 100), max_size=4))
def test_an_element_above_the_limit_is_passed_over_and_the_next_one_is_whole(
    length: int, cuts: list[int]
) -> None:
    data = b'{"requests": ["' + b"x" * length + b'", 2]}'

    first, last = split(pieces_of(data, cuts), element_bytes=20)

    assert last == Element(1, b"2")
    assert first == Element(0, b'"' + b"x" * length + b'"' if length <= 18 else None)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "cut short"),
        (b"[]", "an object was expected"),
        (b'{"requests": {}}', "an array of 'requests'"),
        (b'{"requests": []', "cut short"),
        (b'{"requests": []} x', "nothing more"),
        (b'{"other": []}', "no 'requests'"),
        (b'{"requests": [1], "requests": []}', "twice"),
        (b'{"requests": [1 2]}', "after 1 of the 'requests'"),
        (b'{"requests": [1,]}', "value is missing"),
        (b'{"a": "' + b"x" * 10_001 + b'", "requests": []}', "longer than 10,000"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, sentence: str) -> None:
    with pytest.raises(NotJson, match=sentence):
        split([data])


def test_what_is_deeper_than_a_reader_goes_is_an_error_and_no_crash() -> None:
    deep = b'{"requests": [' + b"[" * 4_000 + b"]" * 4_000 + b"]}"

    assert read([deep]) is None
