"""Requests and tokens a minute: two buckets in the provider's row, drawn from in the transaction of a claim.

So they hold over all workers and hosts, and no broker that forgets can lift them. Pure arithmetic; the row is read and
written by `runtime.db.stores.capacity`, behind the provider's lock.

A bucket holds `BURST_S` seconds of its limit and fills at a little less than the limit (`SHARE`), so that burst and
flow together stay within it in any minute. A job that is larger than a whole bucket goes when the bucket is full; the
debt is paid before the next one goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

BURST_S = 3.0
"""Seconds of the limit that may be drawn at once: longer than the keeper's round, so that waiting for a bell costs
nothing."""

SHARE = 0.95
"""Of the limit, as the steady flow: 0.95 of a minute and a burst of three seconds make one minute."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """`per_minute` None: no limit, and never empty."""

    per_minute: int | None
    left: float

    @property
    def size(self) -> float:
        return max(1.0, (self.per_minute or 0) * BURST_S / 60)

    def refilled(self, elapsed_s: float | None) -> Bucket:
        """After so many seconds; None: it was never drawn from, and is full."""
        if self.per_minute is None:
            return self
        if elapsed_s is None:
            return replace(self, left=self.size)
        flow = self.per_minute * SHARE * max(0.0, elapsed_s) / 60
        return replace(self, left=min(self.size, self.left + flow))

    def allows(self, amount: float) -> bool:
        return self.per_minute is None or self.left >= min(amount, self.size)

    def drawn(self, amount: float) -> Bucket:
        return self if self.per_minute is None else replace(self, left=self.left - amount)


@dataclass(frozen=True, slots=True)
class Drawn:
    """How many jobs may go, and the buckets after them."""

    jobs: int
    requests: Bucket
    tokens: Bucket


def draw(requests: Bucket, tokens: Bucket, sizes: Sequence[int]) -> Drawn:
    """Lets jobs of the given sizes (tokens, most urgent first) go while both buckets allow; stops at the first that
    must wait, so that none is overtaken for ever."""
    for count, size in enumerate(sizes):
        if not (requests.allows(1) and tokens.allows(size)):
            return Drawn(count, requests, tokens)
        requests, tokens = requests.drawn(1), tokens.drawn(size)
    return Drawn(len(sizes), requests, tokens)
