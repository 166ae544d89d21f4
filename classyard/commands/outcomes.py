"""Labelled outcomes from a file: CSV with a header, or JSONL. Every line is right, or the first wrong one is named."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.catalog import Name
from schemas.errors import BadInput
from schemas.ladder import ModelName

FIELDS = ("ladder", "model", "score", "agrees")

Outcome = tuple[str, str, int, bool]
"""Ladder, model, score in millionths, whether it agreed."""

_YES, _NO = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})
_LADDER, _MODEL = TypeAdapter(Name), TypeAdapter(ModelName)


def read(file: Path) -> list[Outcome]:
    """Raises `BadInput`, with file and line."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read as UTF-8 text ({type(error).__name__}).") from error
    rows = _of_csv(text, file) if file.suffix.lower() == ".csv" else _of_jsonl(text, file)
    found = [_outcome(row, f"{file}, line {line}") for line, row in rows]
    if not found:
        raise BadInput(f"{file} holds no outcomes.")
    return found


def _of_csv(text: str, file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(text.splitlines())
    missing = [name for name in FIELDS if name not in (reader.fieldnames or ())]
    if missing:
        raise BadInput(
            f"{file}, line 1: the column {missing[0]!r} is missing; the header has {', '.join(FIELDS)}."
        )
    for row in reader:
        yield reader.line_num, row


def _of_jsonl(text: str, file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{file}, line {number}: it is no JSON.") from error
        if not isinstance(row, dict):
            raise BadInput(f"{file}, line {number}: a line is an object with {', '.join(FIELDS)}.")
        yield number, row


def _outcome(row: Mapping[str, Any], at: str) -> Outcome:
    missing = [name for name in FIELDS if row.get(name) in (None, "")]
    if missing:
        raise BadInput(f"{at}: {missing[0]!r} is missing.")
    try:
        ladder, model = _LADDER.validate_python(row["ladder"]), _MODEL.validate_python(row["model"])
    except ValidationError as error:
        raise BadInput(f"{at}: {error.errors()[0]['msg']}.") from error
    return ladder, model, _score(row["score"], at), _agrees(row["agrees"], at)


def _score(given: Any, at: str) -> int:
    try:
        score = float(given)
    except (TypeError, ValueError):
        score = math.nan
    if isinstance(given, bool) or not 0 <= score <= 1:
        raise BadInput(f"{at}: 'score' must be a number from 0 to 1.")
    return round(score * 1_000_000)


def _agrees(given: Any, at: str) -> bool:
    word = str(given).strip().lower()
    if word not in _YES | _NO:
        raise BadInput(f"{at}: 'agrees' must be true or false.")
    return word in _YES
