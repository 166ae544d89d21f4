"""How a pretend model reviews: it looks for known words, and quotes the sentence they stand in.

One pass of one regular expression over the lower-cased document; a document of 52,000 characters takes about
half a millisecond. Pure: the same document, schema, quality and seed give the same answer. A better profile
never finds less than a weaker one with the same seed: each finding has a difficulty, and `quality` is the
bar.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from simulator.families import BY_KEY, FAMILIES, Family
from simulator.instances import Schema, minimal, resolve

MAX_QUOTE_CHARACTERS = 240
MAX_FINDINGS = 8  # eight full findings stay below 900 tokens, a usual limit of a review's answer

_SENTENCE_END = re.compile(r"[.;:!?]\s+|\n[ \t]*\n")
_BEFORE_A_WORD = "\n\t('\"„“«\u2019"  # what may stand before a keyword in place of a blank
_REVIEW_FIELDS = frozenset({"summary", "findings", "verdict", "confidence"})
_MILDEST_FIRST = (
    ("info", "none", "pass", "ok", "approve", "accept", "acceptable", "clear", "compliant"),
    ("low", "minor", "trivial"),
    ("medium", "moderate", "needs_attention", "needs_changes", "attention", "review", "warn", "warning"),
    ("high", "major", "serious"),
    ("critical", "severe", "unacceptable", "reject", "fail", "non_compliant", "blocker"),
)
_MILDNESS = {word: rank for rank, words in enumerate(_MILDEST_FIRST) for word in words}


class Found(NamedTuple):
    family: Family
    quote: str
    """An exact substring of the document, 240 characters at most."""
    start: int
    """Offset in characters."""


def find(document: str, among: Collection[str] = BY_KEY) -> tuple[Found, ...]:
    """The first sentence of each family among these keys, in order, each sentence once, eight at most."""
    found: list[Found] = []
    families: set[str] = set()
    covered = -1
    for hit in _hits(document):
        key = hit.family.key
        if key in families or hit.start < covered or key not in among:
            continue
        start, end = _sentence_around(document, hit.start)
        families.add(key)
        found.append(Found(hit.family, document[start:end], start))
        covered = end
        if len(found) == MAX_FINDINGS:
            break
    return tuple(found)


def is_review(schema: Schema) -> bool:
    """Whether this is Classyard's review contract: a summary, findings, a verdict and a confidence."""
    properties = schema.get("properties")
    return isinstance(properties, Mapping) and properties.keys() >= _REVIEW_FIELDS


def review(document: str, schema: Schema, *, quality: float, seed: str) -> dict[str, Any]:
    """An answer that keeps the review contract in `schema`, in the words of its enums."""
    items = resolve(resolve(schema["properties"]["findings"], schema).get("items", {}), schema)
    words = _Words.of(schema, items)
    kept = [
        found for found in find(document, words.keys) if quality >= 1 or _difficulty(seed, found) < quality
    ]
    gravest = max((found.family.gravity for found in kept), default=0.0)
    answer = {
        "summary": _summary(document, kept),
        "findings": [_finding(found, words, items, schema) for found in kept],
        "verdict": _on_scale(words.verdicts, gravest),
        "confidence": _confidence(resolve(schema["properties"]["confidence"], schema), quality),
    }
    return _with_the_rest(answer, schema, schema)


def invent_quote(answer: dict[str, Any], document: str) -> dict[str, Any]:
    """The same answer with the first quote made up; an answer without findings stays as it is."""
    findings = answer.get("findings")
    if not findings:
        return answer
    words = findings[0]["quote"].split()
    middle = len(words) // 2
    invented = " ".join(["Notwithstanding", *words[middle:], "unless", *words[:middle]])
    tries = (f"{number}{invented}"[:MAX_QUOTE_CHARACTERS] for number in ("", *range(len(document) + 1)))
    quote = next(text for text in tries if text not in document)
    return {**answer, "findings": [{**findings[0], "quote": quote}, *findings[1:]]}


class _Hit(NamedTuple):
    family: Family
    start: int


class _Words(NamedTuple):
    """The words that the schema allows."""

    severities: tuple[str, ...]
    verdicts: tuple[str, ...]
    ids: tuple[str, ...]

    @classmethod
    def of(cls, schema: Schema, items: Schema) -> _Words:
        inside = items.get("properties", {})
        verdict = resolve(schema["properties"]["verdict"], schema)
        severity, finding_id = resolve(inside.get("severity"), schema), resolve(inside.get("id"), schema)
        return cls(_enum(severity, "medium"), _enum(verdict, "acceptable"), tuple(finding_id.get("enum", ())))

    @property
    def keys(self) -> Collection[str]:
        """The families that the schema has an id for."""
        return _ids(self.ids) if self.ids else BY_KEY

    def id_of(self, family: Family) -> str:
        """The id that a finding of this family carries."""
        return _ids(self.ids)[family.key] if self.ids else family.key


def _enum(schema: Schema, otherwise: str) -> tuple[str, ...]:
    return tuple(schema.get("enum") or (otherwise,))


