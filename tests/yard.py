"""A small yard for tests: values with sensible defaults, and a real database filled with them by a line or two.

What a test does not say is ordinary: an internal English document, a provider `alpha` that is up, no deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import fakeredis

from producer.intake.accept import Accepted, accept
from router_worker.features.extract import Extractor
from router_worker.rules import Rules
from router_worker.stage import Stage
from runtime.db.session import Database, Row
from runtime.db.stores import capacity, jobs
from runtime.db.stores.capacity import Heartbeat
from runtime.doorbells import RedisDoorbells
from runtime.ids import new_id
from runtime.metrics import Metrics
from runtime.settings import Settings
from schemas.attempt import Attempt
from schemas.canonical import digest
from schemas.catalog import Catalog, CatalogProvider
from schemas.decision import Step
from schemas.features import JobFeatures
from schemas.job import Job
from schemas.lifecycle import JobState
from schemas.policy import RoutingPolicy
from schemas.result import CheckReport, Result, Standing
from schemas.review import FindingKind, Review
from schemas.sensitivity import Lane, Quality, Sensitivity
from schemas.submission import Rejection, Requirements, SourceDocument
from tests.engine_values import NOON, a_policy, a_provider

TENANT = "default"

REVIEW = Review(
    review="clauses",
    version=1,
    title="Clauses to know",
    instructions="Find the clauses.",
    findings=(
        FindingKind(id="governing-law", look_for="which law applies"),
        FindingKind(id="termination", look_for="how it ends"),
    ),
)

SOUND = CheckReport(Standing.SOUND, "", parsed=True, schema_valid=True)
DOUBTFUL = CheckReport(Standing.DOUBTFUL, "1 of 2 quotes do not stand.", parsed=True, schema_valid=True)
UNUSABLE = CheckReport(Standing.UNUSABLE, "It is no JSON.", parsed=False, schema_valid=False)


# -- values


def a_plan(*providers: str) -> tuple[Step, ...]:
    return tuple(Step(name, "one", 1_000) for name in providers)


def a_job(**changes: Any) -> Job:
    fields: dict[str, Any] = {
        "id": "0198c0de-0000-7000-8000-000000000001",
        "tenant_id": TENANT,
        "batch_id": "0198c0de-0000-7000-8000-0000000000b0",
        "custom_id": "contract-1",
        "name": "contract-1.txt",
        "document_digest": "sha256:d",
        "review_digest": "sha256:r",
        "sensitivity": Sensitivity.INTERNAL,
        "residency": (),
        "quality": Quality.STANDARD,
        "lane": Lane.NORMAL,
        "deadline_at": None,
        "max_cost_usd_micros": None,
    }
    return Job(**fields | changes)


def a_serving_job(*providers: str, step: int = 0, **changes: Any) -> Job:
    """In SERVING at one step of a plan over these providers, its first call counted."""
    plan = a_plan(*(providers or ("alpha", "beta")))
    fields: dict[str, Any] = {
        "state": JobState.SERVING,
        "version": 3,
        "lease_token": 1,
        "slot_id": "0198c0de-0000-7000-8000-0000000000a0",
        "provider": plan[step].provider,
        "model": plan[step].model,
        "plan": plan,
        "step": step,
        "attempts": 1,
        "step_attempts": 1,
        "plans": 1,
    }
    return a_job(**fields | changes)


def some_features(**changes: Any) -> JobFeatures:
    fields: dict[str, Any] = {
        "tokens": 120,
        "prompt_tokens": 600,
        "expected_output_tokens": 350,
        "max_output_tokens": 900,
        "characters": 480,
        "language": "en",
        "modalities": ("text",),
        "needs_json_schema": True,
        "sensitivity": Sensitivity.INTERNAL,
        "residency": (),
        "quality": Quality.STANDARD,
        "time_left_ms": None,
        "max_cost_usd_micros": None,
    }
    return JobFeatures(**fields | changes)


def an_attempt(job: Job, **changes: Any) -> Attempt:
    """Of a job that counts the call already."""
    fields: dict[str, Any] = {
        "job_id": job.id,
        "number": job.attempts,
        "lease_token": job.lease_token,
        "provider": job.provider or "alpha",
        "model": job.model or "one",
        "model_version": "one-v1",
        "model_reported": "one-v1",
        "simulated": True,
        "started_at": NOON,
        "latency_ms": 12,
        "outcome": "answered",
        "detail": "",
        "http_status": 200,
        "request_digest": "sha256:q",
        "input_tokens": 100,
        "output_tokens": 20,
        "cost_usd_micros": 7,
    }
    return Attempt(**fields | changes)


def a_result(job: Job, **changes: Any) -> Result:
    fields: dict[str, Any] = {
        "tenant_id": job.tenant_id,
        "job_id": job.id,
        "lease_token": job.lease_token,
        "attempt": job.attempts,
        "provider": job.provider or "alpha",
        "model": job.model or "one",
        "model_version": "one-v1",
        "model_reported": "one-v1",
        "simulated": True,
        "output": {"summary": "", "findings": [], "verdict": "acceptable", "confidence": 0.5},
        "report": SOUND,
        "mean_logprob": None,
    }
    return Result(**fields | changes)


def contract(number: int, *, law: str = "the State of New York") -> str:
    return (
        f"SUPPLY AGREEMENT No. {number}\n\n"
        f"This Agreement shall be governed by the laws of {law}.\n"
        "Either party may terminate this Agreement upon thirty (30) days written notice.\n"
    )


def sources(count: int, *, first: int = 1) -> list[SourceDocument]:
    """Different contracts, `contract-1` and so on."""
    numbers = range(first, first + count)
    return [SourceDocument(f"contract-{n}", f"contract-{n}.txt", contract(n), "utf-8") for n in numbers]


# -- a database with work in it


@dataclass
class Yard:
    """A database, and verbs to fill it. Everything is of the tenant `default`."""

    database: Database
    settings: Settings
    metrics: Metrics = field(default_factory=Metrics)

    async def submit(
        self,
        found: int | Iterable[SourceDocument | Rejection] = 1,
        *,
        key: str | None = None,
        **requirements: Any,
    ) -> Accepted:
        return await accept(
            self.database,
            sources(found) if isinstance(found, int) else found,
            tenant_id=TENANT,
            source="a test",
            review=REVIEW,
            requirements=Requirements(**requirements),
            key=key,
        )

    async def provider_up(self, name: str = "alpha", *, ceiling: int = 8, **said: Any) -> str:
        """A registered provider with a living worker; returns the worker's id."""
        worker_id: str = said.pop("worker_id", None) or new_id()
        beat = Heartbeat(worker_id, "provider", name, "host", 1, **{"slots": ceiling, **said})
        async with self.database.transaction() as connection:
            await capacity.register_provider(connection, TENANT, name, ceiling)
            await capacity.beat(connection, TENANT, beat)
        return worker_id

    async def routed(self, count: int = 1, *providers: str, **requirements: Any) -> list[Job]:
        """New jobs, bound to the first of these providers with the others as fallbacks; in the order of arrival."""
        plan = a_plan(*(providers or ("alpha",)))
        accepted = await self.submit(count, **requirements)
        found = await self.jobs(accepted.batch_id)
        return await self.move(
            [
                (
                    job,
                    job.moved(
                        JobState.ROUTED,
                        provider=plan[0].provider,
                        model=plan[0].model,
                        plan=plan,
                        plans=1,
                        features=some_features(),
                        route_class="c",
                    ),
                )
                for job in found
            ]
        )

    async def serving(self, count: int = 1, *providers: str, lease_s: float = 30.0) -> list[Job]:
        """As `routed`, and held by one slot of a worker that nobody hears of."""
        found, slot_id = await self.routed(count, *providers), new_id()
        async with self.database.transaction() as connection:
            name = found[0].provider or ""
            await capacity.register_provider(connection, TENANT, name, 8)
            await capacity.take_slot(connection, TENANT, name, new_id(), slot_id, lease_s=lease_s)
        claimed = [
            (job, job.moved(JobState.SERVING, slot_id=slot_id, lease_token=job.lease_token + 1))
            for job in found
        ]
        return await self.move(claimed)

    async def move(self, steps: Sequence[tuple[Job, Job]], *, actor: str = "test") -> list[Job]:
        """Writes the moves and returns the jobs as they are stored; all of them must apply."""
        async with self.database.transaction() as connection:
            moves = [jobs.move_of(old, new, at=NOON, actor=actor, facts={}) for old, new in steps]
            moved = await jobs.move(connection, moves)
        assert moved == {old.id for old, _ in steps}
        return [move.after for move in moves]

    async def jobs(self, batch_id: str | None = None) -> list[Job]:
        """In the order of arrival."""
        asked = f"select {jobs.COLUMNS} from jobs j where %s::uuid is null or j.batch_id = %s order by j.id"
        return [jobs.job_of(row) for row in await self.database.rows(asked, (batch_id, batch_id))]

    async def job(self, job_id: str) -> Job:
        async with self.database.transaction() as connection:
            found = await jobs.find(connection, TENANT, job_id)
        assert found is not None
        return found

    async def states(self) -> dict[str, int]:
        rows = await self.database.rows("select state, count(*) as n from jobs group by state")
        return {row["state"]: row["n"] for row in rows}

    async def count(self, table: str) -> int:
        rows: list[Row] = await self.database.rows(f"select count(*) as n from {table}")
        return int(rows[0]["n"])

    async def do(self, statement: str, arguments: Sequence[Any] = ()) -> None:
        await self.database.rows(statement, arguments)

    def stage(self, catalog: Catalog, policy: RoutingPolicy | None = None, **changes: Any) -> Stage:
        rules = Rules.of(catalog, policy or a_policy())
        settings = self.settings.model_copy(update=changes)
        return Stage(settings, self.database, rules, EXTRACTOR, self.metrics, new_id())


