"""Failing: a cumulated log-likelihood ratio of "one call in ten fails" against "as many fail as usual here".

What is usual is learned from the provider's own calls, and lies between `LEAST` and `MOST` whatever they say: one that
always fails one call in ten is failing, too. The sum stays near zero while about as many fail as usual, and passes
`RAISED` some 180 calls after one in twenty became one in ten, fewer where it is worse or where fewer used to fail. Once
raised, the test runs the other way round and ends the alarm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log

LEAST, MOST = 0.02, 0.05
TOO_MANY = 0.10

MARGIN = 1.5
"""On what was counted, since a share of few calls may be lower than what it is of."""

BELIEVED = 100
"""Calls that the belief in `MOST` weighs before there were any."""

FOLLOWS = 1_000
"""Calls that usual is the share of, about."""

RAISED = 4.9
"""At a share of one in twenty it is passed less than once in 10,000 calls; see `benchmarks/routing/queues.py`."""

SETTLED = 3.0
"""Some 80 calls at one fault in fifty. Lower than `RAISED`: it costs little to be raised again."""


@dataclass(frozen=True, slots=True)
class Faults:
    calls: int = BELIEVED
    share: float = MOST
    total: float = 0.0
    raised: bool = False

    @property
    def usual(self) -> float:
        return min(MOST, max(LEAST, MARGIN * self.share))

    def after(self, *, fault: bool) -> Faults:
        weight = log(TOO_MANY / self.usual) if fault else log((1 - TOO_MANY) / (1 - self.usual))
        if self.raised:
            total = max(0.0, self.total - weight)
            over = total >= SETTLED
            return replace(self, total=0.0 if over else total, raised=not over)
        total = max(0.0, self.total + weight)
        if total >= RAISED:
            return replace(self, total=0.0, raised=True)
        calls = min(FOLLOWS, self.calls + 1)
        return replace(self, calls=calls, share=self.share + (fault - self.share) / calls, total=total)
