"""Slow: a cumulated sum (CUSUM) of the logarithm of a call's pace, against the provider's own usual pace.

A call's pace is what it took over what the catalog expects of a call of its size. Usual is learned from the first
calls and follows slowly; while an alarm lasts it does not move, so that slowness does not become usual by lasting.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, log, sqrt

LEARNED_FROM = 32
"""Calls before there can be an alarm: enough for a mean and a spread that a threefold slowdown stands out from."""

FOLLOWS = 512
"""Usual moves by one part in so many with every call; an alarm that lasts so many calls makes its pace usual."""

SLACK = 0.75
"""Spreads by which calls may be slower for ever without an alarm: a third of a threefold slowdown, at one of .5."""

RAISED, SETTLED = 10.0, 5.0
WIDEST = 3.0
"""Spreads that one call counts at most, so that no alarm comes of a few that hung."""

LEAST_SPREAD = 0.1
"""On the log scale: providers are never steadier than a tenth, and a simulated one is not held to less."""


@dataclass(frozen=True, slots=True)
class Pace:
    calls: int = 0
    """Seen while usual was learned, up to `FOLLOWS`; while raised, since the alarm."""
    mean: float = 0.0
    """Of the logarithm of the usual pace."""
    variance: float = 0.0
    total: float = 0.0
    raised: bool = False

    @property
    def usual(self) -> float:
        return exp(self.mean)

    def after(self, pace: float) -> Pace:
        """`pace` is above zero: 3.0 is three times what the catalog expects."""
        apart = log(pace) - self.mean
        spreads = max(-WIDEST, min(WIDEST, apart / max(LEAST_SPREAD, sqrt(self.variance))))
        if self.raised:
            return self._while_raised(SLACK - spreads)
        total = max(0.0, self.total + spreads - SLACK) if self.calls >= LEARNED_FROM else 0.0
        if total >= RAISED:
            return replace(self, calls=0, total=0.0, raised=True)
        return self._learned(apart, total)

    def _while_raised(self, better: float) -> Pace:
        total = max(0.0, self.total + better)
        if total >= SETTLED:
            return replace(self, calls=FOLLOWS, total=0.0, raised=False)
        if self.calls >= FOLLOWS:
            return Pace()
        return replace(self, calls=self.calls + 1, total=total)

    def _learned(self, apart: float, total: float) -> Pace:
        calls = min(FOLLOWS, self.calls + 1)
        mean = self.mean + apart / calls
        variance = self.variance + (apart * (apart - apart / calls) - self.variance) / calls
        return replace(self, calls=calls, mean=mean, variance=variance, total=total)