EXTRACTOR = Extractor()
"""One for all tests: its tables take a moment to load."""


@asynccontextmanager
async def yard(
    database_url: str, *, redis_url: str = "", connections: int = 4, **settings: Any
) -> AsyncIterator[Yard]:
    database = Database(database_url, connections=connections)
    await database.open()
    try:
        yield Yard(database, some_settings(database_url, redis_url, **settings))
    finally:
        await database.close()


def some_settings(database_url: str = "", redis_url: str = "", **changes: Any) -> Settings:
    return Settings(database_url=database_url, redis_url=redis_url, **changes)


def a_catalog(*providers: str | CatalogProvider, **changes: Any) -> Catalog:
    """Providers by name or as they are; a name becomes an ordinary one with these changes."""
    found = (
        a_provider(each, **changes) if isinstance(each, str) else each for each in providers or ("alpha",)
    )
    return Catalog(providers=tuple(found))


def fake_bells(metrics: Metrics | None = None) -> tuple[RedisDoorbells, fakeredis.FakeAsyncRedis]:
    """The doorbells over a broker in memory, and the broker."""
    broker = fakeredis.FakeAsyncRedis()
    return RedisDoorbells(broker, metrics or Metrics()), broker


STEADY_MS = 60
"""What jobs take where a parcel may hold sixteen, and none is so quick that a slot takes two of few."""


class OpenRoom:
    """A pool's room that asks nobody to stop, until it is told to."""

    def __init__(self, limit: int = 4) -> None:
        self.limit = limit
        self.stop_after: int | None = None
        """Answers "no" so many times, then "yes"."""
        self.asked_for: list[int] = []
        """How many were to run beside a bell."""
        self.running_more = 0
        """So many of them do."""

    def should_yield(self) -> bool:
        if self.stop_after is None:
            return False
        self.stop_after -= 1
        return self.stop_after < 0

    def run_more(self, count: int) -> int:
        self.asked_for.append(count)
        return min(count, self.running_more)


def review_digest() -> str:
    return digest(REVIEW)


def counted(job: Job) -> Job:
    return replace(job, attempts=job.attempts + 1, step_attempts=job.step_attempts + 1)


async def until(true: Callable[[], Awaitable[bool]], *, within_s: float = 10.0) -> None:
    """Waits for something that another task brings about; fails where it does not come in time."""
    async with asyncio.timeout(within_s):
        while not await true():
            await asyncio.sleep(0.01)
