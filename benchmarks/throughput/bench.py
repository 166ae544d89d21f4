"""How much is run, on what ground; and the arithmetic of repeated runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.throughput.ground import Ground


@dataclass(frozen=True)
class Bench:
    ground: Ground
    data: Path
    quick: bool
    say: Callable[[str], None] = lambda line: None
    scale_jobs: int | None = None
    """Jobs in the tables for `cost_growth_1m`; None: as many as the time allows."""

    @property
    def runs(self) -> int:
        return 3

    @property
    def rounds(self) -> int:
        """Of those that are measured by turns."""
        return self.sized(2, 3)

    @property
    def jobs(self) -> int:
        return self.sized(1_000, 5_000)

    @property
    def naive_jobs(self) -> int:
        return self.sized(400, 1_200)

    def sized(self, quick: int, full: int) -> int:
        return quick if self.quick else full


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most."""
    return {"median": median(values), "min": min(values), "max": max(values)}


def ratio(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    """Of medians; least and most are the widest that the two spreads allow."""
    return {
        "median": one["median"] / other["median"],
        "min": one["min"] / other["max"],
        "max": one["max"] / other["min"],
    }


def by_round(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Ratios of what was measured right after each other."""
    return [mine / its for mine, its in zip(one, other, strict=True)]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def rounded(values: Mapping[str, float], digits: int = 3) -> dict[str, float]:
    return {name: round(value, digits) for name, value in values.items()}


def rounded_each(values: Sequence[float], digits: int = 3) -> list[float]:
    return [round(value, digits) for value in values]
