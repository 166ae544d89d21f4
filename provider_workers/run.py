"""What one slot has in hand, from its first parcel until it is given back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from provider_workers.parcels import Parcel
from runtime.logs import logger
from schemas.job import Job


@dataclass
class Run:
    left: list[Job]
    """Not begun."""
    until: float = inf
    """By the worker's ticks: what is not begun by then is given back."""
    commits: list[asyncio.Future[bool]] = field(default_factory=list)
    """Under way."""
    handed_on: set[str] = field(default_factory=set)
    """Providers to ring."""
    ahead: asyncio.Task[Parcel | None] | None = None
    """The next jobs, asked for during the last one."""

    def hand_in(self, commit: asyncio.Future[bool]) -> None:
        self.forget_done()
        self.commits.append(commit)

    async def catch_up(self, hurry: Callable[[], None]) -> None:
        """Until no more than one call is not committed yet: with the one that begins now, that makes the two that are
        under suspicion where the worker is lost (`runtime.db.stores.upkeep.SUSPECTS`)."""
        self.forget_done()
        while len(self.commits) > 1:
            hurry()
            await asyncio.wait(self.commits[:1])
            self.forget_done()

    def forget_done(self) -> None:
        for commit in self.commits:
            if commit.done() and (error := commit.exception()):
                logger().error("parcel.not_committed", error=type(error).__name__)
        self.commits = [commit for commit in self.commits if not commit.done()]
