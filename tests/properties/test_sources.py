"""Laws of the sources: what was written comes back, whole, once, and however the bytes arrive."""

# ruff: noqa: RUF001 - sentences in many scripts

from __future__ import annotations

import csv
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.durations import MAX_SECONDS, format_duration, parse_duration
from producer.exports import ExportFormat, export, safe_cell
from producer.money import MAX_DOLLARS, MICROS, format_usd, parse_usd
from producer.sources import read_all
from producer.sources.archive import read_archive, safe_name
from producer.sources.csv_rows import read_csv
from producer.sources.custom_ids import CustomIds, _Table, derive, flaw_of_custom_id
from producer.sources.jsonl import Line, lines, read_jsonl
from producer.sources.legacy import guess
from producer.sources.places import Flaw, Found, Place, printable
from producer.sources.text import Decoded, decode
from schemas.submission import MAX_CUSTOM_ID_CHARACTERS, Rejection, SourceDocument

storable = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\0")
texts = st.text(st.one_of(storable, st.sampled_from('\n\r\t"\\,;\ufeff\u2028é𝄞'))).filter(
    lambda text: text.strip()
)
ids = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=40)
documents = st.dictionaries(ids, texts, max_size=8).map(lambda found: list(found.items()))


class Trickle(io.RawIOBase):
    """Bytes that arrive in pieces of the given lengths, over and over."""

    def __init__(self, data: bytes, lengths: list[int]) -> None:
        self._data = data
        self._lengths = lengths
        self._turn = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = min(len(buffer), self._lengths[self._turn % len(self._lengths)])
        self._turn += 1
        piece, self._data = self._data[:size], self._data[size:]
        buffer[: len(piece)] = piece
        return len(piece)


pieces = st.lists(st.integers(1, 7), min_size=1, max_size=5)


def trickle(data: bytes, lengths: list[int]) -> io.BufferedReader:
    return io.BufferedReader(Trickle(data, lengths), buffer_size=8)


def pairs(found: Iterator[Found | Rejection]) -> list[tuple[str, str]]:
    return [(item.document.custom_id, item.document.text) for item in found if isinstance(item, Found)]


