"""What the commands gather from a real database: a small batch, moved by the stores and the router's own stage."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
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
from router_worker.rules import Rules
from router_worker.stage import Stage
from runtime.db.session import Database, clock
from runtime.db.stores import capacity, jobs, record
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
from tests.yard import STEADY_MS

pytestmark = pytest.mark.services

HOSTILE = "\x1b]0;owned\x07[bold red]evil[/] \u202egpj.exe"
DAY = date(2026, 11, 23)


def provider(
    name: str, *, simulated: bool, boundary: str = "internal", priced: bool = True
) -> CatalogProvider:
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
            "models": [
                _model(f"{name}-1", priced=True),
                *([] if priced else [_model(f"{name}-2", priced=False)]),
            ],
        }
    )


def _model(name: str, *, priced: bool) -> CatalogModel:
    price = Price(
        input_usd_micros_per_mtok=150_000, output_usd_micros_per_mtok=600_000, source="test", checked=DAY
    )
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

    async def opened(self, alive: Sequence[str]) -> Bench:
        await self.beat("router", None)
        await self.beat("keeper", None)
        for name in alive:
            await self.beat("provider", name)
        return self

    async def beat(self, role: str, name: str | None) -> None:
        said = Heartbeat(
            new_id(),
            role,
            name,
            "host",
            4711,
            slots=2 if name else 0,
            job_ms_p50=200 if name else None,
            metrics_address="127.0.0.1:1",
        )
        async with self.database.transaction() as connection:
            await capacity.beat(connection, "default", said)

    async def submitted(
        self, count: int, *, rejected: int = 0, sensitivity: str = "internal", name: str = ""
    ) -> str:
        found = [
            SourceDocument(
                f"c{n}", name or f"contract-{n}.txt", f"Agreement {n}. Either party may end it.", "utf-8"
            )
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
        """What a slot of the provider takes; the slot stays held."""
        parcels = Parcels(self.database, self.settings, provider=name, worker_id=new_id(), ids=new_id)
        found = await parcels.take(STEADY_MS)
        return list(found.jobs) if found else []

    async def answered(self, job: Job, output: Mapping[str, object], text: str) -> None:
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
            JobState.FAILED,
            slot_id=None,
            reason_code="overload",
            reason="Every step was tried and none answered.",
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
            started_at=datetime.now(UTC),
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
            move = jobs.move_of(before, after, at=now, actor="worker-1", facts={"provider": attempt.provider})
            moved = await jobs.move(connection, [move])
            await record.keep_attempts(connection, [(before, attempt)], moved)
            await record.keep_results(connection, [(before, found)] if found else [])


@asynccontextmanager
async def bench(url: str, *, alive: Sequence[str] = ("sim-swift", "own-model")) -> AsyncIterator[Bench]:
    database = Database(url)
    await database.open()
    try:
        yield await Bench.of(database, url).opened(alive)
    finally:
        await database.close()


OUTPUT = {
    "summary": f"Either party may end it. {HOSTILE}",
    "findings": [
        {
            "id": "end",
            "severity": "low",
            "quote": "Either party may end it.",
            "explanation": "It stands there.",
        },
        {"id": "cap", "severity": "high", "quote": "There is no cap.", "explanation": "It does not."},
    ],
    "verdict": "needs_attention",
    "confidence": 0.8,
}


async def half_done(yard: Bench) -> str:
    """A batch of six: one succeeded, one failed, the others open; and one document turned away."""
    batch = await yard.submitted(6, rejected=1)
    await yard.routed()
    (first,), (second,) = await yard.parcel("sim-swift"), await yard.parcel("own-model")
    await yard.answered(first, OUTPUT, "Agreement. Either party may end it.")
    await yard.failed(second)
    return batch


async def finished(yard: Bench, name: str = "") -> str:
    """A batch of two that succeeded at the model of one's own."""
    batch = await yard.submitted(2, sensitivity="confidential", name=name)
    await yard.routed()
    for _ in range(2):
        for job in await yard.parcel("own-model"):
            await yard.answered(job, OUTPUT, "Agreement. Either party may end it.")
    return batch


def context(yard: Bench, home: Path) -> Context:
    return Context(yard.settings, Home(home), {})


