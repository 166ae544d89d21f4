"""Decide again: every recorded decision from exactly what it was made of, compared byte for byte.

`decide` is pure, so the same values must give the same bytes; where they do not, a row was changed, or this version of
Classyard decides otherwise than the one that wrote it. Called by `classyard replay`; `whatif` asks the same inputs
what another policy would have said.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from router_worker.engine.wording import counted
from router_worker.shelf import Recorded, Shelf, Unreadable, features_of, readable, recorded_of
from runtime.db.session import Database
from runtime.db.stores import artifacts, recorded
from schemas.canonical import canonical, digest
from schemas.decision import Decision
from schemas.policy import RoutingPolicy

SHOWN = 20
"""Flaws that are kept with their sentences; all are counted."""


@dataclass(frozen=True, slots=True)
class Flaw:
    job_id: str
    number: int
    sentence: str


@dataclass(slots=True)
class Verified:
    """What deciding again has shown so far."""

    decisions: int = 0
    identical: int = 0
    missing: int = 0
    """Decisions that the audit names and no row holds."""
    flaws: list[Flaw] = field(default_factory=list)
    """The first of them, in the order of the jobs."""

    @property
    def is_sound(self) -> bool:
        return self.identical == self.decisions and not self.missing

    def add(self, one: Recorded, flaw: str | None) -> None:
        self.decisions += 1
        self.identical += flaw is None
        if flaw is not None and len(self.flaws) < SHOWN:
            self.flaws.append(Flaw(one.job_id, one.number, flaw))


async def verify(database: Database, tenant_id: str, batch_id: str) -> Verified:
    """Decides every recorded decision of the batch again. Needs two connections at a time."""
    found = Verified()
    async for page, shelf in shelved(database, tenant_id, batch_id):
        for one in page:
            found.add(one, flaw_of(one, shelf))
    async with database.transaction() as connection:
        lost = await recorded.missing(connection, tenant_id, batch_id)
    found.missing = len(lost)
    told = "the audit names a decision, and there is no row of it"
    found.flaws += [Flaw(row["job_id"], row["number"], told) for row in lost[: SHOWN - len(found.flaws)]]
    return found


async def shelved(
    database: Database, tenant_id: str, batch_id: str, *, last_only: bool = False
) -> AsyncIterator[tuple[list[Recorded], Shelf]]:
    """Pages of decisions, each with a shelf that holds all that they name."""
    shelf = Shelf()
    async for rows in recorded.pages(database, tenant_id, batch_id, last_only=last_only):
        page = [recorded_of(row) for row in rows]
        if wanted := shelf.turn(page):
            async with database.transaction() as connection:
                shelf.put(await artifacts.load(connection, tenant_id, wanted))
        yield page, shelf


# -- one decision


def flaw_of(one: Recorded, shelf: Shelf) -> str | None:
    """Why it is not what its inputs give, as the end of a sentence; None where it is, to the byte."""
    if digest(one.body) != one.digest:
        return f"its bytes do not match its digest {one.digest}"
    if one.named != one.digest:
        return f"its audit event names {one.named or 'no decision'}, and not {one.digest}"
    try:
        again = decided_again(one, shelf)
    except Unreadable as lost:
        return str(lost)
    if canonical(again) != one.body:
        return f"decided again, {_difference(one.body, canonical(again))}"
    told = again.outcome.value
    return None if told == one.outcome else f"its row says {one.outcome!r}, and its bytes {told!r}"


def decided_again(one: Recorded, shelf: Shelf, policy: RoutingPolicy | None = None) -> Decision:
    """By the recorded policy, or by another one. Raises `Unreadable`."""
    features = readable("its features cannot be read", lambda: features_of(one.features))
    return readable(
        "it cannot be decided on its inputs", lambda: shelf.prepared(one, policy).decide(features)
    )


# -- what is different


def _difference(was: bytes, now: bytes) -> str:
    try:
        found = first_difference(orjson.loads(was), orjson.loads(now))
    except ValueError:
        return "it is a decision, and what is stored is not JSON"
    return found or "it says the same, and what is stored is written otherwise"


def first_difference(was: Any, now: Any, at: str = "") -> str | None:
    """`plan[0].provider is 'beta', and was 'alpha'`; None where there is none."""
    if isinstance(was, dict) and isinstance(now, dict) and was.keys() == now.keys():
        inner = ((was[name], now[name], f"{at}.{name}".lstrip(".")) for name in was)
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        inner = ((was[index], now[index], f"{at}[{index}]") for index in range(len(was)))
    elif was == now:
        return None
    else:
        return f"{at or 'it'} is {_brief(now)}, and was {_brief(was)}"
    return next((found for a, b, place in inner if (found := first_difference(a, b, place))), None)


def _brief(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return counted(len(value), "field" if isinstance(value, dict) else "item")
    return repr(value)[:120]
