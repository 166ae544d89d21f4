"""What a batch cost beside what it could have cost at the least, as sentences. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from classyard.commands.terminal import money, percent
from runtime.db.session import Row

GAP_NOTE = (
    "The least possible cost is that of a plan that knew everything beforehand, over the same allowed models and the "
    "same capacity; see docs/bound.md."
)


def line(row: Row) -> str:
    """`Cost $0.0907; the least possible was $0.0858: 5.7 % above it.`, or why that cannot be said."""
    if row["bounded_at"] is None:
        return ""
    cost, least = row["cost_usd_micros"], row["lp_lower_bound_usd_micros"]
    if cost is None or least is None:
        return str(row["bound_note"])
    told = f"Cost {money(cost)}; the least possible was {money(least)}"
    return f"{told}." if row["gap"] is None else f"{told}: {percent(row['gap'])} above it."


def together(rows: Sequence[Row]) -> str:
    """Of several batches: their sums, where all are known."""
    if len(rows) == 1:
        return line(rows[0])
    costs = [row["cost_usd_micros"] for row in rows]
    least = [row["lp_lower_bound_usd_micros"] for row in rows]
    if not rows or None in costs or None in least:
        return ""
    gap = sum(costs) / sum(least) - 1 if sum(least) else None
    return line(
        {
            "bounded_at": rows[0]["bounded_at"],
            "cost_usd_micros": sum(costs),
            "lp_lower_bound_usd_micros": sum(least),
            "gap": gap,
            "bound_note": "",
        }
    )
