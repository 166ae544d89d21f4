"""The provider worker: each bell takes one slot and serves jobs in it one after another, a parcel at a time, for as
long as there are any."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil

from governance.drift.seen import seen_of
from provider_workers.call import Caller
from provider_workers.hold import Hold
from provider_workers.moves import is_outage
from provider_workers.observations import Observations, shown
from provider_workers.parcels import Parcel, Parcels, counted, given_back
from provider_workers.run import Run
from provider_workers.serve import Served, Server, UnknownModel
from provider_workers.standing import Standing
from provider_workers.writer import Finished, Writer
from runtime.clock import ticks, utc_now
from runtime.credentials import resolve
from runtime.db.session import Database
from runtime.db.stores import artifacts, capacity, jobs
from runtime.db.stores.capacity import Heartbeat
from runtime.doorbells import Doorbells, RedisDoorbells, jobs_a_bell
from runtime.heartbeat import beat_once, pulse, repeat, stop
from runtime.http_client import make_transport
from runtime.ids import new_id
from runtime.logs import logger
from runtime.metrics import Metrics, serve
from runtime.pool import Room
from runtime.redis_client import make_redis
from runtime.settings import Settings
from schemas.catalog import CatalogProvider
from schemas.errors import ClassyardError, MissingKey
from schemas.job import Job
from schemas.messages import provider_queue
from schemas.policy import PlanLimits
from schemas.review import Review

KEY_CHECK_S = 10.0
"""How often a worker without its key looks again; the operator may just be putting it there."""

QUICK_MS = 250
"""Where calls take no longer, a slot asks for its next jobs during the last one that it has, if there are enough for
every slot; and where there are none, it stays for a moment and asks again before it is given back."""

STAYS_S, STAYS = 0.05, 4
"""How long it waits then for others that ask, such as a bell, to ask with them; and how often."""

SLOW = 2
"""A parcel that takes so many times the seconds that it may hold is not gone on with: calls take longer than they did,
and any slot that is free is sooner there for the rest of it, and for what is urgent."""

AHEAD_S = 0.025
"""How long it can wait for others where it asks ahead, and no longer than half a call takes."""


@dataclass
class ProviderService:
    """Made at the roof; `start` runs on the pool's loop and opens what the worker needs."""

    settings: Settings
    provider: CatalogProvider
    limits: PlanLimits
    environ: Mapping[str, str]
    metrics: Metrics = field(default_factory=Metrics)
    worker_id: str = field(default_factory=new_id)

    def __post_init__(self) -> None:
        self.seen = Observations()
        self._slots: dict[str, Hold] = {}
        self._reviews: dict[str, Review] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._trouble = ""
        self._server: Server | None = None

    # -- life

    async def start(self, room: Room) -> None:
        self._room = room
        self._database = Database(self.settings.database_url, connections=6)
        await self._database.open()
        self._bells: Doorbells = RedisDoorbells(make_redis(self.settings.redis_url), self.metrics)
        self._transport = make_transport(max_calls=max(self.provider.ceiling, room.limit) + 10)
        self._parcels = Parcels(
            self._database,
            self.settings,
            provider=self.provider.name,
            worker_id=self.worker_id,
            ids=new_id,
            attempts=self.limits.attempts_per_step,
        )
        self._standing = Standing(
            self._database, self.settings.tenant, self.provider.name, self.worker_id, ticks
        )
        self._writer = Writer(self._database, self.metrics, actor=self.worker_id)
        self._writer.start()
        self._address = serve(self.metrics, self.settings.metrics_host, self.settings.metrics_port)
        await self._register()
        self._find_key()
        await beat_once(self._database, self.settings.tenant, self._said())
        self._tasks = self._background()
        logger().info("worker.ready", provider=self.provider.name, slots=room.limit, metrics=self._address)

    def _background(self) -> list[asyncio.Task[None]]:
        settings = self.settings
        return [
            asyncio.create_task(
                pulse(self._database, settings.tenant, self._said, every_s=settings.heartbeat_s)
            ),
            asyncio.create_task(repeat(self._look, every_s=settings.heartbeat_s, name="standing")),
            asyncio.create_task(repeat(self._renew, every_s=settings.lease_s / 3, name="lease")),
            asyncio.create_task(repeat(self._tell, every_s=settings.heartbeat_s, name="seen")),
            asyncio.create_task(repeat(self._look_for_key, every_s=KEY_CHECK_S, name="key")),
        ]

    async def close(self) -> None:
        for parcel in await self._parcels.close():
            await self._give_back(parcel.slot_id, Run(list(parcel.jobs)))
        await self._writer.close()
        await stop(*self._tasks)
        async with self._database.transaction() as connection:
            await capacity.release(connection, list(self._slots))
            await capacity.leave(connection, self.worker_id)
        await self._transport.aclose()
        await self._bells.close()
        await self._database.close()

    # -- a bell

    async def answer(self) -> None:
        """Takes a parcel and serves it, and then the next one. Brings the other slots into use that could be."""
        if self._server is None:
            return
        with self.metrics.stage_seconds.labels("claim").time():
            parcel = await self._parcels.take(self.seen.job_ms_p50)
        if parcel is None:
            return
        self._slots.setdefault(parcel.slot_id, Hold(job.id for job in parcel.jobs))
        self._standing.claimed(parcel.breaker)
        await self._serve_parcel(parcel, self._server)

    async def _serve_parcel(self, parcel: Parcel, server: Server) -> None:
        run = Run(list(parcel.jobs), self._until())
        try:
            await self._rouse(parcel)
            await server.turns.take()
            while await self._serve_jobs(parcel, run, server) and (again := await self._next(parcel, run)):
                parcel, run.left, run.until = again, list(again.jobs), self._until()
                self._slots[parcel.slot_id].add(job.id for job in parcel.jobs)
                self._standing.claimed(parcel.breaker)
        finally:
            await asyncio.shield(self._settle(parcel, run))

    def _until(self) -> float:
        return ticks() + SLOW * self.settings.parcel_s

    async def _next(self, parcel: Parcel, run: Run) -> Parcel | None:
        """More for the slot. Where calls are quick it stays for a moment without any: to give it back and to be rung
        for again would cost as much as a call."""
        job_ms = self.seen.job_ms_p50
        if run.ahead is not None:
            again, run.ahead = await run.ahead, None
        else:
            again = await self._parcels.refill(parcel.slot_id, job_ms) if parcel.more else None
        for _ in range(STAYS if job_ms is not None and job_ms <= QUICK_MS else 0):
            if again is not None or self._must_stop(parcel):
                break
            again = await self._parcels.refill(parcel.slot_id, job_ms, patience_s=STAYS_S)
        return again

    def _ask_ahead(self, parcel: Parcel, run: Run) -> None:
        job_ms = self.seen.job_ms_p50
        if job_ms is None or job_ms > QUICK_MS or parcel.more < self._room.limit:
            return
        patience_s = min(AHEAD_S, job_ms / 2_000)
        asking = self._parcels.refill(parcel.slot_id, job_ms, patience_s=patience_s)
        run.ahead = asyncio.create_task(asking)

    async def _rouse(self, parcel: Parcel) -> None:
        """Brings the slots into use that should be, beside those that are: of this worker without a bell, since one
        after the other they would take a second to be rung for; of others by bells."""
        each = jobs_a_bell(self.seen.job_ms_p50, self.settings.parcel)
        wanted = min(-(-parcel.more // each), parcel.room)
        here = self._room.run_more(wanted)
        await self._bells.ring_all({provider_queue(self.provider.name): wanted - here})

    async def _serve_jobs(self, parcel: Parcel, run: Run, server: Server) -> bool:
        """Returns whether all of the parcel was served, and the slot may go on."""
        hold = self._slots[parcel.slot_id]
        while run.left and not self._must_stop(parcel):
            job = run.left[0]
            if hold.is_withdrawn(job.id):
                run.left.pop(0)  # it is final already, and not ours any more
                continue
            if len(run.left) == 1:
                self._ask_ahead(parcel, run)
            done = await self._serve_one(job, parcel, server)
            run.hand_in(self._writer.write(done.finished if isinstance(done, Served) else done))
            run.left.pop(0)  # handed in: whatever happens now, it is not ours to give back
            if isinstance(done, Served) and await self._rests_after(done, run.handed_on):
                return False  # the rest of the parcel would only hear the same
            if run.left and ticks() > run.until:
                return False
            await run.catch_up(self._writer.hurry)
        return not run.left and not self._must_stop(parcel)

    async def _serve_one(self, job: Job, parcel: Parcel, server: Server) -> Served | Finished:
        try:
            review = await self._review(job)
            return await server.serve(
                counted(job),
                parcel.texts[job.document_digest],
                review,
                parcel.earlier.get(job.id, ()),
                hold=self._slots[parcel.slot_id],
                tell=self._standing.hear,
            )
        except ClassyardError:
            raise
        except UnknownModel as unknown:
            return Finished(before=job, after=job.interrupted("unknown_model", str(unknown)))
        except Exception as error:  # our bug, or a document that finds one: counted, and never in a circle
            logger().error("serve.failed", job=job.id, error=type(error).__name__)
            after = job.interrupted(
                "internal_error", f"Serving it failed inside the worker ({type(error).__name__})."
            )
            return Finished(before=job, after=after)

    async def _rests_after(self, served: Served, handed_on: set[str]) -> bool:
        """Keeps what the call says of the provider, and returns whether that rests now."""
        if served.attempt_was_given_up:
            return False  # the slot is lost, or only this job was cancelled
        self.seen.saw(served.latency_ms, outage=is_outage(served.ending))
        self._note(served)
        job = served.next.job
        if job.provider and job.provider != self.provider.name:
            handed_on.add(job.provider)
        if served.next.rest:
            await self._rest(served.next.rest.seconds, served.next.rest.reason)
        return bool(served.next.rest)

    async def _settle(self, parcel: Parcel, run: Run) -> None:
        """Waits for the commits, gives back what was not started and the slot, rings who is next."""
        await self._give_back(parcel.slot_id, run)
        self._slots.pop(parcel.slot_id, None)
        await self._bells.ring_all(dict.fromkeys(map(provider_queue, sorted(run.handed_on)), 1))
        if parcel.more or run.left:
            await self._bells.ring(provider_queue(self.provider.name), 1)

    async def _give_back(self, slot_id: str, run: Run) -> None:
        if run.ahead is not None:
            (again,) = await asyncio.gather(run.ahead, return_exceptions=True)
            run.left += again.jobs if isinstance(again, Parcel) else ()
        for job in run.left:
            run.hand_in(self._writer.write(Finished(before=job, after=given_back(job))))
        run.hand_in(self._writer.write(Finished(release_slot=slot_id)))
        await asyncio.gather(*run.commits, return_exceptions=True)
        run.forget_done()

    def _must_stop(self, parcel: Parcel) -> bool:
        slot_id = parcel.slot_id
        return self._room.should_yield() or self._slots[slot_id].is_lost or self._standing.bars(slot_id)

    async def _rest(self, seconds: float, reason: str) -> None:
        """Where it cannot be written down, the next call will say so again."""
        logger().warning("provider.rests", provider=self.provider.name, seconds=seconds, reason=reason)
        try:
            async with self._database.transaction() as connection:
                await capacity.rest(
                    connection, self.settings.tenant, self.provider.name, seconds=seconds, reason=reason
                )
        except ClassyardError as error:
            logger().warning(
                "provider.rest_not_kept", provider=self.provider.name, error=type(error).__name__
            )

    async def _review(self, job: Job) -> Review:
        found = self._reviews.get(job.review_digest)
        if found is None:
            async with self._database.transaction() as connection:
                stored = await artifacts.load(connection, job.tenant_id, [job.review_digest])
            found = Review.model_validate(stored[job.review_digest])
            self._reviews[job.review_digest] = found
        return found

    # -- in the background

    async def _register(self) -> None:
        """Also gives back the slots of workers of this provider that ran on this machine and are no more, so that
        a restarted worker does not wait for their leases to end."""
        tenant, name = self.settings.tenant, self.provider.name
        async with self._database.transaction() as connection:
            await capacity.register_provider(
                connection, tenant, name, self.provider.ceiling, self.provider.limits
            )
            beside = await capacity.workers_at(connection, tenant, name, socket.gethostname())
            await capacity.bury(
                connection, [one for one, pid, started_s in beside if is_gone(pid, started_s)]
            )

    async def _renew(self) -> None:
        if not self._slots:
            return
        asked = list(self._slots)
        async with self._database.transaction() as connection:
            held = await capacity.renew(connection, asked, lease_s=self.settings.lease_s)
        self._lose(asked, held)

    async def _look(self) -> None:
        """How the provider stands, and which slots and jobs are still ours: within a heartbeat after a word of an
        operator or a submitter."""
        await self._standing.look()
        if asked := list(self._slots):
            in_hand = [job for hold in self._slots.values() for job in hold.jobs]
            async with self._database.transaction() as connection:
                held = await capacity.held(connection, asked)
                withdrawn = await jobs.withdrawn(connection, in_hand)
            self._lose(asked, held)
            for hold in self._slots.values():
                hold.withdraw(withdrawn & hold.jobs)

    def _lose(self, asked: list[str], held: frozenset[str]) -> None:
        """A slot that is gone was taken back: its call is given up, and its commits are fenced."""
        for slot_id in asked:
            if slot_id not in held and (hold := self._slots.get(slot_id)):
                hold.lose()

    def _note(self, served: Served) -> None:
        attempt = served.finished.attempt
        model = self.provider.model(attempt.model) if attempt else None
        if attempt is None or model is None:
            return
        used = (attempt.input_tokens, attempt.output_tokens)
        expected_ms = model.latency.expected_ms(*used) if sum(used) else 0
        self.seen.noted(
            served.ending, latency_ms=served.latency_ms, expected_ms=expected_ms, tokens=sum(used)
        )

    async def _tell(self) -> None:
        """Folds what was seen since the last time into the provider's row; kept for the next time where that fails."""
        observed = self.seen.untold()
        if not observed:
            return
        tenant, name = self.settings.tenant, self.provider.name
        async with self._database.transaction() as connection:
            seen = seen_of(await capacity.seen(connection, tenant, name)).after(observed)
            await capacity.keep_seen(connection, tenant, name, shown(seen))
        self.seen.told(len(observed))

    async def _look_for_key(self) -> None:
        if self._server is None:
            self._find_key()

    def _find_key(self) -> None:
        try:
            key = resolve(self.provider.key, self.environ, provider=self.provider.name)
            self._server = self._make_server(Caller(self.provider, key, self._transport))
            self._trouble = ""
        except MissingKey as error:
            if str(error) != self._trouble:
                logger().error("provider.no_key", provider=self.provider.name, detail=str(error))
            self._trouble = str(error)
        except ClassyardError as error:
            self._trouble = str(error)
            raise

    def _make_server(self, caller: Caller) -> Server:
        return Server(self.provider, caller, self.limits, self.metrics, utc_now, ticks)

    def _said(self) -> Heartbeat:
        self.metrics.slots.labels(self.provider.name).set(self._room.limit)
        return Heartbeat(
            worker_id=self.worker_id,
            role="provider",
            provider=self.provider.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            slots=self._room.limit,
            key_found=self._server is not None,
            detail=self._trouble,
            job_ms_p50=self.seen.job_ms_p50,
            answered=self.seen.answered,
            metrics_address=self._address,
        )


def is_gone(pid: int, started_s: float) -> bool:
    """Whether a worker of this machine that started at that time (seconds since 1970) is no more.

    A number that is in use again says nothing, but for our own: in a container every worker is process 1.
    """
    if pid == os.getpid():
        return started_s < psutil.Process().create_time()
    return not psutil.pid_exists(pid)
