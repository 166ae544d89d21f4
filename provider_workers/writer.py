"""Group commit: the slots of a process hand in what they finished, and one writer commits what has gathered.

A commit is one transaction: moves with their audit events, attempts, results, slots given back. A job that has moved
since it was claimed is fenced: its attempt is kept in the ledger, and nothing else of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from runtime import failpoints
from runtime.db.session import Connection, Database, clock, fetch, repeated
from runtime.db.stores import capacity, jobs, labels, record, rungs
from runtime.logs import logger
from runtime.metrics import Metrics
from schemas.attempt import Attempt
from schemas.errors import ServiceUnreachable, SurroundingsFault
from schemas.job import Job
from schemas.result import Result
from schemas.rung import RungAnswer, RungLabel

GATHER_S = 0.003
"""How long the first finished job waits for company: far below a call, enough to share a commit when many finish."""

BUSY_S = 0.012
"""So long where the last one had company, unless a slot is given back: nobody waits for these but who asks for the
result, and a commit of ten costs little more than one of three."""

MOST = 200
"""Jobs in one commit."""

TRIES = 8
"""Commits tried while the database does not answer, with pauses that double to 5 s: about 20 s in all. After that
the leases end and the work is done again by whoever claims it."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a slot hands in. Without a `move` only the slot is given back."""

    before: Job | None = None
    after: Job | None = None
    facts: dict[str, object] = field(default_factory=dict)
    attempt: Attempt | None = None
    result: Result | None = None
    kept: RungAnswer | None = None
    labels: tuple[RungLabel, ...] = ()
    release_slot: str | None = None


@dataclass(slots=True)
class _Waiting:
    finished: Finished
    done: asyncio.Future[bool]


class Writer:
    def __init__(self, database: Database, metrics: Metrics, *, actor: str) -> None:
        self._database, self._metrics, self._actor = database, metrics, actor
        self._queue: asyncio.Queue[_Waiting | None] = asyncio.Queue()
        """None: nothing comes after it."""
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    def write(self, finished: Finished) -> asyncio.Future[bool]:
        """Resolves to whether the move was applied; False means fenced. Raises what the database raised."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Waiting(finished, done))
        if finished.release_slot or self._queue.qsize() >= MOST:
            self.hurry()
        return done

    def hurry(self) -> None:
        """Somebody waits: what is there is committed without waiting for more."""
        self._hurry.set()

    async def close(self) -> None:
        """Commits what is still waiting, and waits for the commit that is under way."""
        if self._task is None:
            return
        self._queue.put_nowait(None)
        self.hurry()
        await self._task
        self._task = None

    async def _run(self) -> None:
        busy = False
        while (first := await self._queue.get()) is not None:
            await asyncio.sleep(GATHER_S)
            if busy:
                await self._gathered()
            self._hurry.clear()
            group = [first, *self._company()]
            busy = len(group) > 1
            await self._commit(group)

    async def _gathered(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), BUSY_S)

    def _company(self) -> Iterator[_Waiting]:
        """What came in meanwhile."""
        for _ in range(MOST - 1):
            if self._queue.empty():
                return
            waiting = self._queue.get_nowait()
            if waiting is None:
                self._queue.put_nowait(None)
                return
            yield waiting

    async def _commit(self, group: list[_Waiting]) -> None:
        try:
            applied = await self._persist([waiting.finished for waiting in group])
        except Exception as error:
            await self._failed(group, error)
            return
        for waiting in group:
            before = waiting.finished.before
            _resolve(waiting, before is None or before.id in applied)

    async def _failed(self, group: list[_Waiting], error: Exception) -> None:
        if len(group) > 1 and not isinstance(error, SurroundingsFault):
            for waiting in group:  # one of them cannot be stored; the others must not go down with it
                await self._commit([waiting])
            return
        logger().error("commit.failed", jobs=len(group), error=type(error).__name__)
        for waiting in group:
            _resolve(waiting, error)

    async def _persist(self, group: Sequence[Finished]) -> frozenset[str]:
        """The ids that moved. A commit that was applied and reported as failed is recognised by its audit heads."""
        unclear: list[jobs.Move] = []
        for left in range(TRIES - 1, -1, -1):
            try:
                applied: frozenset[str] = await repeated(lambda: self._once(group, unclear))
                return applied
            except ServiceUnreachable:
                if not left:
                    raise
                await asyncio.sleep(min(5.0, 0.2 * 2 ** (TRIES - 1 - left)))
        raise AssertionError("unreachable")

    async def _once(self, group: Sequence[Finished], unclear: list[jobs.Move]) -> frozenset[str]:
        async with self._database.transaction() as connection:
            landed = await _landed(connection, unclear)
            if landed:
                return landed
            now = await clock(connection)
            moves = [
                jobs.move_of(one.before, one.after, at=now, actor=self._actor, facts=one.facts)
                for one in group
                if one.before is not None and one.after is not None
            ]
            unclear.extend(moves)
            applied = await jobs.move(connection, moves)
            await self._keep(connection, group, applied)
            failpoints.reach("writer.commit")
        failpoints.reach("writer.committed")
        self._count(moves, applied)
        return applied

    async def _keep(self, connection: Connection, group: Sequence[Finished], applied: frozenset[str]) -> None:
        attempts = [(one.before, one.attempt) for one in group if one.before and one.attempt]
        results = [
            (one.before, one.result)
            for one in group
            if one.before and one.result and one.before.id in applied
        ]
        await record.keep_attempts(connection, attempts, applied)
        await record.keep_results(connection, results)
        moved = [one for one in group if one.before and one.before.id in applied]
        await rungs.keep(connection, [one.kept for one in moved if one.kept])
        await labels.keep(connection, [label for one in moved for label in one.labels])
        await capacity.release(connection, [one.release_slot for one in group if one.release_slot])

    def _count(self, moves: Sequence[jobs.Move], applied: frozenset[str]) -> None:
        for move in moves:
            if move.after.id in applied:
                self._metrics.of(self._metrics.moves, move.after.state.value).inc()
            else:
                self._metrics.fenced.inc()
                logger().warning("commit.fenced", job=move.before.id, token=move.before.lease_token)


async def _landed(connection: Connection, unclear: Sequence[jobs.Move]) -> frozenset[str]:
    """Of the moves of an earlier try that may have been committed after all, those that were."""
    if not unclear:
        return frozenset()
    rows = await fetch(
        connection,
        "select distinct job_id::text as id from audit_events where hash = any(%s) and job_id = any(%s::uuid[])",
        ([move.event.hash for move in unclear], [move.before.id for move in unclear]),
    )
    return frozenset(row["id"] for row in rows)


def _resolve(waiting: _Waiting, outcome: bool | Exception) -> None:
    if waiting.done.done():
        return
    if isinstance(outcome, Exception):
        waiting.done.set_exception(outcome)
    else:
        waiting.done.set_result(outcome)
