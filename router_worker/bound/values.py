"""The values of a bound: classes of work, what each model would take for them, what there is of it, and the answer.

Amounts are floats: a linear program divides documents and seconds. Money is in micro-dollars.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Choice:
    """One model that may serve a class, and what one document of the class takes there, at the least."""

    model: str
    """`provider/model`."""
    cost_usd_micros: float
    uses: tuple[tuple[str, float], ...] = ()
    """How much of which resource; those without a `Resource` of that name are without end."""
    quality: float = 1.0


@dataclass(frozen=True, slots=True)
class WorkClass:
    """Documents that are alike: the same models may serve them, in the same stretch of time, for about the same."""

    documents: float
    choices: tuple[Choice, ...]
    first: int = 0
    """The first bucket of time in which they are there."""
    last: int = 0
    """The last one before their deadline, included."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that models share and that runs out: seconds of slots, requests, tokens."""

    name: str
    amounts: tuple[float, ...]
    """One a bucket of time."""
    is_cumulative: bool = False
    """Whether an amount is what there is from the beginning to the end of its bucket, and not in the bucket alone."""


@dataclass(frozen=True, slots=True)
class Spending:
    """At most so much for these classes together."""

    classes: frozenset[int]
    most_usd_micros: float


@dataclass(frozen=True, slots=True)
class Program:
    classes: tuple[WorkClass, ...]
    resources: tuple[Resource, ...] = ()
    buckets: int = 1
    mean_quality: float = 0.0
    """Of all documents that are served."""
    spendings: tuple[Spending, ...] = ()
    base_usd_micros: float = 0.0
    """Added to the cost: what no choice can change."""
    unserved_usd_micros: float | None = None
    """What leaving a document out is fined with, where everything cannot be done; None: everything must be."""


@dataclass(frozen=True, slots=True)
class Solution:
    cost_usd_micros: float
    """Of all that is served, without fines."""
    unserved: float = 0.0
    """Documents that nothing is left for."""
    placed: Mapping[tuple[int, int, int], float] = field(default_factory=dict)
    """Documents by class, choice and bucket; zeros are left out."""
    prices: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """What one more unit of each resource would save, in each bucket; 0 where it is not scarce."""
    quality_price: float = 0.0
    """What a demand of one more unit of quality adds, for one document."""


@dataclass(frozen=True, slots=True)
class NoSolution:
    """Why there is none, as a sentence."""

    sentence: str
