"""Finished batches get their report: what they cost, and what they could have cost at the least.

A router looks every few seconds, in the background. A batch is locked while its bound is computed, so that of several
routers one does it; one that dies leaves the batch to the next look. Computing happens in a thread, and batches beyond
`MOST_JOBS` are not computed, and say so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from router_worker.bound.batch import Answered, BatchBound, bound_of
from runtime.db.session import Connection, Database, Row
from runtime.db.stores import artifacts, bounds
from schemas.catalog import Catalog

MOST_JOBS = 100_000


@dataclass
class Reports:
    database: Database
    tenant: str

    async def look(self) -> str | None:
        """Bounds one finished batch and returns its id; None where there is nothing to do."""
        async with self.database.transaction() as connection:
            batch = await bounds.claim_unbounded(connection, self.tenant)
            if batch is None:
                return None
            found = await self._bound(connection, batch)
            await bounds.keep_bound(
                connection,
                self.tenant,
                batch["id"],
                cost_usd_micros=found.cost_usd_micros,
                lp_lower_bound_usd_micros=found.lp_lower_bound_usd_micros,
                gap=found.gap,
                note=found.note,
            )
        return str(batch["id"])

    async def _bound(self, connection: Connection, batch: Row) -> BatchBound:
        if batch["accepted"] > MOST_JOBS:
            return BatchBound(
                None, None, f"No bound: {batch['accepted']:,} documents are more than {MOST_JOBS:,}."
            )
        rows = await bounds.answered(connection, self.tenant, batch["id"])
        if not rows:
            return BatchBound(0, None, "No document has an answer, so there is nothing to bound.")
        named = rows[-1]["catalog_digest"]
        stored = (await artifacts.load(connection, self.tenant, [named])).get(named)
        if stored is None:
            cost = sum(row["cost_usd_micros"] for row in rows)
            return BatchBound(cost, None, "No bound: the catalog that it was routed by is not stored.")
        return await asyncio.to_thread(_computed, rows, stored, batch["span_s"])


def _computed(rows: Sequence[Row], stored: object, span_s: float) -> BatchBound:
    """Whatever goes wrong here goes wrong every time; the batch has a note then, and no bound."""
    try:
        return bound_of(answered_of(rows), Catalog.model_validate(stored), span_s=max(1.0, span_s))
    except (ValueError, KeyError, TypeError) as error:
        cost = sum(row["cost_usd_micros"] for row in rows)
        return BatchBound(cost, None, f"No bound: its record cannot be read ({type(error).__name__}).")


def answered_of(rows: Sequence[Row]) -> list[Answered]:
    sets: dict[str, tuple[str, ...]] = {}
    for row in rows:
        if row["allowed"] not in sets:
            sets[row["allowed"]] = tuple(orjson.loads(row["allowed"]))
    return [
        Answered(
            allowed=sets[row["allowed"]],
            model=f"{row['provider']}/{row['model']}",
            **{name: row[name] for name in _FIGURES},
        )
        for row in rows
    ]


_FIGURES = tuple(name for name in Answered._fields if name not in ("allowed", "model"))
