"""Bytes to text: what is read, what is refused, and in which words."""

# ruff: noqa: RUF001 - sentences in many scripts

from __future__ import annotations

import random

import pytest

from producer.sources.legacy import SAMPLE_BYTES
from producer.sources.places import Flaw, printable
from producer.sources.text import Decoded, decode, flaw_of_text
from schemas.submission import MAX_DOCUMENT_BYTES


@pytest.mark.parametrize(
    ("data", "code", "word"),
    [
        (b"", "empty_file", "empty"),
        (b" \r\n\t\x0c", "empty_file", "white space"),
        (b"\xef\xbb\xbf", "empty_file", "empty"),
        (b"\xef\xbb\xbf \n", "empty_file", "white space"),
        (b"some\0text", "not_text", "binary"),
        ("text".encode("utf-16-le"), "not_text", "UTF-16 without a byte-order mark"),
        (b"%PDF-1.7\n1 0 obj", "not_text", "a PDF file"),
        (b"PK\x03\x04\x14\x00", "not_text", "a ZIP archive"),
        (b"\x89PNG\r\n\x1a\n", "not_text", "a picture"),
        ("a\0b".encode("utf-16"), "not_text", "NUL (U+0000)"),
        (b"\xff\xfea", "undecodable", "UTF-16"),
        (b"\xff\xfe\x00\xd8a\x00", "undecodable", "UTF-16"),
        (b"\xef\xbb\xbfcaf\xe9", "undecodable", "UTF-8"),
        (b"\x01\x02\x03\x04 text", "not_text", "control characters"),
        (b"a" * (MAX_DOCUMENT_BYTES + 1), "too_large", "20,971,521"),
    ],
)
def test_what_is_no_text_is_refused_with_a_reason(data: bytes, code: str, word: str) -> None:
    flaw = decode(data)

    assert isinstance(flaw, Flaw)
    assert flaw.code == code
    assert word in flaw.sentence
    assert flaw.sentence.endswith(".")


def test_the_largest_document_is_read() -> None:
    decoded = decode(b"a" * MAX_DOCUMENT_BYTES)

    assert isinstance(decoded, Decoded)
    assert len(decoded.text) == MAX_DOCUMENT_BYTES


def test_a_text_that_grows_beyond_the_limit_in_utf8_is_too_large() -> None:
    data = ("文" * (MAX_DOCUMENT_BYTES // 3 + 1)).encode("utf-16")

    flaw = decode(data)

    assert len(data) < MAX_DOCUMENT_BYTES
    assert isinstance(flaw, Flaw)
    assert flaw.code == "too_large"


def test_random_bytes_are_no_text() -> None:
    source = random.Random(7)
    for size in (20, 300, 5000):
        data = bytes(source.randrange(1, 256) for _ in range(size))

        assert isinstance(decode(data), Flaw)


@pytest.mark.parametrize(
    ("text", "written", "read"),
    [
        ("The “Company” shall pay the Supplier’s fees. ", "cp1252", "cp1252"),
        ("Le présent contrat, conclu à Paris, est signé. ", "latin-1", "cp1252"),
        ("Umowa została zawarta pomiędzy stronami, które zobowiązują się. ", "cp1250", "cp1250"),
        ("Настоящий договор вступает в силу с момента подписания. ", "cp1251", "cp1251"),
        ("本契約は、甲と乙の間で締結され、署名の日から効力を生じるものとする。", "shift_jis", "cp932"),
    ],
)
def test_older_encodings_are_read_where_one_reading_stands_alone(text: str, written: str, read: str) -> None:
    assert decode((text * 3).encode(written)) == Decoded(text * 3, read)


def test_a_guess_that_does_not_stand_alone_asks_the_owner() -> None:
    """Paweł in cp1250 is Pawe³ in cp1252: nothing in the file says which."""
    flaw = decode("Signed by Paweł in the city.".encode("cp1250"))

    assert isinstance(flaw, Flaw)
    assert flaw.code == "undecodable"
    assert "cp1252" in flaw.sentence
    assert "cp1250" in flaw.sentence
    assert "save it as UTF-8" in flaw.sentence


def test_a_long_text_is_guessed_by_its_lines_that_are_not_ascii() -> None:
    text = "All of this is plain.\n" * (SAMPLE_BYTES // 10) + "Der Käufer übernimmt die Ware gemäß Vertrag.\n"

    assert decode(text.encode("cp1252")) == Decoded(text, "cp1252")


def test_a_byte_that_does_not_fit_the_guess_is_named() -> None:
    flaw = decode("Настоящий договор вступает в силу. ".encode("cp1251") * 10 + b"\x98")

    assert isinstance(flaw, Flaw)
    assert flaw.code == "undecodable"


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "", "\u2003"])
def test_text_that_cannot_be_stored_is_refused(text: str) -> None:
    assert flaw_of_text(text) is not None


def test_names_are_shown_without_what_repaints_a_screen() -> None:
    assert printable("a\x1b[2Jb\nc.txt") == "a\\x1b[2Jb\\x0ac.txt"
    assert printable("caf\udce9.txt") == "caf\\xe9.txt"
    assert printable("gpj\u202etxt") == "gpj\\x202etxt"
    assert printable("Größe 文.txt") == "Größe 文.txt"
