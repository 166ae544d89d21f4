"""The stages of a yard as steps that a test takes one by one, in any order, over a real PostgreSQL.

No process, no broker, no network: what they would do by themselves, the test does or leaves undone. A worker can stand
still for ever between any two of its steps, which is what a crash looks like from outside, or go on much later, which
is what a frozen one does.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg

from provider_workers.call import Caller
from provider_workers.parcels import Parcel, Parcels, counted, given_back
from provider_workers.serve import Served, Server
from provider_workers.writer import Finished, Writer
from router_worker.stage import Stage
from runtime.clock import ticks, utc_now
from runtime.ids import new_id
from runtime.keeper import Keeper
from schemas.attempt import Fault, FaultKind
from schemas.call import HttpReply, HttpRequest
from schemas.catalog import Catalog, CatalogProvider
from schemas.job import Job
from schemas.lifecycle import FINAL
from schemas.policy import RoutingPolicy
from tests.yard import REVIEW, STEADY_MS, Yard, fake_bells

ENDINGS = (
    *("sound", "doubtful", "unusable", "malformed", "rate", "overload", "refused", "bad_request"),
    *("timeout", "applied_then_timeout", "connection", "quota"),
)
"""What may become of a call."""


def _answer(quote: str) -> str:
    finding = {"id": "termination", "severity": "low", "quote": quote, "explanation": "It ends so."}
    return json.dumps(
        {"summary": "A contract.", "findings": [finding], "verdict": "acceptable", "confidence": 0.5}
    )


def _reply(text: str, *, status: int = 200, **headers: str) -> HttpReply:
    message = {"role": "assistant", "content": text, "refusal": None}
    body = {
        "model": "one-v1",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }
    return HttpReply(status, dict(headers), json.dumps(body).encode())


def _error(status: int, code: str, **headers: str) -> HttpReply:
    body = {"error": {"message": "no", "type": "server_error", "param": None, "code": code}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpReply(status, named, json.dumps(body).encode())


REPLIES: Mapping[str, HttpReply | Fault] = {
    "sound": _reply(
        _answer("Either party may terminate this Agreement upon thirty (30) days written notice.")
    ),
    "doubtful": _reply(_answer("Nobody may ever terminate this Agreement for any reason at all.")),
    "unusable": _reply("I am sorry, here is a poem."),
    "malformed": HttpReply(200, {}, b"<html>"),
    "rate": _error(429, "rate_limit_exceeded", retry_after="0"),
    "overload": _error(503, "overloaded"),
    "refused": _error(400, "content_policy_violation"),
    "bad_request": _error(400, "invalid_request"),
    "quota": _error(429, "insufficient_quota"),
    "timeout": Fault(FaultKind.TIMEOUT, "The provider did not finish its reply within 1 s."),
    "applied_then_timeout": Fault(FaultKind.TIMEOUT, "The provider did not finish its reply within 1 s."),
    "connection": Fault(FaultKind.CONNECTION, "The provider could not be reached."),
}


class PretendCaller(Caller):
    """Answers as it is told, and counts what the provider would have seen of each job."""

    def __init__(self) -> None:
        self.ending = "sound"
        self.seen: Counter[str] = Counter()

    async def send(
        self, request: HttpRequest, *, idempotency_key: str | None = None, timeout_s: float | None = None
    ) -> HttpReply | Fault:
        if self.ending != "connection":
            self.seen[(idempotency_key or "").rpartition("-")[0]] += 1
        return REPLIES[self.ending]


@dataclass
class Worker:
    """One slot's work, between its steps."""

    provider: str
    parcel: Parcel
    left: list[Job]
    served: Served | None = None
    """A call was made, and what it came to is not handed in yet."""
    told: list[Finished] = field(default_factory=list)
    """What it has handed in: a frozen one may hand it in again."""

    @property
    def is_done(self) -> bool:
        return not self.left and self.served is None


