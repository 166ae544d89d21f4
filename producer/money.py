"""Dollars as people write them, `5`, `5.00`, `$0.25`, to integers of micro-dollars and back. Never through a float."""

from __future__ import annotations

import re
from decimal import Decimal

from schemas.errors import BadInput

MICROS = 1_000_000
MAX_DOLLARS = 1_000_000
"""More is a slip of the hand."""

_AMOUNT = re.compile(r"\$?(?P<dollars>\d+(?:\.\d+)?|\.\d+)", re.ASCII)
_LONGEST_INPUT = 60


def parse_usd(text: str) -> int:
    """Micro-dollars, 0 to `MAX_DOLLARS` million. At most six decimals; a `$` before the number is allowed.

    Raises `BadInput` with code `invalid_amount`.

    >>> parse_usd("$0.25")
    250000
    """
    found = _AMOUNT.fullmatch(text.strip()) if len(text) <= _LONGEST_INPUT else None
    if found is None:
        raise _bad(text, _hint(text))
    micros = Decimal(found["dollars"]) * MICROS
    if micros > MAX_DOLLARS * MICROS:
        raise _bad(text, f"is too much; the most is {format_usd(MAX_DOLLARS * MICROS)}.")
    if micros != int(micros):
        raise _bad(text, "has too many decimals; the smallest amount is 0.000001.")
    return int(micros)


def format_usd(micros: int) -> str:
    """Exact, with two to six decimals, and no separators.

    >>> format_usd(12_300), format_usd(5_000_000)
    ('$0.0123', '$5.00')
    """
    dollars, rest = divmod(abs(micros), MICROS)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}${dollars}.{decimals}"


def _hint(text: str) -> str:
    if text.strip().startswith(("-", "$-", "\u2212")):
        return "is negative; an amount is 0 or more."
    if re.fullmatch(r"\s*\$?[\d.,]+\s*", text) and "," in text:
        return "has a comma; write 1000.50, with a point for decimals and nothing between thousands."
    return "is not an amount in dollars; write it like 5, 5.00 or $0.25."


def _bad(text: str, reason: str) -> BadInput:
    return BadInput(f"{text[:_LONGEST_INPUT]!r} {reason}", code="invalid_amount")
