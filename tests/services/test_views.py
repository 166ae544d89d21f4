"""What the commands gather from a real database: a small batch, moved by the stores and the router's own stage."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import psycopg
import pytest
from rich.console import Console

from classyard.commands import (
    doctor,
    explain,
    explain_view,
    progress,
    providers,
    resolve,
    results,
    shortfalls,
    status,
    story,
    watch,
    yard_checks,
)
from classyard.commands.checks import Mark
from classyard.context import Context
from classyard.embedded.home import Home
from producer.intake.accept import accept
from provider_workers.checks.review import check
from provider_workers.parcels import Parcels, counted
from router_worker.features.extract import Extractor
from router_worker.stage import Rules, Stage
from runtime.db.session import Database, clock
from runtime.db.stores import capacity, jobs, record, views
from runtime.db.stores.capacity import Heartbeat
from runtime.ids import new_id
from runtime.metrics import Metrics
from runtime.settings import Settings
from schemas.attempt import Attempt
from schemas.canonical import digest
from schemas.catalog import Catalog, CatalogModel, CatalogProvider, DataTerms, Price
from schemas.errors import ServiceUnreachable, UnknownName
from schemas.job import Job
from schemas.lifecycle import JobState
from schemas.policy import RoutingPolicy
from schemas.result import Result
from schemas.review import Review
from schemas.sensitivity import Sensitivity
from schemas.submission import Rejection, Requirements, SourceDocument

pytestmark = pytest.mark.services

HOSTILE = "\x1b]0;owned\x07[bold red]evil[/] \u202egpj.exe"
DAY = date(2026, 11, 23)


def provider(name: str, *, simulated: bool, boundary: str = "internal", priced: bool = True) -> CatalogProvider:
    return CatalogProvider.model_validate(
        {
            "name": name,
            "kind": "api" if simulated else "self_hosted",
            "adapter": "openai",
            "base_url": "http://127.0.0.1:9/v1",
            "simulated": simulated,
            "boundary": boundary,
            "regions": ["eu"],
            "data_terms": DataTerms(retention_days=0, trains_on_data=False, source="test", checked=DAY),
            "ceiling": 4,
            "models": [_model(f"{name}-1", priced=True), *([] if priced else [_model(f"{name}-2", priced=False)])],
        }
    )


def _model(name: str, *, priced: bool) -> CatalogModel:
    price = Price(input_usd_micros_per_mtok=150_000, output_usd_micros_per_mtok=600_000, source="test", checked=DAY)
    return CatalogModel(
        name=name,
        version=f"{name}-2026",
        context_tokens=8_000,
        max_output_tokens=2_000,
        json_schema=True,
        quality=0.6,
        price=price if priced else None,
    )


CATALOG = Catalog(
    providers=(
        provider("sim-swift", simulated=True, priced=False),
        provider("own-model", simulated=False, boundary="restricted"),
    )
)
POLICY = RoutingPolicy(policy="default", version=1)
REVIEW = Review(review="contract-clauses", version=1, title="Clauses", instructions="Find clauses.")


@dataclass
class Bench:
    """A yard without processes: the rows that its roles would write, written by hand."""

    database: Database
    settings: Settings
    stage: Stage

    @classmethod
    def of(cls, database: Database, url: str) -> Bench:
        settings = Settings(database_url=url, redis_url="redis://127.0.0.1:9")
        stage = Stage(settings, database, Rules.of(CATALOG, POLICY), Extractor(), Metrics(), "router-1")
        return cls(database, settings, stage)

    async def opened(self, *, alive: Sequence[str] = ("sim-swift", "own-model")) -> Bench:
        await self.beat("router", None)
        await self.beat("keeper", None)
        for name in alive:
            await self.beat("provider", name)
        return self

    async def beat(self, role: str, name: str | None) -> None:
        said = Heartbeat(new_id(), role, name, "host", 4711, slots=2 if name else 0, metrics_address="127.0.0.1:1")
        async with self.database.transaction() as connection:
            await capacity.beat(connection, "default", said)

    async def submitted(self, count: int, *, rejected: int = 0, sensitivity: str = "internal", name: str = "") -> str:
        found = [
            SourceDocument(f"c{n}", name or f"contract-{n}.txt", f"Agreement {n}. Either party may end it.", "utf-8")
            for n in range(count)
        ]
        turned_away = [Rejection(f"bad-{n}.txt", "empty_file", "It is empty.") for n in range(rejected)]
        accepted = await accept(
            self.database,
            [*found, *turned_away],
            tenant_id="default",
            source="contracts",
            review=REVIEW,
            requirements=Requirements(sensitivity=Sensitivity(sensitivity)),
        )
        return accepted.batch_id

    async def routed(self) -> None:
        await self.stage.publish()
        await self.stage.route()

    async def parcel(self, name: str) -> list[Job]:
        await self._worker(name)
        found = await self._parcels(name).take(None)
        return list(found.jobs) if found else []

    async def _worker(self, name: str) -> None:
        self.worker_id = new_id()

    def _parcels(self, name: str) -> Parcels:
        return Parcels(self.database, self.settings, provider=name, worker_id=self.worker_id, ids=new_id)

    async def answered(self, job: Job, output: dict[str, object], text: str) -> None:
        """The job succeeds with `output`, checked against `text`."""
        served = replace(counted(job), cost_usd_micros=1_234)
        checked = check(json.dumps(output), text, REVIEW.schema_of_answer)
        assert checked.output is not None
        attempt = self.attempt(served, "answered")
        found = Result(
            tenant_id="default",
            job_id=job.id,
            lease_token=job.lease_token,
            attempt=attempt.number,
            provider=attempt.provider,
            model=attempt.model,
            model_version=attempt.model_version,
            model_reported=attempt.model_reported,
            simulated=attempt.simulated,
            output=checked.output,
            report=checked.report,
            mean_logprob=None,
        )
        await self._end(job, served.moved(JobState.SUCCEEDED, slot_id=None), attempt, found)

    async def failed(self, job: Job) -> None:
        served = counted(job)
        after = served.moved(
            JobState.FAILED, slot_id=None, reason_code="overload", reason="Every step was tried and none answered."
        )
        await self._end(job, after, self.attempt(served, "overload"), None)

    def attempt(self, job: Job, outcome: str) -> Attempt:
        simulated = job.provider == "sim-swift"
        return Attempt(
            job_id=job.id,
            number=job.attempts,
            lease_token=job.lease_token,
            provider=job.provider or "",
            model=job.model or "",
            model_version=f"{job.model}-2026",
            model_reported=f"{job.model}-2026",
            simulated=simulated,
            started_at=self.now,
            latency_ms=850,
            outcome=outcome,
            detail="" if outcome == "answered" else "It answered 529.",
            http_status=200 if outcome == "answered" else 529,
            request_digest=digest(b"request"),
            input_tokens=900,
            output_tokens=120,
            cost_usd_micros=1_234,
        )

    async def _end(self, before: Job, after: Job, attempt: Attempt, found: Result | None) -> None:
        async with self.database.transaction() as connection:
            now = await clock(connection)
            attempt = replace(attempt, started_at=now)
            move = jobs.move_of(before, after, at=now, actor="worker-1", facts={"provider": attempt.provider})
            moved = await jobs.move(connection, [move])
            await record.keep_attempts(connection, [(before, attempt)], moved)
            await record.keep_results(connection, [(before, found)] if found else [])

    @property
    def now(self):  # type: ignore[no-untyped-def]
        from runtime.clock import utc_now

        return utc_now()


@asynccontextmanager
async def bench(url: str, **extra: object) -> AsyncIterator[Bench]:
    database = Database(url)
    await database.open()
    try:
        yield await Bench.of(database, url).opened(**extra)  # type: ignore[arg-type]
    finally:
        await database.close()
