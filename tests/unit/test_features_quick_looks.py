"""What is looked at before a pattern never hides what the pattern would have found."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.guardrails import markings, personal_numbers
from router_worker.features import kind, structure

SPACES = ["   ", "    ", "\t", "|", " ", "\n", "\u00a0", "--------", "=+= -- =="]
BEGINNINGS = [
    *(
        "Section 4",
        "\u017fection 4",
        "Kapitel IX",
        "artículo 3",
        "§ 12",
        "#### x",
        "1.2.3 Ab",
        "XI. A",
        "anlage b",
    ),
    *(
        "(iv) x",
        "a) b",
        "12)  c",
        "- d",
        "• e",
        "\u2013 f",
        "page 12",
        "- 7 -",
        "PÁGINA 1234 -",
        "12",
        "seite 3",
    ),
    *("for x in y:", "import os", "return it", "#include <a>", "elif b:", "x = {", "Jan 12 10:00:00 host"),
    *(
        "2026-11-28 10:00 x",
        "10:00:00",
        "ERROR x",
        "TRACE y",
        "[INFO] x",
        "٣٣:٣٣:٣٣",
        "From: a",
        "objet:\t",
        "À: b",
        "to:\n",
        "onderwerp: c",
        "Betreff: d",
        "de: an: e",
    ),
]
TITLES = [
    *(
        "agreement",
        "contract",
        "vertrag",
        "contrat",
        "contrato",
        "contratto",
        "overeenkomst",
        "memo",
        "memorandum",
    ),
    *(
        "dear ",
        "from:",
        "to:",
        "sehr geehrte",
        "aktennotiz",
        "policy",
        "privacy notice",
        "datenschutzerklärung",
    ),
    *(
        "datenschutzhinweise",
        "richtlinie",
        "politique de",
        "política de",
        "code of conduct",
        "report",
        "bericht",
    ),
    *("rapport", "informe"),
]
NUMBERS = [
    "DE89 3704 0044",
    "A12",
    "AB1",
    "12",
    "1 2 (3)",
    "+49 30 1234567",
    "٣٤٥ ٦٧٨ ٩",
    "B٣٤",
    "10.1.2.3",
]
MARKS = [
    "Confidential",
    "Page 3 of 10",
    "Seite ٣",
    "Classification: ",
    "Security = ",
    " - ",
    " \u2014 ",
    "(",
    "|",
    "·",
]


def pieces(*known: str) -> st.SearchStrategy[str]:
    parts = st.one_of(
        st.sampled_from(known), st.text(max_size=4), st.sampled_from(["word", "The", "\n", ". ", "é"])
    )
    return st.lists(parts, max_size=14).map("".join)


def a_line(*known: str) -> st.SearchStrategy[str]:
    return pieces(*known).map(lambda text: " ".join(text.splitlines()).strip())


_ROW = re.compile(r"[^|]*\|[^|]*\||[^\t]*\t[^\t]+\t|\S.{0,60}\S {3,}\S.{0,60}\S {3,}\S")
_TURN, _RUN = re.compile(r"[A-Z]\d\d"), re.compile(r"\d[\d ().+/-]{5,}")


@given(a_line(*SPACES, "a", "b"))
def test_a_row_is_what_its_pattern_says(line: str) -> None:
    assert structure._is_row(line) == bool(_ROW.match(line))


@pytest.mark.parametrize("line", BEGINNINGS)
def test_a_line_of_a_form_is_not_passed_over(line: str) -> None:
    check_line(line.strip())


@given(st.sampled_from(["", *BEGINNINGS]), a_line(*BEGINNINGS, *SPACES))
def test_a_longer_line_of_a_form_is_not_passed_over(beginning: str, rest: str) -> None:
    check_line((beginning + rest).strip())


def check_line(line: str) -> None:
    if not line:
        return
    assert structure._may_be_numbered(line) or not structure._HEADING.match(line)
    assert structure._may_be_item(line) or not structure._ITEM.match(line)
    assert len(line) <= structure.LONGEST_PAGE or not structure._PAGE_NUMBER.fullmatch(line)
    assert line[0] in kind._CODE_BEGINS or not kind._CODE.match(line)
    assert kind._may_be_logged(line) or not kind._LOG.match(line)


@given(st.lists(st.one_of(st.sampled_from(BEGINNINGS), pieces(": ", "to", "de:")), max_size=8).map("\n".join))
def test_lines_of_a_letters_head_are_all_counted(text: str) -> None:
    assert kind._letter_lines(text) == sum(1 for _ in kind._HEAD.finditer(text))


@pytest.mark.parametrize("text", TITLES)
def test_a_title_is_not_passed_over(text: str) -> None:
    assert titled(text) <= hinted(text) != set()


@given(pieces(*TITLES, " ", "\n"))
def test_titles_are_not_passed_over(text: str) -> None:
    assert titled(text) <= hinted(text)


def titled(text: str) -> set[str]:
    return {each for each, title in kind._TITLES.items() if title.search(text)}


def hinted(text: str) -> set[str]:
    return {kind._TITLED[word] for word in kind._TITLE_FINDER.held(text)}


@given(pieces(*NUMBERS, " ", "(", "-"))
def test_turns_and_runs_of_numbers_are_those_of_a_pattern_each(text: str) -> None:
    turns, runs = personal_numbers._turns_and_runs(text)

    assert turns == [one.start() for one in _TURN.finditer(text)]
    assert [end for _, end in runs] == [min(one.end() + 5, len(text)) for one in _RUN.finditer(text)]
    assert [start for start, _ in runs] == [
        personal_numbers._whole(text, one.start()) for one in _RUN.finditer(text)
    ]


@given(a_line(*MARKS, *SPACES))
def test_what_sets_a_marking_apart_is_not_passed_over(line: str) -> None:
    assert markings._MAY_PART.search(line) or not markings._APART.search(line)
    assert markings._DIGIT.search(line) or not markings._PAGE.search(line)
    assert markings._unlabelled(line) == markings._LABEL.sub("", line, count=1)


@given(pieces(*BEGINNINGS, *SPACES, ". ", "?\n", "! ", "\n\n\n", "\u3002", "1", "٣", "\x1c", "\u2003"))
def test_figures_are_those_of_one_count_each(text: str) -> None:
    ends = (". ", ".\n", "? ", "?\n", "! ", "!\n", "\u3002", "\uff01", "\uff1f", "\n\n")
    built = structure.structure(text)
    filled = len(text) - sum(map(text.count, " \n\t\r"))

    assert built.words == len(text.split())
    assert built.sentence_words == round(len(text.split()) / (1 + sum(map(text.count, ends))))
    assert built.digit_permille == round(1000 * sum(map(text.count, "0123456789")) / max(1, filled))
