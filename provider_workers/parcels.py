"""Take a parcel: one slot below the provider's ceiling, and the short run of jobs that it will serve.

One transaction behind the provider's gate. The slot is the permit of one call in flight; its lease is the lease of
every job in the parcel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from runtime import failpoints
from runtime.breaker import Breaker, probing
from runtime.db.session import Connection, Database, repeated
from runtime.db.stores import breakers, budgets, capacity, documents, jobs, rungs
from runtime.ids import NewId
from runtime.limits import draw
from runtime.settings import Settings
from schemas.budget import Account, call_cost_usd_micros, covers
from schemas.job import Job
from schemas.lifecycle import JobState
from schemas.rung import RungAnswer


@dataclass(frozen=True, slots=True)
class Parcel:
    slot_id: str
    jobs: tuple[Job, ...]
    """In the order of their urgency; each in SERVING with a fresh lease token."""
    texts: dict[str, str]
    """Documents by digest."""
    earlier: dict[str, tuple[RungAnswer, ...]]
    """By job: answers that are kept of it; only jobs that were served before have any."""
    more: int
    """Jobs that could be claimed beside these when this parcel was taken."""
    breaker: Breaker = field(default_factory=Breaker)
    """The provider's, as this claim left it; half open: this parcel's one call is the probe."""


def parcel_length(backlog: int, ceiling: int, job_ms: int | None, *, most: int, parcel_s: float) -> int:
    """Jobs for one slot: a fair share of the backlog, with half kept back so that slots end together; 1 to `most`,
    and no more than `parcel_s` seconds of work."""
    share = backlog // (2 * max(1, ceiling))
    by_time = int(parcel_s * 1000 // job_ms) if job_ms else most
    return max(1, min(most, share, by_time))


class Parcels:
    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        provider: str,
        worker_id: str,
        ids: NewId,
        attempts: int = 1,
    ) -> None:
        """`attempts` is what the policy gives a step: a plan's worst cost is that of so many calls."""
        self._database, self._settings = database, settings
        self._provider, self._worker_id, self._ids = provider, worker_id, ids
        self._attempts = attempts

    async def take(self, job_ms: int | None) -> Parcel | None:
        """None where there is nothing to do, no room below the ceiling, or the provider rests.

        `job_ms` is what a job takes here lately, in milliseconds.
        """
        while True:
            try:
                parcel: Parcel | None = await repeated(lambda: self._take(job_ms))
            except _Unopened as unopened:
                await repeated(partial(self._open, unopened.keys))
                continue
            if parcel is not None:
                failpoints.reach("parcel.taken")
            return parcel

    async def _open(self, keys: tuple[budgets.Key, ...]) -> None:
        async with self._database.transaction() as connection:
            await budgets.open_(connection, self._settings.tenant, keys)

    async def _take(self, job_ms: int | None) -> Parcel | None:
        tenant = self._settings.tenant
        async with self._database.transaction() as connection:
            gate = await capacity.gate(connection, tenant, self._provider)
            if gate is None or not gate.has_room:
                return None
            length = parcel_length(
                gate.backlog,
                gate.allowed,
                job_ms,
                most=self._settings.parcel,
                parcel_s=self._settings.parcel_s,
            )
            length = 1 if gate.probes else length
            found = _together(await capacity.routed(connection, tenant, self._provider, most=length))
            found = await self._within_limits(connection, gate, found)
            if not found:
                return None
            costs = await self._within_budgets(connection, gate, found)
            found = [job for job in found if job.id in costs]
            return await self._hold(connection, gate, found, costs) if found else None

    async def _within_budgets(
        self, connection: Connection, gate: capacity.Gate, found: list[Job]
    ) -> dict[str, int]:
        """What to reserve for each job, by id; those for which a budget has too little left go back to the router."""
        if not gate.budgeted:
            return dict.fromkeys((job.id for job in found), 0)
        tenant, batches = self._settings.tenant, sorted({job.batch_id for job in found})
        missing = await budgets.unopened(connection, tenant, batches)
        if missing:
            raise _Unopened(tuple(missing))
        accounts = await budgets.over(connection, tenant, batches, lock=True)
        if not accounts:
            return dict.fromkeys((job.id for job in found), 0)
        costs, short = shared_out(found, list(accounts.values()), self._attempts)
        back = [
            jobs.move_of(job, returned(job, account), at=gate.now, actor=self._worker_id, facts={})
            for job, account in short
        ]
        await jobs.move(connection, back)
        return costs

    async def _within_limits(
        self, connection: Connection, gate: capacity.Gate, found: list[Job]
    ) -> list[Job]:
        """Those that the provider's requests and tokens a minute let go now. The rest waits in the table; the keeper
        rings again."""
        if not gate.is_limited or not found:
            return found
        drawn = draw(gate.requests, gate.tokens, [expected_tokens(job) for job in found])
        if drawn.jobs:
            await capacity.keep_buckets(connection, self._settings.tenant, self._provider, drawn)
        return found[: drawn.jobs]

    async def _hold(
        self, connection: Connection, gate: capacity.Gate, found: list[Job], costs: Mapping[str, int]
    ) -> Parcel:
        slot_id = self._ids()
        await capacity.take_slot(
            connection,
            self._settings.tenant,
            self._provider,
            self._worker_id,
            slot_id,
            lease_s=self._settings.lease_s,
        )
        breaker = gate.breaker
        if gate.probes:
            breaker = probing(breaker, slot_id)
            await breakers.keep(connection, self._settings.tenant, self._provider, breaker)
        moves = [
            jobs.move_of(
                job,
                job.moved(
                    JobState.SERVING,
                    slot_id=slot_id,
                    lease_token=job.lease_token + 1,
                    not_before=None,
                    reserved_usd_micros=costs[job.id],
                    reason_code="",
                    reason="",
                ),
                at=gate.now,
                actor=self._worker_id,
                facts={"slot": slot_id, "provider": job.provider, "model": job.model, "step": job.step},
            )
            for job in found
        ]
        held = await jobs.move(connection, moves)
        serving = tuple(move.after for move in moves if move.after.id in held)
        texts = await documents.texts(
            connection, self._settings.tenant, [job.document_digest for job in serving]
        )
        earlier = await rungs.load(
            connection, self._settings.tenant, [job.id for job in serving if job.attempts]
        )
        failpoints.reach("parcel.commit")
        more = max(0, gate.backlog - len(serving))
        return Parcel(slot_id, serving, texts, earlier, more=more, breaker=breaker)


