"""How much is run: the full measurement, or a quick one that only shows that everything works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

LABELLED = 1500  # the label budget of RouteLLM's published figures


@dataclass(frozen=True, slots=True)
class Plan:
    data: Path
    quick: bool = False

    @property
    def splits(self) -> int:
        """Seeds 0 … splits-1."""
        return 1 if self.quick else 5

    @property
    def resamples(self) -> int:
        """Of the labels, for each split and target. Five splits make 20,000: ±0.002 on a rate of 0.1."""
        return 2000 if self.quick else 4000

    @property
    def bargain_seeds(self) -> int:
        return 3 if self.quick else 40

    def learned_from(self, cases: int) -> int:
        """Labelled questions: the published budget, or a quarter of a smaller table."""
        return min(LABELLED if not self.quick else 500, cases // 4)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most, to four digits."""
    parts = {"median": median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 4) for name, value in parts.items()}
