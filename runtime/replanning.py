"""Which bound work goes back to be decided anew, since a provider is not what it was when the work was bound. Pure.

A provider that slows or fails keeps what it can do in the window that work is bound for; where another comes up or is
well again, half of that, so that the two can share. Only work that was bound before the change goes back: whatever is
decided after it knew of it. So one change moves a job once at most, and work never swings to and fro.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

ONE = 1_000_000
WELL, FAILING = "well", "failing"


@dataclass(frozen=True, slots=True)
class Excess:
    provider: str
    keep_work_ms: int
    """At the catalog's own speed; the most urgent work stays."""
    keep_jobs: int
    before: datetime
    """What was bound later stays, too."""
    why: str


def excesses(rows: Sequence[Mapping[str, Any]], *, window_s: float) -> list[Excess]:
    """`rows` as `capacity.loads` gives them, of providers that serve."""
    return [each for row in rows for each in _of(row, rows, window_s)]


def _of(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], window_s: float) -> Iterable[Excess]:
    name, slots = row["name"], min(row["ceiling"], row["slots"])
    window_ms = int(slots * window_s * 1000) * ONE // (row["pace_millionths"] or ONE)
    if row["health"] != WELL and row["health_since"]:
        keep = 0 if row["health"] == FAILING else window_ms
        yield Excess(name, keep, slots, row["health_since"], f"{name} is {row['health']} now")
    changes = [(change, other["name"]) for other in rows if other is not row for change in _better(other)]
    if changes:
        changed_at, other = max(changes)
        yield Excess(name, window_ms // 2, 2 * slots, changed_at, f"{other} can serve again")


def _better(row: Mapping[str, Any]) -> Iterable[datetime]:
    """When it last came up, and when it was last well again."""
    if row["up_since"]:
        yield row["up_since"]
    if row["health"] == WELL and row["health_since"]:
        yield row["health_since"]