def told(screen: Console) -> str:
    return screen.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def paper(width: int = 120) -> Console:
    return Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)


# -- progress


def test_progress_adds_up_over_batches_and_knows_simulated_providers(database_url: str) -> None:
    async def run() -> None:
        async with bench(database_url) as yard:
            batches = [await half_done(yard), await yard.submitted(2)]

            found = await progress.gather(yard.database, "default", batches)

            assert found.total == 8
            assert found.finished == 2
            assert (found.states["succeeded"], found.states["failed"], found.rejected) == (1, 1, 1)
            by_name = {row.provider: row for row in found.providers}
            assert by_name["sim-swift"].simulated
            assert not by_name["own-model"].simulated
            assert (by_name["sim-swift"].done, by_name["sim-swift"].calls, by_name["sim-swift"].faults) == (
                1,
                1,
                0,
            )
            assert (by_name["own-model"].done, by_name["own-model"].calls, by_name["own-model"].faults) == (
                0,
                1,
                1,
            )
            assert found.cost_usd_micros == 2 * 1_234
            assert found.router_alive

    asyncio.run(run())


def test_a_simulated_provider_is_known_before_its_first_call(database_url: str) -> None:
    async def run() -> None:
        async with bench(database_url, alive=("sim-swift",)) as yard:
            batch = await yard.submitted(3)
            await yard.routed()

            found = await progress.gather(yard.database, "default", [batch])

            assert [(row.provider, row.simulated, row.calls) for row in found.providers] == [
                ("sim-swift", True, 0)
            ]

    asyncio.run(run())


def test_a_parcel_counts_as_one_call_in_flight_and_the_rest_as_waiting(database_url: str) -> None:
    async def run() -> None:
        async with bench(database_url, alive=("own-model",)) as yard:
            batch = await yard.submitted(40)
            await yard.routed()
            parcel = await yard.parcel("own-model")

            found = await progress.gather(yard.database, "default", [batch])

            assert len(parcel) > 1
            (row,) = found.providers
            bound = found.states["routed"] + found.states["serving"]
            assert (row.in_flight, row.waiting) == (1, bound - 1)

    asyncio.run(run())


def test_held_jobs_come_with_their_reasons_and_shortfalls_with_theirs(database_url: str) -> None:
    async def run() -> None:
        async with bench(database_url, alive=()) as yard:
            batch = await yard.submitted(2, rejected=1)
            await yard.routed()

            found = await progress.gather(yard.database, "default", [batch])
            short_of = await shortfalls.gather(yard.database, "default", [batch])

            assert found.states == {"held": 2}
            assert sum(jobs for _, jobs in found.held) == 2
            assert [(one.what, one.name, one.code) for one in short_of] == [
                ("rejected", "bad-0.txt", "empty_file")
            ]

    asyncio.run(run())


# -- watch


