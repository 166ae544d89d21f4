"""What a question says of how it will be answered: ridge regression on hashed words, on letters, and on its domain.

Ridge in its dual form: predictions are weighted sums of the likeness to the labelled questions. The likeness is the
cosine of TF-IDF vectors, half of words and pairs of words, half of runs of four letters, plus a constant for the same
domain, which makes the domain table a special case. How much the domain counts and how much is smoothed is chosen on
the labelled questions alone, by their leave-one-out error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from benchmarks.routing.data import Floats, Indexes

BINS = 4096  # of each of the two kinds; twice as many changed nothing
RUN = 4  # letters
DOMAIN_WEIGHTS = (0.1, 0.3, 0.5)
SMOOTHING = (8.0, 16.0, 32.0)
WORD = re.compile(r"\w+")

Counts = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Texts:
    """Prompts, counted once; weighed anew for every part that is learned from."""

    words: Counts
    letters: Counts
    domains: NDArray[np.str_]


def read_texts(prompts: Sequence[str], domains: NDArray[np.str_]) -> Texts:
    return Texts(_counted(prompts, _words), _counted(prompts, _letters), domains)


def predict(texts: Texts, labelled: Indexes, targets: Floats) -> Floats:
    """Expected target of every question, by target columns, learned from the labelled ones alone.

    `targets`: labelled questions × targets. *Shape*: questions × targets."""
    likeness = _likeness(texts, labelled)
    same = (texts.domains[:, None] == texts.domains[labelled][None, :]).astype(np.float64)
    weight, smooth = _best(likeness[labelled], same[labelled], targets)
    kernel, middle = likeness + weight * same, targets.mean(axis=0)
    system = kernel[labelled] + smooth * np.eye(len(labelled))
    predicted: Floats = kernel @ np.linalg.solve(system, targets - middle) + middle
    return predicted


def domain_means(domains: NDArray[np.str_], labelled: Indexes, target: Floats, pull: float = 20.0) -> Floats:
    """The domain table: the mean target of the labelled questions of a domain, pulled to the mean of all."""
    whole = float(target.mean())
    table = {}
    for name in np.unique(domains[labelled]):
        of_domain = target[domains[labelled] == name]
        table[name] = (of_domain.sum() + pull * whole) / (len(of_domain) + pull)
    return np.array([table.get(name, whole) for name in domains])


def _likeness(texts: Texts, labelled: Indexes) -> Floats:
    parts = [_weighed(counts, labelled) for counts in (texts.words, texts.letters)]
    return sum(part @ part[labelled].T for part in parts).astype(np.float64) / len(parts)  # type: ignore[union-attr]


def _weighed(counts: Counts, labelled: Indexes) -> Counts:
    """TF-IDF rows of length 1; how rare a bin is, the labelled questions say."""
    seen = (counts[labelled] > 0).sum(axis=0)
    rarity = np.log((1 + len(labelled)) / (1 + seen)) + 1
    rows = np.log1p(counts) * rarity.astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    weighed: Counts = rows / np.maximum(lengths, 1e-9)
    return weighed


def _best(likeness: Floats, same: Floats, targets: Floats) -> tuple[float, float]:
    """Weight of the domain and smoothing with the least squared leave-one-out error."""
    centred = targets - targets.mean(axis=0)
    tried = []
    for weight in DOMAIN_WEIGHTS:
        values, vectors = np.linalg.eigh(likeness + weight * same)
        turned = vectors.T @ centred
        for smooth in SMOOTHING:
            shrunk = 1 / (np.maximum(values, 0) + smooth)
            residual = vectors @ (shrunk[:, None] * turned)
            own = (vectors**2) @ shrunk
            tried.append((float(((residual / own[:, None]) ** 2).mean()), weight, smooth))
    return min(tried)[1:]


def _counted(prompts: Sequence[str], parts: Callable[[str], Iterable[str]]) -> Counts:
    counts = np.zeros((len(prompts), BINS), dtype=np.float32)
    for row, prompt in enumerate(prompts):
        bins = [crc32(part.encode()) % BINS for part in parts(prompt.lower())]
        np.add.at(counts[row], bins, 1)
    return counts


def _words(prompt: str) -> list[str]:
    words = WORD.findall(prompt)
    return words + [f"{one} {next_}" for one, next_ in pairwise(words)]


def _letters(prompt: str) -> list[str]:
    text = " ".join(prompt.split())
    return [text[start : start + RUN] for start in range(len(text) - RUN + 1)]