@given(documents, pieces, st.booleans(), st.booleans(), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_jsonl_comes_back_as_written_wherever_the_bytes_are_cut(
    docs, lengths, ascii, bom, newline, last
) -> None:
    written = [json.dumps({"custom_id": i, "text": text}, ensure_ascii=ascii) for i, text in docs]
    data = newline.join(written).encode() + (newline.encode() if last else b"")

    found = pairs(read_jsonl(trickle((b"\xef\xbb\xbf" if bom else b"") + data, lengths), "a.jsonl"))

    assert found == docs


@given(documents, pieces, st.sampled_from(",;\t"), st.booleans())
def test_csv_comes_back_as_written_with_quotes_and_line_ends_in_cells(docs, lengths, delimiter, bom) -> None:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows([("id", "text"), *docs])
    data = (b"\xef\xbb\xbf" if bom else b"") + stream.getvalue().encode()

    assert pairs(read_csv(trickle(data, lengths), "a.csv")) == docs


@given(documents, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_an_archive_gives_its_members_in_order(docs, method) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for number, (_, text) in enumerate(docs):
            archive.writestr(f"{number}.txt", "a" + text)
    packed.seek(0)

    found = pairs(read_archive(packed, "a.zip", lambda skipped: None))  # type: ignore[arg-type]

    assert found == [(f"{number}.txt", "a" + text) for number, (_, text) in enumerate(docs)]


@given(st.binary(max_size=400), st.integers(0, 400), st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_archive_never_raises(junk, cut, at, value) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"some text " * 20)
        archive.writestr("b.txt", junk)
    data = bytearray(packed.getvalue())
    data[at % len(data)] = value
    del data[max(1, len(data) - cut % 40) :]

    found = list(read_archive(io.BytesIO(bytes(data)), "a.zip", lambda skipped: None))  # type: ignore[arg-type]

    assert found


@given(st.binary(max_size=300), pieces)
def test_any_bytes_as_rows_give_items_and_never_raise(data, lengths) -> None:
    for read in (read_jsonl, read_csv):
        found = list(read(trickle(data, lengths), "a"))

        assert found
        assert all(isinstance(item, (Found, Rejection)) for item in found)


@given(st.lists(st.binary(max_size=30)), pieces, st.integers(1, 12))
def test_lines_are_split_at_lf_and_the_long_ones_dropped(rows, lengths, limit) -> None:
    data = b"\n".join(rows)
    expected = [
        line.removeprefix(b"\xef\xbb\xbf") if not n else line for n, line in enumerate(data.split(b"\n"))
    ]

    found = list(lines(trickle(data, lengths), limit))

    for line in found:
        whole = expected[line.number - 1]
        assert line == Line(line.number, None) or (line.data or b"").rstrip(b"\n") == whole.rstrip(b"\n")
    assert all(len(line.data or b"") <= limit + 1 for line in found)
    assert len(found) in (len(expected), len(expected) - 1)  # nothing follows a last line end


@given(texts, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_text_comes_back_from_every_unicode_encoding(text, encoding) -> None:
    text = text.removeprefix("\ufeff")  # at the front, that is a mark and no character
    decoded = decode(("A" + text).encode(encoding))

    assert decoded == Decoded("A" + text, encoding.removesuffix("-sig"))


@given(st.binary(max_size=2000))
def test_decoding_never_raises_and_what_it_gives_can_be_stored(data) -> None:
    decoded = decode(data)

    if isinstance(decoded, Decoded):
        assert "\0" not in decoded.text
        assert decoded.text.strip()
        assert decoded.text.encode("utf-8")


@given(st.binary(min_size=1, max_size=300).filter(lambda data: b"\0" not in data))
def test_a_guess_changes_no_byte(data) -> None:
    """The reading of a guess, written again in the same encoding, is the same file."""
    found = guess(data)

    if not isinstance(found, Flaw):
        text, encoding = found
        assert data.decode(encoding) == text
        if encoding not in (
            "cp932",
            "euc_jp",
            "gb18030",
            "big5",
            "cp949",
        ):  # these write some signs in two ways
            assert text.encode(encoding) == data


@given(st.text(st.characters(exclude_characters="/")))
def test_a_derived_id_is_always_a_valid_id(path) -> None:
    assert not path.strip() or flaw_of_custom_id(derive(path)) is None


@given(st.text(min_size=MAX_CUSTOM_ID_CHARACTERS), st.text(min_size=1))
def test_long_paths_stay_apart(path, other) -> None:
    assert derive(path + other) != derive(other + path) or printable(path + other) == printable(other + path)


@given(st.text())
def test_a_printable_name_stays_as_it_is(name) -> None:
    assert printable(printable(name)) == printable(name)
    printable(name).encode("utf-8")  # would raise


@given(st.text(st.sampled_from("ab./\\:C "), max_size=20))
def test_a_members_name_never_leads_out(name) -> None:
    safe = safe_name(zipfile.ZipInfo(name or "x"))

    assert not safe.startswith("/")
    assert ".." not in safe.split("/")
    assert "\\" not in safe


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 2**20))))
def test_the_first_place_of_an_id_is_told_to_all_later_ones(claims) -> None:
    book, first = CustomIds(), {}
    for custom_id, line in claims:
        place = Place("a.jsonl", line=line)
        assert book.claim(custom_id, place) == first.get(custom_id)
        first.setdefault(custom_id, place)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), max_size=120))
def test_a_table_of_digests_tells_what_a_dict_would(digests) -> None:
    """Many share a slot, and the table grows on the way."""
    table, plain = _Table(), {}
    for number, (high, low) in enumerate(digests, start=1):
        assert table.claim(high, low, number) == plain.get((high, low))
        plain.setdefault((high, low), number)