class _Unopened(Exception):
    """Budgets that apply have no row yet: they are opened in a transaction of their own, and the claim begins anew."""

    def __init__(self, keys: tuple[budgets.Key, ...]) -> None:
        super().__init__(f"{len(keys)} budgets are not open yet")
        self.keys = keys


def shared_out(
    found: Sequence[Job], accounts: Sequence[Account], attempts: int
) -> tuple[dict[str, int], list[tuple[Job, Account]]]:
    """What to reserve for each job, most urgent first, and the jobs that do not fit, each with what stands in the way.

    A call of unknown worst cost does not exist: every bound job has a step. A smaller one may fit after a larger one
    did not.
    """
    left = {account: account.left_usd_micros for account in accounts}
    costs: dict[str, int] = {}
    short: list[tuple[Job, Account]] = []
    for job in found:
        cost = next_call_usd_micros(job, attempts)
        above = [(one, rest) for one, rest in left.items() if rest is not None and covers(one, job.batch_id)]
        tight = next((one for one, rest in above if rest < cost), None)
        if tight is not None:
            short.append((job, tight))
            continue
        costs[job.id] = cost
        left.update({one: rest - cost for one, rest in above})
    return costs, short


def next_call_usd_micros(job: Job, attempts: int) -> int:
    """What is reserved for the call that a bound job is claimed for."""
    step = job.current_step
    return call_cost_usd_micros(step.worst_cost_usd_micros, attempts) if step else 0


def returned(job: Job, account: Account) -> Job:
    """A bound job for whose call a budget has too little left: the router decides it anew."""
    reason = f"The budget of the {account.name} has too little left for its next call; it is decided anew."
    return job.unbound("budget", reason)


def expected_tokens(job: Job) -> int:
    """What a call is expected to use, in o200k tokens: prompt, document and answer."""
    known = job.features
    return known.tokens + known.prompt_tokens + known.expected_output_tokens if known else 0


def _together(found: list[Job]) -> list[Job]:
    """A job that was once taken back from a lost worker is served alone."""
    wary = next((job for job in found if job.interruptions), None)
    return [wary] if wary else found


def given_back(job: Job) -> Job:
    """A job of a parcel that was not started, as it goes back to its provider's queue."""
    return job.moved(
        JobState.ROUTED,
        slot_id=None,
        reason_code="given_back",
        reason="Its slot stopped before its turn: the worker ends, or the provider rests.",
    )


def counted(job: Job) -> Job:
    """The job with the call that is being made counted, in total and for its step."""
    return replace(job, attempts=job.attempts + 1, step_attempts=job.step_attempts + 1)
