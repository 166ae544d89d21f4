"""Spans of time as people write them, `2h`, `1d12h`, `PT2H`, to whole seconds and back."""

from __future__ import annotations

import re

from schemas.errors import BadInput

MAX_SECONDS = 30 * 86_400
"""The longest deadline that a submission may have."""

_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}

_SHORT = re.compile(
    r"(?:(?P<w>\d+)w)?(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m(?:in)?)?(?:(?P<s>\d+)s)?", re.ASCII
)
_ISO = re.compile(
    r"p(?:(?P<w>\d+)w)?(?:(?P<d>\d+)d)?(?:t(?=\d)(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s)?)?", re.ASCII
)
"""ISO 8601 without years, months and fractions: those have no fixed length, or none in whole seconds."""

_LONGEST_INPUT = 60


def parse_duration(text: str) -> int:
    """Seconds, 1 to `MAX_SECONDS`. Each unit at most once, the larger before the smaller; case does not matter.

    Raises `BadInput` with code `invalid_duration`.

    >>> parse_duration("1d12h"), parse_duration("PT2H")
    (129600, 7200)
    """
    seconds = _seconds(re.sub(r"\s+", "", text).lower())
    if seconds is None:
        raise _bad(text, "is not a span of time; write it like 90s, 30m, 2h, 1d12h or PT2H.")
    if seconds == 0:
        raise _bad(text, "is no time at all; the least is 1s.")
    if seconds > MAX_SECONDS:
        raise _bad(text, f"is too long; the most is {format_duration(MAX_SECONDS)}.")
    return seconds


def format_duration(seconds: int) -> str:
    """The shortest writing in days, hours, minutes and seconds that `parse_duration` reads as the same.

    >>> format_duration(129_600)
    '1d12h'
    """
    parts = []
    for unit in "dhms":
        count, seconds = divmod(seconds, _UNITS[unit])
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def _seconds(text: str) -> int | None:
    if not text or len(text) > _LONGEST_INPUT:
        return None
    found = _SHORT.fullmatch(text) or _ISO.fullmatch(text)
    counts = {unit: count for unit, count in found.groupdict().items() if count} if found else {}
    return sum(int(count) * _UNITS[unit] for unit, count in counts.items()) if counts else None


def _bad(text: str, reason: str) -> BadInput:
    return BadInput(f"{text[:_LONGEST_INPUT]!r} {reason}", code="invalid_duration")
