"""Prices for scarce slots, for a policy whose objective is `joint`: looks at what waits, and asks the linear program.

The router asks every two seconds in the background; its stage puts the answer into every snapshot that it takes. A
decision is recorded with the snapshot, prices included, so it can be made again without the program.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from router_worker.bound.shadows import Kind, shadows
from router_worker.engine.decide import prepare
from router_worker.observe import snapshot_of
from router_worker.rules import Rules
from runtime.db.session import Database, Row, clock
from runtime.db.stores import bounds, capacity
from schemas.features import features_of
from schemas.snapshot import ProviderSnapshot


@dataclass
class Prices:
    database: Database
    tenant: str
    rules: Rules

    async def look(self) -> dict[str, int]:
        """Micro-dollars a slot-second by provider; empty where nothing waits or nothing is scarce."""
        async with self.database.transaction() as connection:
            rows = await bounds.waiting_kinds(connection, self.tenant)
            if not rows:
                return {}
            loads, now = await capacity.loads(connection, self.tenant), await clock(connection)
        rules = self.rules
        snapshot = snapshot_of(
            rules.catalog, rules.catalog_digest, loads, rules.policy.bind_late, taken_at=now
        )
        return await asyncio.to_thread(self._priced, rows, snapshot)

    def _priced(self, rows: Sequence[Row], snapshot: ProviderSnapshot) -> dict[str, int]:
        found = [(row, features_of(row["features"])) for row in rows]
        kinds = [Kind(row["jobs"], row["haste"], features) for row, features in found if features]
        return shadows(kinds, prepare(self.rules.policy, snapshot), snapshot)