@lru_cache(maxsize=256)
def _ids(allowed: tuple[str, ...]) -> dict[str, str]:
    """For each family the allowed id that shares most words with it; families without one are left out."""
    best = {key: max(allowed, key=lambda name: _likeness(key, name)) for key in BY_KEY}
    return {key: name for key, name in best.items() if _likeness(key, name) >= 0.3}


def _likeness(left: str, right: str) -> float:
    """Shared word stems over all word stems, 0 to 1."""
    a, b = ({word[:6] for word in re.split(r"[^a-z0-9]+", text.lower()) if word} for text in (left, right))
    return len(a & b) / len(a | b) if a | b else 0.0


def _hits(document: str) -> Iterator[_Hit]:
    """Where known words stand. A blank is put before the text, so each keyword is found after a blank."""
    lowered = document.lower()
    if len(lowered) != len(document):  # a few letters grow in lower case, and would shift the offsets
        lowered = "".join(c.lower() if len(c.lower()) == 1 else c for c in document)
    for mark in _BEFORE_A_WORD:  # on other texts than ASCII ten times faster than `translate`
        lowered = lowered.replace(mark, " ")
    lookup = _lookup()
    for match in lookup.pattern.finditer(" " + lowered):
        yield _Hit(lookup.families[match.group()[1:]], match.start())


class _Lookup(NamedTuple):
    pattern: re.Pattern[str]
    families: dict[str, Family]
    """By keyword."""


@cache
def _lookup() -> _Lookup:
    families = {keyword: family for family in FAMILIES for keyword in family.keywords}
    return _Lookup(re.compile(" " + _trie(sorted(families))), families)


def _trie(words: list[str]) -> str:
    """An alternation that shares beginnings: eight times faster here than one that lists the words."""
    by_letter: dict[str, list[str]] = {}
    for word in words:
        by_letter.setdefault(word[0], []).append(word[1:])
    branches = [
        re.escape(letter) + ("" if "" in rests else _trie(rests) if len(rests) > 1 else re.escape(rests[0]))
        for letter, rests in by_letter.items()
    ]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def _sentence_around(document: str, position: int) -> tuple[int, int]:
    """Start and end of the sentence at `position`, cut to the longest quote with the position inside."""
    floor = max(0, position - MAX_QUOTE_CHARACTERS // 2)
    start = _first_letter(document, floor, position)
    for end in _SENTENCE_END.finditer(document, floor, position):
        start = end.end()
    limit = start + MAX_QUOTE_CHARACTERS
    stop = _SENTENCE_END.search(document, position, limit + 1)
    quote_end = min(limit, len(document)) if stop is None else min(stop.start() + 1, limit)
    return start, start + len(document[start:quote_end].rstrip())


def _first_letter(document: str, floor: int, position: int) -> int:
    """`floor`, or the next beginning of a word when it stands inside one."""
    if floor == 0:
        return position - len(document[:position].lstrip())
    blank = document.find(" ", floor, position)
    return blank + 1 if blank >= 0 else floor


def _difficulty(seed: str, found: Found) -> float:
    data = f"{seed}:{found.family.key}:{found.start}:{found.quote}".encode("utf-8", "replace")
    return int.from_bytes(sha256(data).digest()[:6], "big") / 2**48


def _finding(found: Found, words: _Words, items: Schema, root: Schema) -> dict[str, Any]:
    finding = {
        "id": words.id_of(found.family),
        "severity": _on_scale(words.severities, found.family.gravity),
        "quote": found.quote,
        "explanation": found.family.concern,
    }
    return _with_the_rest(finding, items, root)


def _with_the_rest(answer: dict[str, Any], schema: Schema, root: Schema) -> dict[str, Any]:
    """With what else the schema requires, filled in as briefly as it allows."""
    missing = [key for key in schema.get("required", ()) if key not in answer]
    if not missing:
        return answer
    properties = schema.get("properties", {})
    return answer | {key: minimal(properties.get(key, {}), root=root) for key in missing}


@lru_cache(maxsize=256)
def _scale(words: tuple[str, ...]) -> tuple[str, ...]:
    """From the mildest to the gravest word; words that are not known to be either are left out."""
    known = sorted((w for w in words if str(w).lower() in _MILDNESS), key=lambda w: _MILDNESS[w.lower()])
    return tuple(known) or words


def _on_scale(words: tuple[str, ...], gravity: float) -> str:
    scale = _scale(words)
    return scale[round(gravity * (len(scale) - 1))]


def _confidence(schema: Schema, quality: float) -> Any:
    if "enum" in schema or schema.get("type") == "string":
        return minimal(schema)
    low, high = schema.get("minimum", 0), schema.get("maximum", 1)
    confidence = low + (high - low) * (0.5 + 0.45 * quality)
    return round(confidence) if schema.get("type") == "integer" else round(confidence, 3)


def _summary(document: str, kept: list[Found]) -> str:
    if not document.strip():
        return "Simulated review: there is no document in the request."
    about = ", ".join(found.family.key.replace("-", " ") for found in kept) or "nothing known"
    return f"Simulated review of {len(document)} characters; found: {about}."
