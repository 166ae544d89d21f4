"""How this worker's provider stands, over all workers: told of calls that say something, looked at with each heartbeat.

Most calls say nothing: an answer while the breaker is closed and without strikes writes nothing anywhere.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from provider_workers.moves import LONGEST_PAUSE_S, is_outage
from provider_workers.serve import Heard, jitter
from runtime.breaker import WINDOW_S, Breaker, BreakerState, Outage
from runtime.clock import Ticks
from runtime.db.session import Database
from runtime.db.stores import breakers, capacity
from runtime.logs import logger
from schemas.attempt import Fault, FaultKind
from schemas.errors import ClassyardError

REMEMBERED = 256
"""Answers looked back on for the share of failed calls; far more than it takes to keep a breaker closed."""


class Standing:
    """One a worker process. What it knows is as old as its last heartbeat or call, and errs on no side for long."""

    def __init__(self, database: Database, tenant: str, provider: str, worker_id: str, ticks: Ticks) -> None:
        self._database, self._tenant, self._provider = database, tenant, provider
        self._actor, self._ticks = worker_id, ticks
        self._breaker = Breaker()
        self._paused = False
        self._open_until_s = 0.0
        self._rests_until_s = 0.0
        self._answers: deque[float] = deque(maxlen=REMEMBERED)

    def bars(self, slot_id: str) -> bool:
        """Whether the slot makes no further call now: what is left of its parcel is given back."""
        breaker, now_s = self._breaker, self._ticks()
        if self._paused or now_s < self._rests_until_s:
            return True
        if breaker.state is BreakerState.HALF_OPEN:
            return breaker.probe != slot_id
        return breaker.state is BreakerState.OPEN and now_s < self._open_until_s

    def claimed(self, breaker: Breaker) -> None:
        """As a claim found it, or made it."""
        self._breaker = breaker

    async def look(self) -> None:
        async with self._database.transaction() as connection:
            found = await breakers.standing(connection, self._tenant, self._provider)
        self._take_in(found)

    async def hear(self, heard: Heard) -> bool:
        """Returns whether the breaker is closed after this call. What cannot be written down is left out."""
        ending, slot = heard.ending, heard.job.slot_id or ""
        try:
            if isinstance(ending, Fault) and ending.kind is FaultKind.TAKEN_BACK:
                return True
            if is_outage(ending):
                assert isinstance(ending, Fault)
                await self._outage(heard, slot, ending)
            elif isinstance(ending, Fault) and ending.kind is FaultKind.RATE:
                await self._tell(breakers.Congestion(slot, heard.latency_ms / 1000))
            else:
                self._answers.append(self._ticks())
                await self._answer(slot)
            await self._mind(heard)
        except ClassyardError as error:
            logger().warning("provider.not_told", provider=self._provider, error=type(error).__name__)
        return self._breaker.state is BreakerState.CLOSED

    async def _outage(self, heard: Heard, slot: str, fault: Fault) -> None:
        now_s = self._ticks()
        if self._breaker.state is BreakerState.OPEN and now_s < self._open_until_s:
            return  # of a call from before it opened; that changes nothing
        good = sum(now_s - at_s < WINDOW_S for at_s in self._answers)
        self._answers.clear()
        outage = Outage(slot, heard.latency_ms / 1000, good, jitter(heard.job))
        await self._tell(outage, why=f"{self._provider}: its calls fail. Last: {fault.sentence}")

    async def _answer(self, slot: str) -> None:
        """Only where it changes something: it wipes strikes, or it is the probe's."""
        breaker = self._breaker
        if breaker.probe == slot or (breaker.state is BreakerState.CLOSED and breaker.strikes):
            if breaker.state is BreakerState.CLOSED:
                self._breaker = replace(breaker, strikes=0)  # so that its other slots do not all say so
            await self._tell(breakers.Answered(slot))

    async def _tell(self, heard: breakers.Heard, why: str = "") -> None:
        before = self._breaker.state
        async with self._database.transaction() as connection:
            found = await breakers.hear(
                connection, self._tenant, self._provider, heard, actor=self._actor, why=why
            )
        self._take_in(found)
        if self._breaker.state is not before:
            logger().warning("provider.breaker", provider=self._provider, state=self._breaker.state.value)

    async def _mind(self, heard: Heard) -> None:
        """What the reply's headers say is left of the provider's limits."""
        room, now_s = heard.room, self._ticks()
        if room is None or now_s < self._rests_until_s:
            return
        rest_s = min(LONGEST_PAUSE_S, room.rest_s(heard.tokens) or 0.0)
        if not rest_s:
            return
        self._rests_until_s = now_s + rest_s
        reason = f"{self._provider}: it says that its limits are used up for {rest_s:.1f} s."
        logger().info("provider.rests", provider=self._provider, seconds=rest_s, reason=reason)
        async with self._database.transaction() as connection:
            if room.tokens is not None:
                await capacity.tokens_told(connection, self._tenant, self._provider, room.tokens.left)
            await capacity.rest(connection, self._tenant, self._provider, seconds=rest_s, reason=reason)

    def _take_in(self, found: breakers.Standing | None) -> None:
        if found is None:
            return
        self._breaker, self._paused = found.breaker, found.paused
        until = found.breaker.until
        left_s = (until - found.now).total_seconds() if until else 0.0
        self._open_until_s = self._ticks() + left_s
