"""When to try again, when to let an endpoint rest, and when to give it up. Arithmetic: the time and the chance come in.

The waits are those that Standard Webhooks recommends: ten attempts over three days.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Schedule:
    waits_s: tuple[float, ...] = (
        *(5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR),
        *(5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, DAY),
    )
    """After the first attempt, the second, and so on; one more attempt than waits."""
    jitter: float = 0.1
    """Each wait is longer by up to this share, so that what failed together is not tried together."""
    lifetime_s: float = 3.5 * DAY
    """What was not delivered by then is not tried again, however few attempts it had."""
    most_after_s: float = DAY
    """The longest that a `Retry-After` is heeded."""
    trips_after: int = 5
    """Failures one after another, until an endpoint rests; then one delivery at a time tries whether it is back."""
    rest_s: float = 5.0
    """The first rest; each is twice the one before."""
    most_rest_s: float = 5 * MINUTE
    gives_up_s: float = 5 * DAY
    """An endpoint that only failed for so long is disabled."""
    at_once: int = 8
    """Deliveries under way to one endpoint, over all processes."""
    deadline_s: float = 15.0
    """For one attempt: name, connection, request and answer."""
    lease_s: float = 60.0
    """After it, what a process that died had claimed is tried by another."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an endpoint fares."""

    failures: int = 0
    failing_since: datetime | None = None
    rests_until: datetime | None = None
    disabled_reason: str = ""


def next_wait(schedule: Schedule, attempts: int, *, after_s: float | None, chance: float) -> float | None:
    """Seconds from the end of the attempt with this number, 1 for the first; None where it was the last. `after_s`:
    what the receiver asked for, which makes the wait longer and never shorter. `chance`: in 0..1."""
    if attempts > len(schedule.waits_s):
        return None
    wait = schedule.waits_s[attempts - 1] * (1 + schedule.jitter * chance)
    return max(wait, min(after_s or 0.0, schedule.most_after_s))


def after_failure(
    standing: Standing, schedule: Schedule, *, now: datetime, asks_s: float | None, is_gone: bool
) -> Standing:
    """`asks_s`: the endpoint itself asked to be left alone for so long. `is_gone`: it answered 410."""
    failures, since = standing.failures + 1, standing.failing_since or now
    rest_s = min(asks_s or 0.0, schedule.most_after_s)
    if failures >= schedule.trips_after:
        doublings = min(failures - schedule.trips_after, 30)
        rest_s = max(rest_s, min(schedule.rest_s * 2**doublings, schedule.most_rest_s))
    rests = _later(standing.rests_until, now + timedelta(seconds=rest_s) if rest_s else None)
    after = replace(standing, failures=failures, failing_since=since, rests_until=rests)
    if is_gone:
        return replace(after, disabled_reason="It answered 410: it is gone, and wants no more.")
    if now - since >= timedelta(seconds=schedule.gives_up_s):
        days = schedule.gives_up_s / DAY
        return replace(after, disabled_reason=f"Every attempt failed for {days:g} days.")
    return after


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)


def read_retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds, from a number of them or a date; None where it says neither. Source: RFC 9110, 10.2.3."""
    if not text or len(text) > 60:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return float(text)
    try:
        instant = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())
