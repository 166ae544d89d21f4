"""A circuit breaker as a table of moves: when a provider in trouble is left alone, and how it comes back. Pure.

The breaker stands in the provider's row and moves behind that row's lock (`runtime.db.stores.breakers`), so that there
is one over all workers and hosts. It never fails a job: an open one makes work wait or go elsewhere.

    state      what happens                                        becomes
    closed     an outage, of a call begun after the last strike    closed, one strike more
    closed     the third strike in a row, or half of lately failed open, for `rest_s`
    closed     an outage, of a call begun before the last strike   closed, one failure more in the window
    closed     an answer                                           closed, no strikes
    open       an outage or an answer of a call from before        open, until the same time
    open       a claim, its time not come                          open: nobody goes in
    open       a claim, its time come                              half open: that claim's one call is the probe
    half open  a claim while the probe's slot is held              half open: nobody goes in
    half open  a claim after the probe's slot was lost             half open: this claim's one call is the probe
    half open  the probe is answered                               closed
    half open  the probe meets an outage                           open, for longer
    half open  an outage or an answer of a call from before        half open

A *strike* is an outage: overload, timeout or a broken connection. Calls that were in flight together and failed
together are one strike: a hiccup is no longer for a provider with many slots. Anything else that a provider says, a
429 or a refusal of our key too, shows that it is there, and is an answer here. An answer of any call wipes the strikes
where it is reported: workers report the first one after a strike that they know of, so that a provider without
trouble costs no write.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

STRIKES = 3
"""Outages in a row, over all workers, that open it."""

FIRST_REST_S = 1.0
LONGEST_REST_S = 60.0
"""A rest doubles with each probe that fails, from the first to the longest."""

WINDOW_S = 60.0
"""How far back the share of failed calls looks; a new window begins when one is over."""

SHARE = 0.5
FEWEST = 10
"""Of the calls in a window, the share that opens it, where at least so many failed: a provider that answers now and
then has no three strikes in a row, and is out all the same."""


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Breaker:
    state: BreakerState = BreakerState.CLOSED
    strikes: int = 0
    """Outages in a row, over all workers."""
    opened: int = 0
    """Times that it opened without an answered probe between."""
    until: datetime | None = None
    """Open: nobody goes in before."""
    probe: str | None = None
    """Half open: the slot whose call is the probe."""
    struck_at: datetime | None = None
    """When the last strike was counted."""
    window_at: datetime | None = None
    good: int = 0
    bad: int = 0
    """Calls of the window, as far as workers that met an outage told of them."""

    @property
    def is_clean(self) -> bool:
        """Whether an answer changes nothing, and need not be reported."""
        return self.state is BreakerState.CLOSED and not self.strikes


@dataclass(frozen=True, slots=True)
class Outage:
    """A call that says the provider is in trouble."""

    slot_id: str
    lasted_s: float
    """From the beginning of the call until it was reported; a length, so that no two clocks must agree."""
    good_before: int = 0
    """Calls that its worker saw answered within the window since its last report."""
    jitter: float = 0.0
    """0..1"""


def may_enter(breaker: Breaker, now: datetime, *, probe_is_held: bool) -> bool:
    """Whether a claim may go in; where the breaker is not closed, only as the probe (see `probing`)."""
    match breaker.state:
        case BreakerState.CLOSED:
            return True
        case BreakerState.OPEN:
            return breaker.until is None or now >= breaker.until
        case BreakerState.HALF_OPEN:
            return not probe_is_held


def probing(breaker: Breaker, slot_id: str) -> Breaker:
    """After a claim that `may_enter`, of a breaker that is not closed."""
    return replace(breaker, state=BreakerState.HALF_OPEN, probe=slot_id, until=None)


def failed(breaker: Breaker, outage: Outage, now: datetime) -> Breaker:
    match breaker.state:
        case BreakerState.CLOSED:
            return _struck(breaker, outage, now)
        case BreakerState.HALF_OPEN if breaker.probe == outage.slot_id:
            return _open(breaker, outage.jitter, now)
        case _:
            return breaker


def answered(breaker: Breaker, slot_id: str) -> Breaker:
    match breaker.state:
        case BreakerState.CLOSED:
            return breaker if breaker.is_clean else replace(breaker, strikes=0)
        case BreakerState.HALF_OPEN if breaker.probe == slot_id:
            return Breaker()
        case _:
            return breaker


def rest_s(opened: int, jitter: float) -> float:
    """Seconds of the rest when it opens for the `opened`th time in a row: doubling, up to half of it again as jitter,
    and never shorter than the one before."""
    doubled = FIRST_REST_S * 2.0 ** min(opened - 1, 30)
    return min(LONGEST_REST_S, doubled * (1 + jitter / 2))


def _struck(breaker: Breaker, outage: Outage, now: datetime) -> Breaker:
    began = now - timedelta(seconds=outage.lasted_s)
    together = breaker.struck_at is not None and began < breaker.struck_at
    counted = replace(
        _in_window(breaker, outage, now),
        strikes=breaker.strikes + (0 if together else 1),
        struck_at=breaker.struck_at if together else now,
    )
    if not together and (counted.strikes >= STRIKES or _mostly_fails(counted)):
        return _open(counted, outage.jitter, now)
    return counted


def _in_window(breaker: Breaker, outage: Outage, now: datetime) -> Breaker:
    goes_on = breaker.window_at is not None and now - breaker.window_at < timedelta(seconds=WINDOW_S)
    before = (breaker.good, breaker.bad) if goes_on else (0, 0)
    return replace(
        breaker,
        window_at=breaker.window_at if goes_on else now,
        good=before[0] + outage.good_before,
        bad=before[1] + 1,
    )


def _mostly_fails(breaker: Breaker) -> bool:
    return breaker.bad >= FEWEST and breaker.bad >= SHARE * (breaker.good + breaker.bad)


def _open(breaker: Breaker, jitter: float, now: datetime) -> Breaker:
    opened = breaker.opened + 1
    return Breaker(
        state=BreakerState.OPEN,
        strikes=breaker.strikes,
        opened=opened,
        until=now + timedelta(seconds=rest_s(opened, jitter)),
        struck_at=now,
    )
