"""The outcome tables a routing benchmark learns from and is measured on: who was right about what, at which cost.

Any folder laid out like `CLASSYARD_DATA` will do, with other questions, other domains and other models.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
TWO_MODELS = "routing/routellm_mmlu.csv.gz"
MANY_MODELS = "routing/routerbench_subset.csv.gz"
MANY_ANSWERS = "routing/routerbench_subset_answers.csv.gz"
COST = "|total_cost"
LONGEST_FIELD = 10_000_000

Floats = NDArray[np.float64]
Indexes = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pair:
    """Questions that a weak and a strong model answered."""

    prompts: list[str]
    domains: NDArray[np.str_]
    weak: Floats
    """1 where the weak model was right, 0 where not."""
    strong: Floats

    def __len__(self) -> int:
        return len(self.prompts)


@dataclass(frozen=True, slots=True)
class Field:
    """Questions that every one of several models answered."""

    prompts: list[str]
    domains: NDArray[np.str_]
    models: list[str]
    scores: Floats
    """Of each question (row) and model (column), 0..1."""
    costs: Floats
    """Likewise, in dollars for a thousand such questions."""
    answers: list[list[str] | None]
    """What each model chose, where the question has choices."""

    def __len__(self) -> int:
        return len(self.prompts)


def data_folder(named: str | None = None) -> Path:
    return Path(named or os.environ.get("CLASSYARD_DATA") or ROOT.parent / "shared" / "data")


def missing(folder: Path, *names: str) -> list[str]:
    return [name for name in names if not (folder / name).is_file()]


def read_pair(folder: Path) -> Pair:
    rows = list(_rows(folder / TWO_MODELS))
    return Pair(
        prompts=[row["prompt"] for row in rows],
        domains=np.array([row["domain"] for row in rows], dtype=np.str_),
        weak=np.array([_right(row["weak_correct"]) for row in rows]),
        strong=np.array([_right(row["strong_correct"]) for row in rows]),
    )


def read_field(folder: Path) -> Field:
    """Questions with a gap in a score or a cost are left out."""
    rows = list(_rows(folder / MANY_MODELS))
    models = [name.removesuffix(COST) for name in (rows[0] if rows else {}) if name.endswith(COST)]
    whole = [row for row in rows if all(row[name] and row[name + COST] for name in models)]
    chosen = {row["sample_id"]: row for row in _rows(folder / MANY_ANSWERS)}
    return Field(
        prompts=[row["prompt"] for row in whole],
        domains=np.array([row["eval_name"] for row in whole], dtype=np.str_),
        models=models,
        scores=np.array([[float(row[name]) for name in models] for row in whole]),
        costs=1000 * np.array([[float(row[name + COST]) for name in models] for row in whole]),
        answers=[_choices(chosen.get(row["sample_id"]), models) for row in whole],
    )


def split(cases: int, learned_from: int, seed: int) -> tuple[Indexes, Indexes]:
    """Two parts without a case in common: the one to learn from, and the one to be measured on."""
    order = np.random.default_rng(seed).permutation(cases)
    return order[:learned_from], order[learned_from:]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    csv.field_size_limit(LONGEST_FIELD)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def _right(text: str) -> float:
    return 1.0 if text.strip().lower() in ("true", "1", "1.0") else 0.0


def _choices(row: Mapping[str, str] | None, models: list[str]) -> list[str] | None:
    return [row.get(name, "") for name in models] if row else None