@given(st.lists(st.tuples(ids, texts)))
def test_every_line_is_a_document_or_a_rejection_and_ids_are_unique(docs) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.jsonl")
        path.write_text("".join(json.dumps({"id": i, "text": text}) + "\n" for i, text in docs))

        found = list(read_all([path]))

    accepted = [item for item in found if isinstance(item, SourceDocument)]
    assert len(found) == max(1, len(docs))
    assert {item.custom_id for item in accepted} == {i for i, _ in docs}
    assert len(accepted) == len({i for i, _ in docs})


@given(st.integers(1, MAX_SECONDS))
def test_a_duration_written_is_read_as_the_same(seconds) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(0, MAX_DOLLARS * MICROS))
def test_an_amount_written_is_read_as_the_same(micros) -> None:
    assert parse_usd(format_usd(micros)) == micros


cells = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(storable), st.lists(st.text(storable))
)


@given(st.lists(st.fixed_dictionaries({"a": cells, "b": cells})))
def test_exported_jsonl_is_read_as_the_same_rows(rows) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out.jsonl")
        count = export(iter(rows), path, columns=["a", "b"], form=ExportFormat.JSONL)

        assert [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] == rows
    assert count == len(rows)


@given(st.lists(st.fixed_dictionaries({"a": cells, "b": cells})))
def test_exported_csv_has_no_cell_that_runs(rows) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out.csv")
        count = export(iter(rows), path, columns=["a", "b"], form=ExportFormat.CSV)
        with path.open(newline="") as stream:
            header, *found = csv.reader(stream)

    assert header == ["a", "b"]
    assert count == len(found) == len(rows)
    for row, written in zip(rows, found, strict=True):
        values = [row["a"], row["b"]]
        assert written == ["" if safe_cell(value) is None else str(safe_cell(value)) for value in values]
        for cell, value in zip(written, values, strict=True):
            assert isinstance(value, int) or not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("encoding", ["cp1252", "cp1250", "cp1251", "koi8_r", "cp932", "gb18030", "cp949"])
@given(data=st.data())
def test_a_wrong_guess_is_never_made_of_real_sentences(encoding, data) -> None:
    """Sentences of contracts in many languages: read rightly, or the owner is asked; never read as something else."""
    text = " ".join(data.draw(st.lists(st.sampled_from(SENTENCES[encoding]), min_size=1, max_size=5)))

    found = guess(text.encode(encoding))

    assert isinstance(found, Flaw) or found[0] == text


SENTENCES = {
    "cp1252": [
        "The “Company” shall pay the Supplier’s fees — within thirty days — of the invoice.",
        "The rent is £500 per month, under § 5 of the Act, and € 20 for the keys.",
        "Le présent contrat est conclu entre les parties désignées ci-après, à l'exception des créances échues.",
        "El presente contrato se celebra entre las partes. ¿Año? ¡Sí! Acción, niño.",
        "O presente contrato não é válido até à assinatura pelas partes; obrigações e condições.",
        "Der Käufer verpflichtet sich, die Ware gemäß den Bedingungen für Lieferung zu übernehmen.",
        "Il presente contratto è stipulato tra le parti; la validità è perché più.",
    ],
    "cp1250": [
        "Umowa została zawarta pomiędzy stronami, które zobowiązują się do świadczenia usług zgodnie z ustawą.",
        "Tato smlouva se uzavírá mezi stranami a nabývá účinnosti dnem podpisu. Žluťoučký kůň úpěl.",
        "A szerződés a felek között jön létre, és az aláírás napján lép hatályba. Hűtő.",
        "Signed by Paweł in the city.",
    ],
    "cp1251": ["Настоящий договор заключён между сторонами.", "Он вступает в силу с момента его подписания."],
    "koi8_r": ["Настоящий договор заключён между сторонами.", "Он вступает в силу с момента его подписания."],
    "cp932": ["本契約は、甲と乙の間で締結され、署名の日から効力を生じるものとする。"],
    "gb18030": ["本合同由双方签署，自签署之日起生效。", "任何一方不得单方面解除合同。"],
    "cp949": ["본 계약은 당사자 간에 체결되며 서명일로부터 효력이 발생한다."],
}
