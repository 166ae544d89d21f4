"""Budgets: what may be spent, and what is. Reserved in the transaction of a claim, settled in that of a commit.

Rows are locked by scope and subject, which is batch, day, tenant. A yard without budgets has no rows and pays nothing.
A row is opened while nobody writes jobs or attempts, so that it begins with exactly what the ledger says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runtime.db.session import Connection, Row, fetch
from schemas.budget import Account, Budgets

TODAY = "(now() at time zone 'utc')::date::text"

Key = tuple[str, str]
"""Scope and subject."""

_LIMIT = """
case when b.own then b.limit_usd_micros when t.own then t.limit_usd_micros else t.policy_usd_micros end
"""

_ACCOUNTS = f"""
select b.scope, b.subject, b.spent_usd_micros, b.reserved_usd_micros, {_LIMIT} as limit_usd_micros, {TODAY} as today
from budgets b
left join budgets t on t.tenant_id = b.tenant_id and t.scope = b.scope and t.subject = ''
where b.tenant_id = %(tenant)s
"""

_OVER = f"""
    and (b.scope = 'batch' and b.subject = any(%(batches)s) or b.scope = 'day' and b.subject = {TODAY}
         or b.scope = 'tenant')
order by b.scope, b.subject
"""

_STANDARD = "and b.subject = '' and b.scope in ('batch', 'day')"


async def exist(connection: Connection, tenant_id: str) -> bool:
    rows = await fetch(
        connection, "select exists (select 1 from budgets where tenant_id = %s) as some", (tenant_id,)
    )
    return bool(rows[0]["some"])


async def over(
    connection: Connection, tenant_id: str, batch_ids: Sequence[str], *, lock: bool = False
) -> dict[Key, Account]:
    """The open budgets over jobs of these batches; locked until the transaction ends where that is asked for."""
    ending = " for update of b" if lock else ""
    return _accounts(
        await fetch(connection, _ACCOUNTS + _OVER + ending, {"tenant": tenant_id, "batches": list(batch_ids)})
    )


async def unopened(connection: Connection, tenant_id: str, batch_ids: Iterable[str]) -> dict[Key, Account]:
    """The budgets that apply to these batches today and have no row yet, with nothing spent."""
    rows = await fetch(connection, _ACCOUNTS + _STANDARD, {"tenant": tenant_id})
    asked: dict[Key, int] = {}
    for row in rows:
        if row["limit_usd_micros"] is not None:
            subjects = batch_ids if row["scope"] == "batch" else (row["today"],)
            asked.update({(row["scope"], subject): row["limit_usd_micros"] for subject in subjects})
    if not asked:
        return {}
    known = await fetch(
        connection,
        "select scope, subject from budgets where tenant_id = %s and subject = any(%s)",
        (tenant_id, [subject for _, subject in asked]),
    )
    there = {(row["scope"], row["subject"]) for row in known}
    return {key: Account(*key, limit, 0, 0) for key, limit in asked.items() if key not in there}


async def every(connection: Connection, tenant_id: str) -> list[Account]:
    """All of them, those that stand for every batch and every day too."""
    return list(
        _accounts(
            await fetch(connection, _ACCOUNTS + " order by b.scope, b.subject", {"tenant": tenant_id})
        ).values()
    )


async def open_(connection: Connection, tenant_id: str, keys: Iterable[Key]) -> None:
    """Opens budgets with what the ledger and the jobs under way say of them. In a transaction of its own: it waits
    until nobody writes jobs or attempts, for as long as the sums take."""
    await fetch(connection, "lock table jobs, attempts in share mode")
    for scope, subject in sorted(keys):
        await fetch(
            connection,
            """
            insert into budgets (tenant_id, scope, subject, spent_usd_micros, reserved_usd_micros)
            select %(tenant)s, %(scope)s, %(subject)s,
                coalesce((select sum(a.cost_usd_micros) from attempts a where a.tenant_id = %(tenant)s
                    and (%(batch)s::uuid is null or a.batch_id = %(batch)s::uuid)
                    and (%(day)s::date is null or (a.settled_at at time zone 'utc')::date = %(day)s::date)), 0),
                coalesce((select sum(j.reserved_usd_micros) from jobs j
                    where j.tenant_id = %(tenant)s and j.state = 'serving'
                    and (%(batch)s::uuid is null or j.batch_id = %(batch)s::uuid)
                    and (%(day)s::date is null or j.reserved_on = %(subject)s)), 0)
            on conflict do nothing
            """,
            {
                "tenant": tenant_id,
                "scope": scope,
                "subject": subject,
                "batch": subject if scope == "batch" else None,
                "day": subject if scope == "day" else None,
            },
        )


async def publish(connection: Connection, tenant_id: str, budgets: Budgets) -> None:
    """The policy's budgets become those of every batch, every day and the tenant. Writes nothing where they are."""
    wanted = {
        "batch": budgets.batch_usd_micros,
        "day": budgets.day_usd_micros,
        "tenant": budgets.tenant_usd_micros,
    }
    for scope, limit in wanted.items():
        if limit is not None:
            await _stand(connection, tenant_id, scope)
        await fetch(
            connection,
            "update budgets set policy_usd_micros = %s, updated_at = now()"
            " where tenant_id = %s and scope = %s and subject = '' and policy_usd_micros is distinct from %s",
            (limit, tenant_id, scope, limit),
        )


