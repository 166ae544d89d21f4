"""Exact tails of counts: the binomial, the hypergeometric, and Clopper and Pearson's upper bound from the first.

Summed in log space, term by term, so that counts of many thousands neither overflow nor lose their last digits.
Source: C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits", Biometrika 26 (1934).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import exp, fsum, inf, lgamma, log, log1p

BISECTIONS = 60  # halves the interval 0..1 below the spacing of floats near 0.001


def at_most_binomial(count: int, draws: int, chance: float) -> float:
    """P(K ≤ count) for `draws` independent cases that each happen with `chance`."""
    if count >= draws or chance <= 0:
        return 1.0 if count >= 0 else 0.0
    if count < 0 or chance >= 1:
        return 0.0
    yes, no = log(chance), log1p(-chance)
    return _total(_log_choose(draws, k) + k * yes + (draws - k) * no for k in range(count + 1))


def at_most_drawn(count: int, draws: int, *, marked: int, among: int) -> float:
    """P(K ≤ count) for `draws` without replacement from `among` cases, `marked` of which count."""
    least, most = max(0, draws - (among - marked)), min(draws, marked)
    if count >= most:
        return 1.0
    whole = _log_choose(among, draws)
    return _total(
        _log_choose(marked, k) + _log_choose(among - marked, draws - k) - whole
        for k in range(least, count + 1)
    )


def upper_bound(count: int, draws: int, delta: float) -> float:
    """The largest rate that still gives `count` or fewer with probability `delta`; 1.0 where all were counted."""
    if count >= draws:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if at_most_binomial(count, draws, middle) > delta:
            low = middle
        else:
            high = middle
    return high


def largest(allowed: Callable[[int], bool], most: int) -> int:
    """The largest of 0..most that is allowed, where no number after a refused one is; -1 where 0 is refused."""
    low, high = -1, most
    while low < high:
        middle = (low + high + 1) // 2
        if allowed(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _total(logs: Iterable[float]) -> float:
    terms = list(logs)
    top = max(terms, default=-inf)
    if top == -inf:
        return 0.0
    return min(1.0, exp(top) * fsum(exp(term - top) for term in terms))


def _log_choose(whole: int, part: int) -> float:
    return lgamma(whole + 1) - lgamma(part + 1) - lgamma(whole - part + 1)
