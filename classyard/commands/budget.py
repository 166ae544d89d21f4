"""`classyard budget`: what may be spent, what is, and what is held by it; and other ceilings than the policy's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from classyard.commands.terminal import console, indented, number, run
from classyard.commands.yard import say
from classyard.context import Context
from producer.money import format_usd, parse_usd
from runtime.db.session import Database
from runtime.db.stores import batches, budgets
from schemas.budget import Account
from schemas.errors import BadInput

NONE = "There are no budgets. A policy's `budgets` and `classyard budget set` make some; see docs/budgets.md."

SCOPES = ("batch", "day", "tenant")


def budget(context: Context) -> int:
    """Prints every budget with its figures, and returns 0."""
    found, held = run(_asked(context.connected()))
    screen = console()
    for part in parts(found, held):
        screen.print(part)
    return 0


def set_budget(context: Context, words: Sequence[str]) -> int:
    """`batch ID AMOUNT`, `day AMOUNT` or `tenant AMOUNT`. Raises `BadInput` where it is something else."""
    key, own, limit = read(words)
    connected = context.connected()
    run(_set(connected, key, own, limit))
    say(
        f"The budget of {_whose(key)} is {_as_set(own, limit)}. Work that was held by it goes on where there is room."
    )
    return 0


def read(words: Sequence[str]) -> tuple[budgets.Key, bool, int | None]:
    """Which budget; whether it is an operator's (else the policy's again); and its ceiling (None: none).

    >>> read(["day", "$12.50"])
    (('day', ''), True, 12500000)
    >>> read(["tenant", "off"]), read(["day", "policy"])
    ((('tenant', ''), True, None), (('day', ''), False, None))
    """
    scope, *rest = words or ("",)
    wanted = 2 if scope == "batch" else 1
    if scope not in SCOPES or len(rest) != wanted:
        raise BadInput(
            "It is not said which budget: write `classyard budget set batch ID AMOUNT`, `... day AMOUNT` or "
            "`... tenant AMOUNT`.",
            code="invalid_budget",
        )
    subject = _batch_id(rest[0]) if scope == "batch" else ""
    amount = rest[-1]
    if amount == "policy":
        return (scope, subject), False, None
    return (scope, subject), True, None if amount == "off" else parse_usd(amount)


def _batch_id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise BadInput(
            f"{text[:60]!r} is no batch: its id is what `classyard submit` printed.", code="invalid_budget"
        ) from None


async def _asked(context: Context) -> tuple[list[Account], dict[str, int]]:
    tenant = context.settings.tenant
    async with context.database() as database, database.transaction() as connection:
        return await budgets.every(connection, tenant), await budgets.held(connection, tenant)


async def _set(context: Context, key: budgets.Key, own: bool, limit: int | None) -> None:
    async with context.database() as database:
        await set_in(database, context.settings.tenant, key, own, limit)


async def set_in(database: Database, tenant: str, key: budgets.Key, own: bool, limit: int | None) -> None:
    async with database.transaction() as connection:
        if key[0] == "batch" and await batches.find(connection, tenant, key[1]) is None:
            raise BadInput(f"There is no batch {key[1]}.", code="invalid_budget")
    async with database.transaction() as connection:
        await budgets.set_limit(connection, tenant, key, own=own, limit_usd_micros=limit)


def _whose(key: budgets.Key) -> str:
    return {"batch": f"batch {key[1]}", "day": "every day", "tenant": "the tenant"}[key[0]]


def _as_set(own: bool, limit: int | None) -> str:
    if not own:
        return "the policy's again"
    return "off" if limit is None else format_usd(limit)


def parts(found: Sequence[Account], held: Mapping[str, int]) -> Iterator[RenderableType]:
    if not found:
        yield Text(NONE)
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("scope")
    table.add_column("subject", overflow="fold")
    for name in ("limit", "spent", "reserved", "left"):
        table.add_column(name, justify="right")
    table.add_column("held jobs", justify="right")
    for one in found:
        standard = one.scope != "tenant" and not one.subject
        left = one.left_usd_micros
        table.add_row(
            one.scope,
            f"every {one.scope}" if standard else one.subject,
            "off" if one.limit_usd_micros is None else format_usd(one.limit_usd_micros),
            *(
                ("", "", "")
                if standard
                else (
                    format_usd(one.spent_usd_micros),
                    format_usd(one.reserved_usd_micros),
                    "" if left is None else format_usd(left),
                )
            ),
            number(held.get(one.subject, 0)) if one.scope == "batch" and not standard else "",
        )
    yield indented(table)
    total = sum(held.values())
    if total:
        yield Text(f"{number(total)} held by budgets. `classyard budget set` raises one.", style="yellow")