async def set_limit(
    connection: Connection, tenant_id: str, key: Key, *, own: bool, limit_usd_micros: int | None
) -> None:
    """An operator's ceiling (None: no ceiling), or with `own` false the policy's again."""
    if key[0] == "batch":
        await open_(connection, tenant_id, [key])
    else:
        await _stand(connection, tenant_id, key[0])
    await fetch(
        connection,
        "update budgets set own = %s, limit_usd_micros = %s, updated_at = now()"
        " where tenant_id = %s and scope = %s and subject = %s",
        (own, limit_usd_micros, tenant_id, *key),
    )


async def _stand(connection: Connection, tenant_id: str, scope: str) -> None:
    """The row with an empty subject; only the tenant's counts something."""
    there = await fetch(
        connection,
        "select 1 from budgets where tenant_id = %s and scope = %s and subject = ''",
        (tenant_id, scope),
    )
    if there:
        return
    if scope == "tenant":
        await open_(connection, tenant_id, [("tenant", "")])
        return
    await fetch(
        connection,
        "insert into budgets (tenant_id, scope, subject) values (%s, %s, '') on conflict do nothing",
        (tenant_id, scope),
    )


async def bound(connection: Connection, tenant_id: str, *, attempts: int) -> dict[str, int]:
    """By batch, the worst cost of the next call of the jobs that are bound and not yet claimed: not reserved, and
    no longer to be given away. A plan's worst cost is that of `attempts` calls."""
    rows = await fetch(
        connection,
        """
        select batch_id::text as batch,
            sum(ceil((plan -> step::int ->> 'worst_cost_usd_micros')::numeric / %s))::bigint as worst
        from jobs where tenant_id = %s and state = 'routed' group by batch_id
        """,
        (attempts, tenant_id),
    )
    return {row["batch"]: row["worst"] or 0 for row in rows}


async def held(connection: Connection, tenant_id: str) -> dict[str, int]:
    """How many jobs are held by a budget, by batch."""
    rows = await fetch(
        connection,
        "select batch_id::text as batch, count(*) as held from jobs where tenant_id = %s and state = 'held'"
        " and reason_code = 'budget' group by batch_id",
        (tenant_id,),
    )
    return {row["batch"]: row["held"] for row in rows}


_RESERVE = """
with sums as (
    select j.tenant_id, k.scope, k.subject, sum(a.delta)::bigint as delta
    from unnest(%s::uuid[], %s::bigint[]) as a(id, delta) join jobs j on j.id = a.id
    cross join lateral (values ('batch', j.batch_id::text), ('day', j.reserved_on), ('tenant', '')) k(scope, subject)
    where k.scope <> 'day' or k.subject <> ''
    group by 1, 2, 3
), locked as materialized (
    select b.tenant_id, b.scope, b.subject, s.delta from budgets b join sums s using (tenant_id, scope, subject)
    order by b.scope, b.subject for update of b
)
update budgets b set reserved_usd_micros = b.reserved_usd_micros + l.delta, updated_at = clock_timestamp()
from locked l where (b.tenant_id, b.scope, b.subject) = (l.tenant_id, l.scope, l.subject)
"""


async def reserve(connection: Connection, changes: Sequence[tuple[str, int]]) -> None:
    """Adds to (or, below zero, gives back from) what is reserved over each job, on the day it was reserved on."""
    if changes:
        await fetch(connection, _RESERVE, ([one for one, _ in changes], [delta for _, delta in changes]))


def _accounts(rows: Sequence[Row]) -> dict[Key, Account]:
    return {
        (row["scope"], row["subject"]): Account(
            row["scope"],
            row["subject"],
            row["limit_usd_micros"],
            row["spent_usd_micros"],
            row["reserved_usd_micros"],
        )
        for row in rows
    }