@dataclass
class Hands:
    """Everything that moves in a yard, held by the test."""

    here: Yard
    catalog: Catalog
    policy: RoutingPolicy
    workers: list[Worker] = field(default_factory=list)
    stale: list[Worker] = field(default_factory=list)
    """Frozen or dead: their slots run out; they may come back."""
    callers: dict[str, PretendCaller] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stage: Stage = self.here.stage(self.catalog, self.policy)
        self.keeper = Keeper(
            self.here.settings, self.here.database, fake_bells(self.here.metrics)[0], self.here.metrics
        )
        names = [provider.name for provider in self.catalog.providers]
        self.callers = {name: PretendCaller() for name in names}
        self.workers_by_name = {name: new_id() for name in names}

    async def start(self) -> None:
        await self.stage.publish()
        await self.beat()

    async def under(self, policy: RoutingPolicy) -> None:
        """Another router, with another policy; the first one is not asked any more."""
        self.policy, self.stage = policy, self.here.stage(self.catalog, policy)
        await self.stage.publish()

    # -- a worker's steps

    async def take(self, provider: str) -> Worker | None:
        parcels = Parcels(
            self.here.database, self.here.settings, provider=provider, worker_id=new_id(), ids=new_id
        )
        parcel = await parcels.take(STEADY_MS)
        if parcel is None:
            return None
        worker = Worker(provider, parcel, list(parcel.jobs))
        self.workers.append(worker)
        return worker

    async def call(self, worker: Worker, ending: str) -> None:
        if worker.served is not None or not worker.left:
            return
        caller = self.callers[worker.provider]
        caller.ending = ending
        job = counted(worker.left[0])
        server = Server(
            self._provider(worker.provider), caller, self.policy.plan, self.here.metrics, utc_now, ticks
        )
        worker.served = await server.serve(job, worker.parcel.texts[job.document_digest], REVIEW)

    async def hand_in(self, worker: Worker, *, times: int = 1) -> None:
        """`times`: the commit was applied, was reported as failed, and is tried again."""
        if worker.served is None:
            return
        finished = worker.served.finished
        worker.served = None
        worker.left.pop(0)
        worker.told.append(finished)
        for _ in range(times):
            await self._write(finished)

    async def hand_in_again(self, worker: Worker) -> None:
        for finished in worker.told:
            await self._write(finished)

    async def settle(self, worker: Worker) -> None:
        """Gives back what was not started, and the slot."""
        if worker.served is not None:
            await self.hand_in(worker)
        for job in worker.left:
            await self._write(Finished(before=job, after=given_back(job)))
        await self._write(Finished(release_slot=worker.parcel.slot_id))
        worker.left = []

    async def _write(self, finished: Finished) -> bool:
        """By a writer of its own, as a worker that was started anew would."""
        writer = Writer(self.here.database, self.here.metrics, actor="worker")
        writer.start()
        try:
            return await writer.write(finished)
        finally:
            await writer.close()

    # -- the world

    async def leases_end(self) -> None:
        """Of every worker that stands still."""
        slots = [worker.parcel.slot_id for worker in self.stale]
        await self.here.do(
            "update slots set lease_until = clock_timestamp() - interval '1 second' where id = any(%s::uuid[])",
            (slots,),
        )

    async def pauses_end(self) -> None:
        """Time passes: no job has to wait for its next try, and no provider rests."""
        await self.here.do(
            "update jobs set not_before = null where not_before is not null and state = 'routed'"
        )
        await self.here.do("update providers set rests_until = null")

    async def beat(self) -> None:
        """Every provider's worker is heard of; one that was forgotten meanwhile is there again."""
        for provider in self.catalog.providers:
            await self.here.provider_up(
                provider.name, ceiling=provider.ceiling, worker_id=self.workers_by_name[provider.name]
            )

    async def a_deadline_passes(self, number: int) -> None:
        """Of one open job, where there is any."""
        open_jobs = [job.id for job in await self.here.jobs() if job.state not in FINAL]
        if open_jobs:
            await self.here.do(
                "update jobs set deadline_at = clock_timestamp() where id = %s",
                (open_jobs[number % len(open_jobs)],),
            )

    async def pause(self, name: str, *, paused: bool) -> None:
        await self.here.do("update providers set paused = %s where name = %s", (paused, name))

    async def falls_silent(self, name: str) -> None:
        await self.here.do(
            "update workers set seen_at = clock_timestamp() - interval '10 minutes' where provider = %s",
            (name,),
        )

    def _provider(self, name: str) -> CatalogProvider:
        found = self.catalog.provider(name)
        assert found is not None
        return found

    async def slots(self) -> dict[str, int]:
        rows = await self.here.database.rows("select provider, count(*) as n from slots group by provider")
        return {row["provider"]: row["n"] for row in rows}


def empty(database_url: str) -> None:
    """A yard in which nothing ever happened, in a few milliseconds. The guards are for writers, not for tests that
    begin anew."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        names = connection.execute(
            "select string_agg(quote_ident(tablename), ', ') from pg_tables"
            " where schemaname = 'public' and tablename <> 'alembic_version'"
        ).fetchone()
        assert names is not None
        connection.execute(f"truncate {names[0]} cascade")  # type: ignore[arg-type]
