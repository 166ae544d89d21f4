"""What every route of the API works with, made once at its start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from fastapi import Request

from producer.api.advice import Advice
from producer.api.peers import Peers
from producer.intake.names import NO_NAMES, Names, names_in_force
from runtime.clock import ticks
from runtime.db.session import Database
from runtime.doorbells import Doorbells
from runtime.ids import NewId, new_id
from runtime.settings import Settings
from schemas.errors import ServiceUnreachable
from schemas.review import Review

INTAKES = 2
"""Submissions that one process reads at a time; others wait. It bounds memory: a million ids are told apart in some
60 MB."""

NAMES_S = 1.0


@dataclass
class KeptNames:
    """What `names_now` looked up last, and when."""

    names: Names | None = None
    at: float = 0.0


@dataclass(frozen=True)
class ApiState:
    settings: Settings
    database: Database
    bells: Doorbells
    pepper: str = field(repr=False)
    reviews: Callable[[str], Review]
    """By name; raises `UnknownName`."""
    review_names: Callable[[], Iterable[str]] = tuple
    """Of all that there are."""
    ids: NewId = new_id
    nudge: asyncio.Event = field(default_factory=asyncio.Event)
    """Tells the desk that there is something to do."""
    peers: Peers = field(default_factory=Peers)
    names: KeptNames = field(default_factory=KeptNames)
    intakes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(INTAKES))
    advisers: Advice | None = None
    thinking: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by what computes for seconds, so that one process does one such thing at a time."""

    @property
    def advice(self) -> Advice:
        """Raises `ServiceUnreachable` where this process was given none."""
        if self.advisers is None:
            raise ServiceUnreachable("This process has nobody to ask about decisions and policies.")
        return self.advisers

    @property
    def tenant(self) -> str:
        return self.settings.tenant


async def names_now(state: ApiState) -> Names:
    """The models and tiers that may be named; none before a router has run. Looked up once in a while: the decision has
    the last word anyway."""
    kept = state.names
    if kept.names is None or ticks() - kept.at > NAMES_S:
        async with state.database.transaction() as connection:
            kept.names, kept.at = await names_in_force(connection, state.tenant), ticks()
    return kept.names or NO_NAMES


def state_of(request: Request) -> ApiState:
    state: ApiState = request.app.state.yard
    return state
