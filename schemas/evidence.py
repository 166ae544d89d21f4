"""Evidence on an answer, after it was given and before anyone pays for a stronger one, as a score in 0..1.

An answer that does not keep its contract scores 0. For the others the evidence adds up in log-odds: every signal
pushes up or down from where it says nothing, and one that is missing does not push. So a better signal never lowers
the score, and scores with different signals can be compared.

The weights order the signals as far as is known: how many quotes stand in the document comes first, then whether two
cheap answers agree (AUROC 0.69 to 0.75 on RouterBench), then log probabilities. A model's own word on its confidence is
left out: AUROC 0.60. Source: research of 2026-11-23 on public outcome tables.
The score orders answers and is no probability; what a threshold on it is worth, `promise.py` says from labels.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from math import exp, isfinite

BASE = 0.5  # log-odds of a valid answer of which nothing else is known: rather right than wrong
QUOTES = 4.0  # from none verified to all
AGREEMENT = 3.0  # from full disagreement to full agreement
LOGPROB = 2.0  # from the improbable to the certain

UNDECIDED_QUOTES = (
    0.8  # share of verified quotes that speaks neither for nor against; below, something was made up
)
UNDECIDED_AGREEMENT = 0.6
UNDECIDED_LIKELIHOOD = 0.8  # mean probability of a token


@dataclass(frozen=True, slots=True)
class Evidence:
    schema_valid: bool
    quotes: int = 0
    """How many the answer gives; without any, quotes are no signal."""
    quotes_verified: int = 0
    """How many of them stand in the document."""
    agreement: float | None = None
    """With a second cheap answer, 0..1; None where there is none."""
    mean_logprob: float | None = None
    """Mean natural log probability of the answer's tokens, 0 or less; None where the provider gives none."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What of an answer is compared with another one."""

    verdict: str
    findings: frozenset[str]
    """Ids, without order or count."""


def score(evidence: Evidence) -> float:
    """0 for an answer that breaks its contract, otherwise strictly between 0 and 1.

    >>> round(score(Evidence(schema_valid=True, quotes=4, quotes_verified=4, agreement=1.0)), 3)
    0.924
    """
    if not evidence.schema_valid:
        return 0.0
    odds = BASE + _from_quotes(evidence) + _from_agreement(evidence) + _from_logprob(evidence)
    return 1 / (1 + exp(-odds))


def agreement(one: Reviewed, other: Reviewed) -> float:
    """Half for the same verdict, half for the share of finding ids in common; 1.0 only where both are the same."""
    return (float(one.verdict == other.verdict) + overlap(one.findings, other.findings)) / 2


def overlap(one: Set[str], other: Set[str]) -> float:
    """Common ids over all ids. Two answers without findings agree on that."""
    union = one | other
    return len(one & other) / len(union) if union else 1.0


def _from_quotes(evidence: Evidence) -> float:
    if evidence.quotes <= 0:
        return 0.0
    share = _within(evidence.quotes_verified / evidence.quotes)
    return QUOTES * (share - UNDECIDED_QUOTES)


def _from_agreement(evidence: Evidence) -> float:
    if evidence.agreement is None:
        return 0.0
    return AGREEMENT * (_within(evidence.agreement) - UNDECIDED_AGREEMENT)


def _from_logprob(evidence: Evidence) -> float:
    if evidence.mean_logprob is None or not isfinite(evidence.mean_logprob):
        return 0.0
    return LOGPROB * (exp(min(0.0, evidence.mean_logprob)) - UNDECIDED_LIKELIHOOD)


def _within(share: float) -> float:
    return min(1.0, max(0.0, share))
