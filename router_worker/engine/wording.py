"""Numbers as people write them, for the engine's sentences. No locale: the same text on every machine."""

from __future__ import annotations

from collections.abc import Iterable


def count(number: int) -> str:
    """`180,000`."""
    return f"{number:,}"


def dollars(usd_micros: int) -> str:
    """`$0.0042`: as many decimals as the amount has, and two at least."""
    whole, rest = divmod(usd_micros, 1_000_000)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"${whole:,}.{decimals}"


def duration(ms: int) -> str:
    """`850 ms`, `12 s`, `4 min`, `3 h`: rounded down, as a person would say it."""
    if ms < 1000:
        return f"{ms} ms"
    seconds = ms // 1000
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60:,} min" if seconds < 7200 else f"{seconds // 3600:,} h"


def listed(names: Iterable[str], *, most: int = 6) -> str:
    """`a, b and c`; after `most` names it says how many more there are."""
    known = list(names)
    if len(known) > most:
        return f"{', '.join(known[:most])} and {len(known) - most} more"
    return " and ".join((", ".join(known[:-1]), known[-1])) if len(known) > 1 else "".join(known)


def counted(number: int, noun: str) -> str:
    """`1 candidate`, `3 candidates`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
