"""A row of JSONL or CSV as a document.

*Shape*: `custom_id` (or `id`): text or a whole number, unique in the submission; `text` (or `document`, or
`content`): text; `name`: optional, for people. Where two spellings are there, the first of these wins.

Other keys are ignored, since data sets carry columns of their own; save those that would be a requirement
(`sensitivity`, `deadline`, …). A requirement holds for the whole submission, and to pass over one on a row would
break what its writer relies on, so such a row is rejected.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping

from producer.sources.custom_ids import flaw_of_custom_id
from producer.sources.places import Flaw, Found, Place, printable
from producer.sources.text import flaw_of_text
from schemas.submission import Rejection, Requirements, SourceDocument

ID_KEYS = ("custom_id", "id")
TEXT_KEYS = ("text", "document", "content")
NAME_KEY = "name"
MAX_NAME_CHARACTERS = 512

_USUAL = frozenset({*ID_KEYS, *TEXT_KEYS, NAME_KEY})
_RESERVED = frozenset(
    {*Requirements.model_fields, "review", "priority", "deadline", "max_cost", "tenant", "tenant_id"}
)


def document_of(record: Mapping[str, object], place: Place, *, encoding: str = "utf-8") -> Found | Rejection:
    """The document of one row. A value of None counts as absent."""
    given = record
    if None in record.values():
        given = {key: value for key, value in record.items() if value is not None}
    custom_id, text, name = _custom_id(given), _text(given), _name(given, place)
    flaw = reserved_keys(given)
    if isinstance(custom_id, str) and isinstance(text, str) and isinstance(name, str) and flaw is None:
        return Found(place, SourceDocument(custom_id, name, text, encoding))
    return place.reject(next(found for found in (flaw, custom_id, text, name) if isinstance(found, Flaw)))


def reserved_keys(keys: Collection[str]) -> Flaw | None:
    """A flaw where a key looks like a requirement of the submission."""
    if _USUAL.issuperset(keys):
        return None
    found = sorted(key for key in keys if key.strip().lower() in _RESERVED)
    if not found:
        return None
    named = ", ".join(printable(key) for key in found)
    return Flaw(
        "unknown_parameter",
        f"{named}: such a rule holds for a whole submission; give it there, and not here.",
    )


def first_of(keys: Iterable[str], names: Container[str]) -> str | None:
    """The first of `keys` that is among `names`."""
    for key in keys:
        if key in names:
            return key
    return None


def _custom_id(record: Mapping[str, object]) -> str | Flaw:
    key = first_of(ID_KEYS, record)
    if key is None:
        return _missing("custom_id")
    value = record[key]
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return _wrong_type(key, value)
    return flaw_of_custom_id(value) or value


def _text(record: Mapping[str, object]) -> str | Flaw:
    key = first_of(TEXT_KEYS, record)
    if key is None:
        return _missing("text")
    value = record[key]
    if not isinstance(value, str):
        return _wrong_type(key, value)
    return flaw_of_text(value, empty_code="empty_text") or value


def _name(record: Mapping[str, object], place: Place) -> str | Flaw:
    value = record.get(NAME_KEY)
    if value is None:
        return place.name
    if not isinstance(value, str):
        return _wrong_type(NAME_KEY, value)
    if len(value) > MAX_NAME_CHARACTERS:
        limit = MAX_NAME_CHARACTERS
        return Flaw("invalid_value", f"The name has {len(value):,} characters; the most is {limit}.")
    return printable(value).strip() or place.name


def _missing(key: str) -> Flaw:
    return Flaw("missing_required_parameter", f"There is no {key!r}; every row needs 'custom_id' and 'text'.")


def _wrong_type(key: str, value: object) -> Flaw:
    kinds = {bool: "true or false", float: "a number with a fraction", list: "a list", dict: "an object"}
    kind = kinds.get(type(value), "a number")
    return Flaw("invalid_type", f"{key!r} is {kind}; it must be text in quotes.")
