"""The keeper: one at a time, it owns liveness. Every round it looks at the table and sets right what stands still.

It takes back work whose lease ended, expires what is past its deadline, frees work that is bound to a provider which
does not serve or is no longer what it was, marks finished batches, and rings the bells that the table says are
missing. Nothing else in the yard needs to be reliable about bells.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from runtime import failpoints
from runtime.breaker import BreakerState
from runtime.clock import Ticks, ticks
from runtime.db.session import Connection, Database, Row, clock, fetch, repeated
from runtime.db.stores import (
    batches,
    breakers,
    capacity,
    jobs,
    record,
    rescue,
    switches,
    upkeep,
    views,
    waiting,
)
from runtime.db.stores.capacity import Heartbeat
from runtime.doorbells import Doorbells
from runtime.ids import new_id
from runtime.logs import logger
from runtime.metrics import Metrics
from runtime.replanning import Excess, excesses
from runtime.settings import Settings
from schemas.job import Job
from schemas.lifecycle import FINAL, JobState
from schemas.messages import CLASSIFIER_QUEUE, provider_queue
from schemas.snapshot import Health

SHORT_REST_S = 5.0
"""A provider that rests no longer, or was paused no longer ago, keeps what is bound to it."""

MOST_REPLANNED = 200
"""Jobs of one provider that go back in one round; the next round sees what became of them."""

MOST_ROUNDS = 20
"""Groups of one kind in one round, so that a flood of one kind does not starve the others."""

COUNTING_SHARE = 100
"""Counting open jobs takes at most one part in so many of the time."""

_HEALTHS = [health.value for health in Health]

_Find = Callable[[Connection], Awaitable[list[Job]]]


@dataclass
class Keeper:
    settings: Settings
    database: Database
    bells: Doorbells
    metrics: Metrics
    keeper_id: str = field(default_factory=new_id)
    metrics_address: str = ""
    bind_late_s: float = 30.0
    """Seconds of work that are bound to a provider, as the policy has it."""
    ticks: Ticks = ticks
    _counts_at: float = 0.0

    async def keep(self, stopping: asyncio.Event) -> None:
        """Rounds until `stopping` is set; waits its turn while another keeper leads."""
        while not stopping.is_set():
            try:
                await self._lead(stopping)
            except Exception as error:
                logger().error("keeper.failed", error=type(error).__name__, detail=str(error)[:300])
            await _sleep(stopping, self.settings.keep_s)

    async def _lead(self, stopping: asyncio.Event) -> None:
        """Holds the keeper's lock on one connection for as long as that lives, and works beside it. While another
        keeper has the lock, it waits for it on that connection, and says so."""
        async with self.database.session() as own:
            while not stopping.is_set() and not await upkeep.lead(own):
                await self._beat("stands by")
                await _sleep(stopping, self.settings.keep_s)
            if not stopping.is_set():
                logger().info("keeper.leads", keeper=self.keeper_id)
            while not stopping.is_set():
                await fetch(own, "select 1")  # the lock went with the connection if this fails
                await self._beat("leads")
                with self.metrics.stage_seconds.labels("keep").time():
                    await self.round()
                await _sleep(stopping, self.settings.keep_s)

    async def _beat(self, detail: str) -> None:
        async with self.database.transaction() as connection:
            await capacity.beat(connection, self.settings.tenant, self._said(detail))

    async def round(self) -> dict[str, int]:
        """One look at everything; returns what was done, by name. Safe to run twice at once, and at any time."""
        tenant = self.settings.tenant
        done = {
            "slots": await self._drop_slots(),
            # Before those that were under way: what is left of a lost slot after this is under suspicion.
            "not_begun": await self._all(lambda c: upkeep.not_begun(c, tenant), _not_begun),
            "recovered": await self._all(lambda c: upkeep.orphans(c, tenant), _lost),
            "expired": await self._all(lambda c: upkeep.overdue(c, tenant), _expired),
            **await self._take_back(),
        }
        await self._end_drains()
        self.metrics.recovered.inc(done["not_begun"] + done["recovered"])
        async with self.database.transaction() as connection:
            finished = await batches.finish(connection, tenant)
            await upkeep.forget_workers(connection, tenant)
        if any(done.values()) or finished:
            logger().info("keeper.round", **done, finished=len(finished))
        await self._ring()
        return done

    async def _drop_slots(self) -> int:
        async with self.database.transaction() as connection:
            return len(await upkeep.drop_ended_slots(connection, self.settings.tenant))

    async def _end_drains(self) -> None:
        async with self.database.transaction() as connection:
            ended = await switches.drained(connection, self.settings.tenant, actor="keeper")
        for name in ended:
            logger().info("provider.drained", provider=name)

    async def _take_back(self) -> dict[str, int]:
        """Work that is bound to a provider which will not serve it soon goes back, to be decided anew."""
        async with self.database.transaction() as connection:
            rows = await capacity.loads(connection, self.settings.tenant)
            now = await clock(connection)
        self._show(rows, now)
        shut = [row["name"] for row in rows if is_shut(row, now)]
        tenant = self.settings.tenant
        done = sum([await self._all(partial(_bound_to, tenant, name), unbound) for name in shut])
        serving = [row for row in rows if row["name"] not in shut]
        return {"unbound": done, "replanned": await self._replan(serving)}

    async def _replan(self, serving: list[Row]) -> int:
        total = 0
        for excess in excesses(serving, window_s=self.bind_late_s):
            find = partial(_bound_beyond, self.settings.tenant, excess)
            moved = await repeated(partial(self._group, find, partial(_replanned, excess.why)))
            self.metrics.replanned.labels(excess.provider).inc(moved)
            total += moved
        return total

    def _show(self, rows: Sequence[Row], now: datetime) -> None:
        for row in rows:
            state = breakers.breaker_of(row).state
            allowed = breakers.allowance_of(row).calls(row["ceiling"], now)
            self.metrics.breaker.labels(row["name"]).set(list(BreakerState).index(state))
            self.metrics.allowed.labels(row["name"]).set(allowed)
            self.metrics.health.labels(row["name"]).set(_HEALTHS.index(row["health"]))
            self.metrics.pace.labels(row["name"]).set((row["pace_millionths"] or 0) / 1e6)

    async def _all(
        self,
        found: _Find,
        becomes: Callable[[Job], Job],
    ) -> int:
        total = 0
        for _ in range(MOST_ROUNDS):
            moved = await repeated(lambda: self._group(found, becomes))
            total += moved
            if not moved:
                break
        return total

    async def _group(self, found: _Find, becomes: Callable[[Job], Job]) -> int:
        async with self.database.transaction() as connection:
            stuck = await found(connection)
            now = await clock(connection)
            ends = [(job, becomes(job)) for job in stuck]
            saved = await rescue.saved(connection, self.settings.tenant, ends)
            moves = [
                jobs.move_of(
                    job,
                    saved[job.id].job if job.id in saved else after,
                    at=now,
                    actor="keeper",
                    facts={"slot": job.slot_id},
                )
                for job, after in ends
            ]
            moved = await jobs.move(connection, moves)
            results = [(one.job, one.result) for name, one in saved.items() if name in moved]
            await record.keep_results(connection, results)
            failpoints.reach("keeper.commit")
        failpoints.reach("keeper.committed")
        for move in moves:
            self.metrics.moves.labels(move.after.state.value).inc()
        return len(moved)

    async def _ring(self) -> None:
        tenant = self.settings.tenant
        async with self.database.transaction() as connection:
            ready = await upkeep.claimable(connection, tenant)
            waits = await waiting.any_waits(connection, tenant)
        await self._count()
        for provider, count in ready.items():
            self.metrics.queue.labels(provider).set(count)
        await self.bells.ring_all(wanted_bells(ready, waits))

    async def _count(self) -> None:
        """Of all open jobs, for people who look at them: the more there are, the more rarely."""
        began = self.ticks()
        if began < self._counts_at:
            return
        async with self.database.transaction() as connection:
            open_jobs = await views.open_states(connection, self.settings.tenant)
        for state in JobState:
            if state not in FINAL:
                self.metrics.jobs.labels(state.value).set(open_jobs.get(state.value, 0))
        now = self.ticks()
        self._counts_at = now + (now - began) * COUNTING_SHARE

    def _said(self, detail: str) -> Heartbeat:
        return Heartbeat(
            self.keeper_id,
            "keeper",
            None,
            socket.gethostname(),
            os.getpid(),
            detail=detail,
            metrics_address=self.metrics_address,
        )


def is_shut(row: Row, now: datetime) -> bool:
    """Whether what is bound there goes back: it does not serve, and not only for a moment."""
    return bool(
        (row["paused"] and not _later(row["switched_at"], now, by_s=-SHORT_REST_S))
        or not row["workers"]
        or _later(row["rests_until"], now, by_s=SHORT_REST_S)
        or _later(row["breaker_until"], now, by_s=SHORT_REST_S)
    )


def _later(instant: datetime | None, now: datetime, *, by_s: float) -> bool:
    return instant is not None and (instant - now).total_seconds() > by_s


async def _bound_to(tenant: str, provider: str, connection: Connection) -> list[Job]:
    return await upkeep.bound_to(connection, tenant, provider)


async def _bound_beyond(tenant: str, excess: Excess, connection: Connection) -> list[Job]:
    return await upkeep.bound_beyond(
        connection,
        tenant,
        excess.provider,
        keep_work_ms=excess.keep_work_ms,
        keep_jobs=excess.keep_jobs,
        before=excess.before,
        most=MOST_REPLANNED,
    )


def wanted_bells(ready: Mapping[str, int], waits: bool) -> dict[str, int]:
    """Bells that should lie on each queue: one for the router while anything waits, and for a provider as many as
    slots could use."""
    wants = {provider_queue(name): count for name, count in ready.items()}
    wants[CLASSIFIER_QUEUE] = int(waits)
    return wants


def _not_begun(job: Job) -> Job:
    """Nobody's fault, and least of all this job's: it is not counted, and need not be served alone."""
    reason = "The worker that held it went silent before its turn."
    return job.moved(JobState.ROUTED, slot_id=None, reason_code="not_begun", reason=reason)


def _lost(job: Job) -> Job:
    return job.interrupted("worker_lost", "The worker that served it went silent; its lease ended.")


def _expired(job: Job) -> Job:
    return job.moved(
        JobState.EXPIRED,
        slot_id=None,
        reason_code="deadline",
        reason="The deadline passed before it was served.",
    )


def unbound(job: Job) -> Job:
    return _back(job, "taken_back", f"Taken back from {job.provider}, which does not serve now")


def _replanned(why: str, job: Job) -> Job:
    return _back(job, "replanned", f"Taken back from {job.provider}, since {why}")


def _back(job: Job, code: str, why: str) -> Job:
    return job.unbound(code, f"{why}; it is decided anew.")


async def _sleep(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return