def test_watching_ends_with_the_summary_and_its_exit_code(database_url: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with bench(database_url) as yard:
            await finished(yard, name=HOSTILE)
            screen = paper()

            code = await watch.follow(context(yard, tmp_path), [], to=screen)

            assert code == 0
            assert told(screen).splitlines()[-1] == "2 jobs: 2 succeeded, 0 refused, 0 failed"
            assert "\x1b" not in told(screen)

    asyncio.run(run())


def test_watching_lists_what_was_not_done(database_url: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with bench(database_url, alive=("own-model",)) as yard:
            batch = await yard.submitted(1, rejected=1)
            await yard.routed()
            for job in await yard.parcel("own-model"):
                await yard.failed(job)
            screen = paper()

            code = await watch.follow(context(yard, tmp_path), [batch[-8:]], to=screen)

            assert code == 1
            assert "rejected bad-0.txt [empty_file] It is empty." in told(screen)
            assert "failed contract-0.txt [overload] Every step was tried and none answered." in told(screen)
            assert told(screen).splitlines()[-1] == "1 jobs: 0 succeeded, 0 refused, 1 failed"

    asyncio.run(run())


def test_a_watcher_waits_for_a_database_that_comes_back_and_not_for_ever(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with bench(database_url) as yard:
            batch = await yard.submitted(1)
            watcher = watch.Watcher(yard.database, "default", [batch])
            away = Database("postgresql://nobody@127.0.0.1:9/none", connect_s=0.2)

            assert await watcher.look() is not None
            watcher.database = away
            assert await watcher.look() is None
            assert "does not answer" in watcher.trouble
            watcher.database = yard.database
            assert await watcher.look() is not None
            assert watcher.trouble == ""

            watcher.database = away
            monkeypatch.setattr(watch, "PATIENCE_S", 0.0)
            with pytest.raises(ServiceUnreachable, match=f"classyard watch {batch}"):
                await watcher.look()

    asyncio.run(run())


def test_leaving_the_watch_says_that_the_work_goes_on(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run() -> str:
        async with bench(database_url) as yard:
            batch = await yard.submitted(1)
            task = asyncio.create_task(watch.follow(context(yard, tmp_path), [batch], to=paper()))
            await asyncio.sleep(0.8)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return batch

    batch = asyncio.run(run())

    assert f"classyard watch {batch}" in capsys.readouterr().err


# -- names


def test_batches_and_jobs_are_known_by_the_ends_of_their_ids(database_url: str) -> None:
    async def run() -> None:
        async with bench(database_url) as yard:
            with pytest.raises(UnknownName, match="no batch yet"):
                await resolve.batch_id(yard.database, "default", "latest")
            first, second = await yard.submitted(1), await yard.submitted(2)
            rows = await yard.database.rows(
                "select id::text from jobs where batch_id = %s order by id", (second,)
            )

            assert await resolve.batch_id(yard.database, "default", first) == first
            assert await resolve.batch_id(yard.database, "default", second[-8:]) == second
            assert await resolve.batch_ids(yard.database, "default", ["latest", second]) == [second]
            assert await resolve.job_id(yard.database, "default", rows[0]["id"][-10:]) == rows[0]["id"]
            assert await resolve.job_id(yard.database, "default", "c1") == rows[1]["id"]
            with pytest.raises(UnknownName, match="can mean several jobs"):
                await resolve.job_id(yard.database, "default", "c0")
            for nothing in ("", "zzz", "\udc80", "a\x00"):
                with pytest.raises(UnknownName):
                    await resolve.batch_id(yard.database, "default", nothing)
                with pytest.raises(UnknownName):
                    await resolve.job_id(yard.database, "default", nothing)
            with pytest.raises(UnknownName):
                await resolve.batch_id(yard.database, "another tenant", first)

    asyncio.run(run())


# -- results


async def _prepared(url: str) -> str:
    async with bench(url) as yard:
        return await half_done(yard)


def test_results_have_one_row_a_job_in_both_formats(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = asyncio.run(_prepared(database_url))
    here = Context(Settings(database_url=database_url, redis_url="redis://127.0.0.1:9"), Home(tmp_path), {})

    codes = [
        results.results(here, batch, form=form, to=str(tmp_path / f"out.{form}")) for form in ("jsonl", "csv")
    ]

    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    said = capsys.readouterr()
    assert codes == [0, 0]
    assert [line["custom_id"] for line in lines] == [row["custom_id"] for row in rows]
    assert sorted(line["custom_id"] for line in lines) == [f"c{n}" for n in range(6)]
    (done,) = [line for line in lines if line["state"] == "succeeded"]
    assert (done["quotes_verified"], done["quotes_total"], done["simulated"]) == (1, 2, True)
    assert done["findings"][0]["quote_verified"]
    assert {one["provider"] for one in done["rationale"]} == {"sim-swift", "own-model"}
    assert json.loads(rows[lines.index(done)]["findings"]) == done["findings"]
    assert "Wrote 6 rows" in said.out
    assert "4 jobs are still open" in said.err
    assert "1 result comes from simulated providers" in said.err


def test_results_on_standard_output_hold_nothing_but_rows(
    database_url: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    batch = asyncio.run(_prepared(database_url))
    here = Context(Settings(database_url=database_url, redis_url="redis://127.0.0.1:9"), Home(tmp_path), {})

    results.results(here, batch)

    said = capfdbinary.readouterr()
    assert len([json.loads(line) for line in said.out.splitlines()]) == 6
    assert b"Wrote 6 rows to standard output." in said.err


def test_results_of_an_unknown_batch_write_nothing(database_url: str, tmp_path: Path) -> None:
    here = Context(Settings(database_url=database_url, redis_url="redis://127.0.0.1:9"), Home(tmp_path), {})

    with pytest.raises(UnknownName):
        results.results(here, "nope", to=str(tmp_path / "out.jsonl"))

    assert not (tmp_path / "out.jsonl").exists()


# -- explain


def test_the_story_of_a_job_is_whole_and_believable(database_url: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with bench(database_url) as yard:
            await half_done(yard)
            (row,) = await yard.database.rows("select id::text from jobs where state = 'succeeded'")
            screen, rows = paper(), paper()

            await explain.tell(context(yard, tmp_path), row["id"], to=screen)
            await explain.tell(context(yard, tmp_path), row["id"], as_json=True, to=rows)

            text = told(screen)
            assert "Routed." in text
            assert "1 call" in text
            assert "sim-swift (simulated)" in text
            assert "chain of 4 events verifies" in text
            assert "changed after" not in text
            assert "\x1b" not in text
            told_rows = json.loads(told(rows))
            assert digest(told_rows["decisions"][0]["body"].encode()) == told_rows["decisions"][0]["digest"]
            assert len(told_rows["audit_events"]) == 4

    asyncio.run(run())


def test_a_decision_that_was_changed_in_the_table_is_said_loudly(database_url: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with bench(database_url) as yard:
            batch = await half_done(yard)
            with psycopg.connect(database_url) as connection:
                connection.execute(
                    "update decisions set body = replace(encode(body, 'escape'), '1', '2')::bytea"
                )
            (job, *_) = await yard.database.rows(
                "select id::text from jobs where batch_id = %s order by id", (batch,)
            )

            found = await story.gather(yard.database, "default", job["id"])

            screen = paper()
            for part in explain_view.parts(found, width=120):
                screen.print(part)
            assert "This decision was changed after it was made" in told(screen)

    asyncio.run(run())


# -- status, providers, doctor


def test_status_and_providers_see_the_same_yard(database_url: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with bench(database_url, alive=("sim-swift",)) as yard:
            await half_done_at_swift(yard)

            glance = await status.gather(yard.database, "default", "here")
            found = await providers.gather(yard.database, context(yard, tmp_path))

            assert {(row["role"], row["provider"]) for row in glance.workers} == {
                ("router", None),
                ("keeper", None),
                ("provider", "sim-swift"),
            }
            assert sum(glance.states.values()) == 4
            assert glance.simulated == {"sim-swift"}
            assert glance.batches[0]["open"] == 4
            assert [load.provider for load in found.snapshot.loads] == ["own-model", "sim-swift"]
            assert found.snapshot.load("own-model").status == "no_worker"  # type: ignore[union-attr]
            assert found.snapshot.load("sim-swift").status == "ready"  # type: ignore[union-attr]
            assert found.calls == {"sim-swift": 1}

    asyncio.run(run())


async def half_done_at_swift(yard: Bench) -> None:
    await yard.submitted(5)
    await yard.routed()
    (job,) = await yard.parcel("sim-swift")
    await yard.failed(job)


def test_the_doctor_verifies_the_audit_and_finds_what_was_cut_away(database_url: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with bench(database_url) as yard:
            await half_done(yard)
            here = context(yard, tmp_path)

            (whole,) = await yard_checks.audit(here)
            with psycopg.connect(database_url) as connection:
                connection.execute("set session_replication_role = replica")  # past the table's own guard
                connection.execute("delete from audit_events where version = 4")
            (broken,) = await yard_checks.audit(here)

            assert whole.mark is Mark.WELL
            assert "newest 6 jobs" in whole.sentence
            assert broken.mark is Mark.FAILED
            assert "the job is at version 4" in broken.sentence

    asyncio.run(run())


def test_the_doctor_says_which_service_is_missing_and_goes_on(database_url: str, tmp_path: Path) -> None:
    here = Context(Settings(database_url=database_url, redis_url="redis://127.0.0.1:9"), Home(tmp_path), {})

    found = list(doctor.checks(here))

    wrong = [check.sentence for check in found if check.mark is Mark.FAILED]
    assert len(wrong) == 1
    assert "The broker does not answer" in wrong[0]
    assert any("the newest" in check.sentence for check in found if check.mark is Mark.WELL)
