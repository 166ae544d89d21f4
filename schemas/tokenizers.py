"""Families of tokenizers: which are counted exactly, and what one o200k token is in the others. Dated facts.

A catalog's model names its family (`tokenizer: llama3`) instead of a factor of its own. Two families are counted
offline, letter by letter; the factors of the others were measured, and lie above the mean, so that a document that is
said to fit does, and costs no more than is said.

Source: counted on the 60 contracts (3.65 MB, English) of the public set CUAD v1 with each family's own tokenizer as
published with its weights, 2026-11-28: the mean over all text, and the most of a single contract. Claude's tokenizer
is not published; it was counted by an unofficial reconstruction (`ctok` 1.3). Other languages need more, and code too:
then write the factor that was measured, `tokens_per_o200k`, which goes before the family's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Family(NamedTuple):
    per_o200k: float
    """Its tokens for one of o200k. Of families that are counted exactly this never changes: stored catalogs were
    written with it, and it tells whether an operator wrote another."""
    is_exact: bool = False
    """Whether documents are counted in it; the factor then serves instructions and the answer."""
    measured: str = ""
    """Mean, and the most of a single contract."""


FAMILIES: Mapping[str, Family] = {
    "o200k": Family(1.0, is_exact=True, measured="by definition"),
    "cl100k": Family(1.01, is_exact=True, measured="1.009, at most 1.025"),
    "llama3": Family(1.02, measured="1.009, at most 1.024"),
    "qwen": Family(1.05, measured="1.032, at most 1.145"),
    "gemma": Family(1.05, measured="1.028, at most 1.154"),
    "gemini": Family(1.04, measured="1.022, at most 1.154"),
    "mistral": Family(1.10, measured="1.072, at most 1.218; the tokenizer called Tekken"),
    "claude": Family(1.16, measured="1.118, at most 1.192; Claude 3 to 4.6"),
    "claude5": Family(1.70, measured="1.642, at most 1.791; Claude 4.7 and later"),
}

BASE = "o200k"
"""What all counts of features are in."""


def factor(family: str) -> float:
    """Raises `ValueError` with what may be meant."""
    if family not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise ValueError(f"{family!r} is no tokenizer that is known here; there are {known}")
    return FAMILIES[family].per_o200k
