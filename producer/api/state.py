"""What every route of the API works with, made once at its start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import Request

from producer.api.advice import Advice
from runtime.db.session import Database
from runtime.doorbells import Doorbells
from runtime.ids import NewId, new_id
from runtime.settings import Settings
from schemas.errors import ServiceUnreachable
from schemas.review import Review


@dataclass(frozen=True)
class ApiState:
    settings: Settings
    database: Database
    bells: Doorbells
    pepper: str = field(repr=False)
    reviews: Callable[[str], Review]
    """By name; raises `UnknownName`."""
    ids: NewId = new_id
    nudge: asyncio.Event = field(default_factory=asyncio.Event)
    """Tells the desk that there is something to do."""
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


def state_of(request: Request) -> ApiState:
    state: ApiState = request.app.state.yard
    return state
