"""What the router reads of budgets: what is left over a chunk, and whose waiting jobs are looked at again.

Asked only in a yard that has budgets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from router_worker.spending import Purse, behind
from runtime.db.session import Connection
from runtime.db.stores import budgets


async def purse_over(
    connection: Connection, tenant_id: str, batches: Iterable[str], *, attempts: int
) -> Purse:
    """What the budgets over these batches allow, what is bound and not yet reserved taken off."""
    asked = sorted(batches)
    accounts = await budgets.over(connection, tenant_id, asked)
    accounts |= await budgets.unopened(connection, tenant_id, asked)
    bound = await budgets.bound(connection, tenant_id, attempts=attempts) if accounts else {}
    return Purse(tuple(accounts.values()), bound)


async def reopened(
    connection: Connection,
    tenant_id: str,
    shut: Iterable[str],
    tried: Mapping[str, int],
    *,
    attempts: int,
    most: int,
) -> dict[str, int]:
    """Of the classes that are shut, those behind a budget that has more left than when their jobs were last looked
    at, each with how many jobs to claim. `tried` says what was left then."""
    waits = {name: wait for name in shut if (wait := behind(name)) is not None}
    if not waits:
        return {}
    batches = {wait.batch for wait in waits.values() if wait.batch}
    purse = await purse_over(connection, tenant_id, batches, attempts=attempts)
    return {
        name: most
        for name, wait in waits.items()
        if (left := purse.left(wait.key)) is None
        or (left >= wait.least_usd_micros and left > tried.get(name, -1))
    }
