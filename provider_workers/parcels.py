"""Take parcels: slots below the provider's ceiling, and for each the short run of jobs that it will serve.

One transaction behind the provider's gate, for all who ask at that moment. A slot is the permit of one call in flight;
its lease is the lease of every job in its parcel. A slot whose jobs are done may be given more: then it need not wait
for their commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from provider_workers.asking import Asked, Together
from runtime import failpoints
from runtime.breaker import Breaker, probing
from runtime.db.session import Connection, Database, repeated
from runtime.db.stores import breakers, budgets, capacity, documents, jobs, rungs
from runtime.doorbells import jobs_a_bell
from runtime.ids import NewId
from runtime.limits import draw
from runtime.settings import Settings
from schemas.budget import Account, call_cost_usd_micros, covers
from schemas.changing import changed
from schemas.job import Job
from schemas.lifecycle import JobState
from schemas.rung import RungAnswer
from schemas.sensitivity import Lane


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
    room: int = 0
    """Slots that could be taken beside this one then."""
    breaker: Breaker = field(default_factory=Breaker)
    """The provider's, as this claim left it; half open: this parcel's one call is the probe."""


QUICK_JOBS = 2
"""Of those that a slot does in a moment it takes so many, however few there are: during the last it asks for more. Not
all that it could do, since those that are served beside each other share a commit."""


def parcel_length(backlog: int, ceiling: int, job_ms: int | None, *, most: int, parcel_s: float) -> int:
    """Jobs for one slot: a fair share of the backlog, with half kept back so that slots end together, or two quick
    ones; 1 to `most`, and no more than `parcel_s` seconds of work. One while nobody knows what a job takes."""
    if job_ms is None:
        return 1
    share = max(backlog // (2 * max(1, ceiling)), min(QUICK_JOBS, jobs_a_bell(job_ms, most)))
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
        self._together = Together(self._claimed)

    async def take(self, job_ms: int | None) -> Parcel | None:
        """None where there is nothing to do, no room below the ceiling, or the provider rests.

        `job_ms` is what a job takes here lately, in milliseconds.
        """
        return await self._together.ask(job_ms, None, patience_s=0)

    async def refill(self, slot_id: str, job_ms: int | None, *, patience_s: float = 0) -> Parcel | None:
        """More jobs for a slot that is held; None: there are none, or it is to be given back. It can wait so long for
        others that ask, and for jobs to come."""
        return await self._together.ask(job_ms, slot_id, patience_s=patience_s)

    async def close(self) -> list[Parcel]:
        """Ends; returns the parcels of those who did not wait for them. Nothing of them was begun."""
        return await self._together.close()

    async def _claimed(self, asking: Sequence[Asked[Parcel]]) -> dict[int, Parcel]:
        while True:
            try:
                parcels: dict[int, Parcel] = await repeated(lambda: self._take(asking))
            except _Unopened as unopened:
                await repeated(partial(self._open, unopened.keys))
                continue
            if parcels:
                failpoints.reach("parcel.taken")
            return parcels

    async def _open(self, keys: tuple[budgets.Key, ...]) -> None:
        async with self._database.transaction() as connection:
            await budgets.open_(connection, self._settings.tenant, keys)

    async def _take(self, asking: Sequence[Asked[Parcel]]) -> dict[int, Parcel]:
        tenant = self._settings.tenant
        async with self._database.transaction() as connection:
            gate = await capacity.gate(connection, tenant, self._provider)
            if gate is None:
                return {}
            fresh, again = await self._admitted(connection, gate, asking)
            lengths = self._lengths(gate, [*fresh, *again])
            fresh, again = fresh[: len(lengths)], again[: max(0, len(lengths) - len(fresh))]
            if not lengths:
                return {}
            found = await capacity.routed(connection, tenant, self._provider, most=sum(lengths))
            quick = max(jobs_a_bell(each.job_ms, self._settings.parcel) for each in asking)
            hands = dealt(found, fresh=len(fresh), again=len(again), lengths=lengths, urgent=quick)
            wanted = {job.id for hand in hands for job in hand}
            chosen = [job for job in found if job.id in wanted]
            chosen = await self._within_limits(connection, gate, chosen)
            costs = await self._within_budgets(connection, gate, chosen) if chosen else {}
            hands = [[job for job in hand if job.id in costs] for hand in hands]
            askers = [*fresh, *again][: len(hands)]
            given = [(each, hand) for each, hand in zip(askers, hands, strict=True) if hand]
            return await self._hold(connection, gate, given, costs) if given else {}

    async def _admitted(
        self, connection: Connection, gate: capacity.Gate, asking: Sequence[Asked[Parcel]]
    ) -> tuple[list[Asked[Parcel]], list[Asked[Parcel]]]:
        """Who gets a new slot, as far as there is room; and whose slot goes on, unless it was taken back."""
        new = [each for each in asking if each.into is None]
        room = max(1, gate.allowed - gate.held) if gate.has_room else 0
        slots = [each.into for each in asking if each.into is not None] if gate.goes_on else []
        held = await capacity.held(connection, slots, keep=True) if slots else frozenset()
        return new[: 1 if gate.probes else room] if room else [], [
            each for each in asking if each.into in held
        ]

    def _lengths(self, gate: capacity.Gate, asking: Sequence[Asked[Parcel]]) -> list[int]:
        lengths: list[int] = []
        settings = self._settings
        for each in asking:
            left = gate.backlog - sum(lengths)
            if left <= 0:
                break
            length = parcel_length(
                left, gate.allowed, each.job_ms, most=settings.parcel, parcel_s=settings.parcel_s
            )
            lengths.append(1 if gate.probes else length)
        return lengths

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
        self,
        connection: Connection,
        gate: capacity.Gate,
        given: Sequence[tuple[Asked[Parcel], list[Job]]],
        costs: Mapping[str, int],
    ) -> dict[int, Parcel]:
        tenant, provider = self._settings.tenant, self._provider
        slots = [each.into or self._ids() for each, _ in given]
        taken = [slot for slot, (each, _) in zip(slots, given, strict=True) if each.into is None]
        await capacity.take_slots(
            connection, tenant, provider, self._worker_id, taken, lease_s=self._settings.lease_s
        )
        breaker = gate.breaker
        if gate.probes:
            breaker = probing(breaker, slots[0])
            await breakers.keep(connection, tenant, provider, breaker)
        moves = [
            self._move(gate, job, slot, costs[job.id])
            for slot, (_, hand) in zip(slots, given, strict=True)
            for job in hand
        ]
        held = await jobs.move(connection, moves)
        serving = [move.after for move in moves if move.after.id in held]
        texts = await documents.texts(connection, tenant, [job.document_digest for job in serving])
        earlier = await rungs.load(connection, tenant, [job.id for job in serving if job.attempts])
        failpoints.reach("parcel.commit")
        more = max(0, gate.backlog - len(serving))
        room = max(0, gate.allowed - gate.held - len(taken))
        return {
            id(each): parcel_of(slot, serving, texts, earlier, more=more, room=room, breaker=breaker)
            for slot, (each, _) in zip(slots, given, strict=True)
        }

    def _move(self, gate: capacity.Gate, job: Job, slot_id: str, cost: int) -> jobs.Move:
        after = job.moved(
            JobState.SERVING,
            slot_id=slot_id,
            lease_token=job.lease_token + 1,
            not_before=None,
            reserved_usd_micros=cost,
            reason_code="",
            reason="",
        )
        facts = {"slot": slot_id, "provider": job.provider, "model": job.model, "step": job.step}
        return jobs.move_of(job, after, at=gate.now, actor=self._worker_id, facts=facts)


def parcel_of(
    slot_id: str,
    serving: Sequence[Job],
    texts: Mapping[str, str],
    earlier: Mapping[str, tuple[RungAnswer, ...]],
    **more: Any,
) -> Parcel:
    """Of what was claimed together, what belongs to one slot."""
    own = tuple(job for job in serving if job.slot_id == slot_id)
    return Parcel(
        slot_id,
        own,
        {job.document_digest: texts[job.document_digest] for job in own},
        {job.id: earlier[job.id] for job in own if job.id in earlier},
        **more,
    )


def dealt(
    found: Sequence[Job], *, fresh: int, again: int, lengths: Sequence[int], urgent: int = 1
) -> list[list[Job]]:
    """Jobs, most urgent first, for so many new slots and then for slots that go on; like cards, so that the most
    urgent ones come first in every slot. Of the urgent lane no slot gets more than `urgent`: the next slot that is free
    is sooner there than the end of a call.

    A job that was once taken back from a lost worker is served alone, in a new slot. Where there is none for it, a
    slot that would go on gets nothing, and makes room: fewer hands come back then, for the last of the slots.
    """
    wary = [job for job in found if job.interruptions]
    alone = wary[:fresh]
    going = max(0, again - len(wary[fresh:]))
    hands = fresh - len(alone) + going
    calm = [job for job in found if not job.interruptions]
    late = {job.id for job in [job for job in calm if job.lane is Lane.URGENT][hands * urgent :]}
    calm = [job for job in calm if job.id not in late]
    calm = calm[: sum(lengths[len(alone) : len(alone) + hands])]
    return [*([job] for job in alone), *(calm[n::hands] for n in range(hands))]


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


def given_back(job: Job) -> Job:
    """A job of a parcel that was not started, as it goes back to its provider's queue."""
    return job.moved(
        JobState.ROUTED,
        slot_id=None,
        reason_code="given_back",
        reason="Its slot stopped before its turn: the worker ends, the provider rests, or calls became slow.",
    )


def counted(job: Job) -> Job:
    """The job with the call that is being made counted, in total and for its step."""
    return changed(job, attempts=job.attempts + 1, step_attempts=job.step_attempts + 1)
