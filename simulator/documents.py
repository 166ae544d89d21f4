"""Synthetic documents with known answers: small realistic texts in which clauses were planted.

The same seed gives the same bytes, on every Python: only `random.Random.random` is drawn from, whose sequence
Python promises. Every company and town is invented, and each document says so in its last line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import TypeVar

import orjson

from schemas.errors import UnknownName
from simulator.clauses import CITIES, COMPANIES, KINDS, Kind
from simulator.families import BY_KEY

SHORTEST_CHARACTERS = 600
MOST_PLANTED = 6
ANSWERS_FILE = "answers.jsonl"

_LAST_LINE = "(A synthetic text for tests. Every name in it is invented.)"
_ENGLISH_WEIGHT = 4  # a kind in English is drawn this often for each time it is drawn in another language
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class PlantedFinding:
    """A clause that stands in the document, and that a perfect reviewer finds."""

    family: str
    gravity: float
    quote: str
    start: int
    """Offset in characters: `text[start:start + len(quote)] == quote`."""


@dataclass(frozen=True, slots=True)
class SyntheticDocument:
    name: str
    """A file name, unique within its batch: `contract-en-0003.txt`."""
    kind: str
    language: str
    sensitivity: str
    """What a careful submitter would say: a value of `schemas.sensitivity.Sensitivity`."""
    text: str
    findings: tuple[PlantedFinding, ...]
    """In the order of the document, one per family at most."""


def kinds() -> tuple[str, ...]:
    """The names of the kinds there are."""
    return tuple(dict.fromkeys(kind.kind for kind in KINDS))


def make_documents(
    seed: int, count: int, *, kinds: Sequence[str] | None = None, language: str | None = None
) -> tuple[SyntheticDocument, ...]:
    """`count` documents of 600 to 3,000 characters, of the kinds and the language given, or of any.

    Document `i` of a seed is the same however many are made. Raises `UnknownName` when nothing fits.
    """
    shelf = [k for k in KINDS if (kinds is None or k.kind in kinds) and language in (None, k.language)]
    strange = set(kinds or ()) - {kind.kind for kind in shelf}
    if strange or not shelf:
        raise UnknownName(
            f"No synthetic document is of kind {sorted(strange) or 'any'} in language {language or 'any'!r}.",
        )
    weighted = [kind for kind in shelf for _ in range(_ENGLISH_WEIGHT if kind.language == "en" else 1)]
    # Nothing secret is drawn here, and the same seed must give the same texts.
    randoms = (Random(f"{seed}:{index}") for index in range(count))  # noqa: S311
    return tuple(_make(random, weighted, index) for index, random in enumerate(randoms))


def write_documents(folder: Path, *, seed: int, count: int) -> tuple[Path, ...]:
    """Writes the documents as UTF-8 text files, and `answers.jsonl` beside them; gives the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    documents = make_documents(seed, count)
    for document in documents:
        (folder / document.name).write_bytes(document.text.encode())
    lines = (orjson.dumps({k: v for k, v in asdict(d).items() if k != "text"}) for d in documents)
    (folder / ANSWERS_FILE).write_bytes(b"".join(line + b"\n" for line in lines))
    return tuple(folder / document.name for document in documents)


def _make(random: Random, shelf: Sequence[Kind], index: int) -> SyntheticDocument:
    kind = _one_of(random, shelf)
    blanks = _Blanks(random)
    clauses = _some(random, kind.clauses, 3 + int(random.random() * (MOST_PLANTED - 2)))
    page = _Page(blanks.fill(kind.title), blanks.fill(kind.opening))
    fillers = _some(random, kind.fillers, len(kind.fillers))
    spare = len(fillers) - len(clauses)  # fillers that need not be said twice
    for clause in clauses:
        if spare > 0 and random.random() < 0.5:
            page.add(blanks.fill(_next(fillers)))
            spare -= 1
        page.plant(clause.family, blanks.fill(clause.text), after=blanks.fill(_next(fillers)))
    while len(page.text) < SHORTEST_CHARACTERS - len(_LAST_LINE):
        page.add(blanks.fill(_next(fillers)))
    page.add(_LAST_LINE)
    name = f"{kind.kind}-{kind.language}-{index:04d}.txt"
    return SyntheticDocument(
        name, kind.kind, kind.language, kind.sensitivity, page.text + "\n", tuple(page.findings)
    )


class _Page:
    """A text that grows by paragraphs, and remembers where its clauses were planted."""

    def __init__(self, *paragraphs: str) -> None:
        self.text = "\n\n".join(paragraphs)
        self.findings: list[PlantedFinding] = []

    def add(self, paragraph: str) -> None:
        self.text += f"\n\n{paragraph}"

    def plant(self, family: str, sentence: str, *, after: str) -> None:
        """Adds a paragraph of a filler sentence and the clause."""
        self.add(f"{after} {sentence}")
        start = len(self.text) - len(sentence)
        self.findings.append(PlantedFinding(family, BY_KEY[family].gravity, sentence, start))


class _Blanks:
    """The names that one document uses throughout, and numbers that change with each sentence."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._a, self._b = _some(random, COMPANIES, 2)
        self._city = _one_of(random, CITIES)

    def fill(self, sentence: str) -> str:
        return sentence.format(
            a=self._a,
            b=self._b,
            city=self._city,
            n=_one_of(self._random, (7, 10, 14, 30, 45, 60, 90)),
            y=2 + int(self._random.random() * 6),
            p=1 + int(self._random.random() * 9),
            m=f"{(1 + int(self._random.random() * 99)) * 25_000:,}",
        )


def _one_of(random: Random, items: Sequence[_T]) -> _T:
    return items[int(random.random() * len(items))]


def _some(random: Random, items: Sequence[_T], count: int) -> list[_T]:
    """`count` different items, or all, in random order."""
    left = list(items)
    return [left.pop(int(random.random() * len(left))) for _ in range(min(count, len(left)))]


def _next(fillers: list[str]) -> str:
    """The first filler, which goes to the end of the line."""
    fillers.append(fillers.pop(0))
    return fillers[-1]
