"""What the calls of a provider show of it, over all of its workers: the last ones, and the two detectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any

from governance.drift.faults import Faults
from governance.drift.pace import Pace
from schemas.snapshot import Health

KEPT = 64
"""Answers looked back on: enough for a steady median."""

RECENT = 8
"""Of those, while the provider is slow: what it was before counts no more."""

ONE = 1_000_000


@dataclass(frozen=True, slots=True)
class Observation:
    """One call that says something of its provider."""

    latency_ms: int
    expected_ms: int
    """By the catalog, for a call of the size that it turned out to have; 0 where it was not answered."""
    tokens: int
    """Read and written, in the model's own."""
    fault: bool
    """The provider's, not the document's."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Newest last."""

    paces: tuple[int, ...] = ()
    """In millionths of what the catalog expects."""
    latencies_ms: tuple[int, ...] = ()
    tokens: tuple[int, ...] = ()
    calls: int = 0
    faults_millionths: int = 0
    """Share of calls that failed, the last ones counting most."""
    pace: Pace = field(default_factory=Pace)
    faults: Faults = field(default_factory=Faults)

    def after(self, observed: Iterable[Observation]) -> Seen:
        seen = self
        for each in observed:
            seen = seen._plus(each)
        return seen

    @property
    def health(self) -> Health:
        if self.faults.raised:
            return Health.FAILING
        return Health.SLOW if self.pace.raised else Health.WELL

    @property
    def pace_millionths(self) -> int | None:
        """The median of the last calls; of the newest of them while an alarm says that the older ones are history."""
        if not self.paces:
            return None
        return max(1, round(median(self.paces[-RECENT:] if self.pace.raised else self.paces)))

    @property
    def usual_millionths(self) -> int | None:
        return max(1, round(self.pace.usual * ONE)) if self.paces else None

    @property
    def latency_ms_p95(self) -> int | None:
        """By rank: one in twenty of the last calls took longer."""
        ordered = sorted(self.latencies_ms)
        return ordered[-(-95 * len(ordered) // 100) - 1] if ordered else None

    @property
    def tokens_per_s(self) -> int | None:
        return sum(self.tokens) * 1000 // max(1, sum(self.latencies_ms)) if self.latencies_ms else None

    def _plus(self, one: Observation) -> Seen:
        calls = self.calls + 1
        share = self.faults_millionths + (one.fault * ONE - self.faults_millionths) // min(KEPT, calls)
        counted = replace(
            self, calls=calls, faults_millionths=share, faults=self.faults.after(fault=one.fault)
        )
        if one.fault or one.expected_ms <= 0:
            return counted
        latency_ms = max(1, one.latency_ms)
        return replace(
            counted,
            paces=(*self.paces, max(1, latency_ms * ONE // one.expected_ms))[-KEPT:],
            latencies_ms=(*self.latencies_ms, latency_ms)[-KEPT:],
            tokens=(*self.tokens, one.tokens)[-KEPT:],
            pace=self.pace.after(latency_ms / one.expected_ms),
        )


def stored(seen: Seen) -> dict[str, Any]:
    """As it lies in the provider's row."""
    return asdict(seen)


def seen_of(found: Mapping[str, Any]) -> Seen:
    """The inverse of `stored`; nothing seen where it is empty, or was written by another version."""
    try:
        lists = {name: tuple(found[name]) for name in ("paces", "latencies_ms", "tokens")}
        parts = {"pace": Pace(**found["pace"]), "faults": Faults(**found["faults"])}
        return Seen(**{**found, **lists, **parts})
    except (KeyError, TypeError):
        return Seen()
