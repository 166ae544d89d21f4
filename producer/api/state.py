"""What every route of the API works with, made once at its start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import Request

from producer.api.peers import Peers
from runtime.db.session import Database
from runtime.doorbells import Doorbells
from runtime.ids import NewId, new_id
from runtime.settings import Settings
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
    peers: Peers = field(default_factory=Peers)

    @property
    def tenant(self) -> str:
        return self.settings.tenant


def state_of(request: Request) -> ApiState:
    state: ApiState = request.app.state.yard
    return state
