"""The router's side of the table: take waiting jobs, most urgent first, class by class.

The claim of a router is the row lock of its own short transaction: a router that dies has changed nothing, and its
jobs are free again at once. No lease is needed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runtime.db.session import Connection, Row, fetch
from runtime.db.stores.jobs import COLUMNS

UNSEEN = ""
"""The class of jobs that no router has looked at yet."""

_CLAIM = f"""
select {COLUMNS}, (
    select d.size_bytes from documents d where d.tenant_id = j.tenant_id and d.digest = j.document_digest
) as size_bytes
from unnest(%(classes)s::text[], %(limits)s::int[]) as c(route_class, most)
cross join lateral (
    select * from jobs w
    where w.state in ('accepted', 'held') and w.route_class = c.route_class and w.tenant_id = %(tenant)s
    order by w.lane, w.start_by, w.id
    limit c.most
    for update skip locked
) j
order by j.lane, j.start_by, j.id
limit %(most)s
"""


async def claim(connection: Connection, tenant_id: str, limits: Mapping[str, int], *, most: int) -> list[Row]:
    """Locks up to `most` waiting jobs of the given classes (and at most so many of each), most urgent first.

    Jobs that other routers hold are passed over. The locks end with the transaction.
    """
    return await fetch(
        connection,
        _CLAIM,
        {
            "tenant": tenant_id,
            "classes": list(limits),
            "limits": [min(limit, most) for limit in limits.values()],
            "most": most,
        },
    )


async def classes(connection: Connection, tenant_id: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Every known class with the digest of the rules that formed it and the names of the providers it allows."""
    rows = await fetch(
        connection,
        "select route_class, rules_digest, providers from route_classes where tenant_id = %s",
        (tenant_id,),
    )
    return {row["route_class"]: (row["rules_digest"], tuple(row["providers"])) for row in rows}


async def keep_class(
    connection: Connection, tenant_id: str, route_class: str, rules_digest: str, providers: Sequence[str]
) -> None:
    await fetch(
        connection,
        "insert into route_classes (tenant_id, route_class, rules_digest, providers) values (%s, %s, %s, %s)"
        " on conflict do nothing",
        (tenant_id, route_class, rules_digest, list(providers)),
    )


async def any_waits(connection: Connection, tenant_id: str) -> bool:
    """Whether there is a job for a router. In an order that an index has, so that one row is read of a million."""
    rows = await fetch(
        connection,
        "select 1 as one from jobs where state in ('accepted', 'held') and tenant_id = %s"
        " order by route_class, lane, start_by, id limit 1",
        (tenant_id,),
    )
    return bool(rows)
