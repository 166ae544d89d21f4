"""A provider worker in this process, over a real database, a real broker and pretend providers on HTTP: every way a
call can end, and what becomes of the job, its parcel, its slot and its provider."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest
from redis import Redis

from provider_workers import service as services
from provider_workers.hold import Hold
from provider_workers.service import ProviderService, is_gone
from runtime.db.stores import capacity
from runtime.topology import KEY_PREFIX
from schemas.errors import ServiceUnreachable
from schemas.job import Job
from schemas.lifecycle import JobState
from schemas.messages import provider_queue
from schemas.policy import PlanLimits
from simulator.server import running
from tests.engine_values import a_provider
from tests.invariants import check_invariants
from tests.yard import STEADY_MS, OpenRoom, Yard, until, yard

pytestmark = pytest.mark.services

HOST = socket.gethostname()

AT_ONCE = PlanLimits(attempts_per_step=1)
"""No second try at the same step, so that no test waits for a pause."""


@dataclass
class Serving:
    """A yard with pretend providers, and workers of them on demand."""

    here: Yard
    url: str
    redis_url: str
    environ: dict[str, str] = field(default_factory=dict)
    started: list[ProviderService] = field(default_factory=list)

    async def worker(
        self,
        name: str = "alpha",
        *,
        limits: PlanLimits = AT_ONCE,
        room: OpenRoom | None = None,
        job_ms: int | None = None,
        **provider: Any,
    ) -> ProviderService:
        """`job_ms`: what it has seen a job take."""
        catalogued = a_provider(name, base_url=f"{self.url}/{name}/v1", simulated=True, **provider)
        service = ProviderService(self.here.settings, catalogued, limits, self.environ)
        await service.start(room or OpenRoom())
        if job_ms is not None:
            service.seen.saw(job_ms, outage=False)
        self.started.append(service)
        return service

    async def stop(self, service: ProviderService) -> None:
        self.started.remove(service)
        await service.close()

    async def calls(self, name: str = "alpha") -> int:
        rows = await self.here.database.rows(
            "select count(*) as n from attempts where provider = %s", (name,)
        )
        return int(rows[0]["n"])

    async def outcomes(self) -> list[str]:
        rows = await self.here.database.rows("select outcome from attempts order by job_id, number")
        return [row["outcome"] for row in rows]

    async def heartbeat(self) -> Mapping[str, Any]:
        (row,) = await self.here.database.rows("select * from workers")
        return row

    def bells(self, name: str) -> int:
        with Redis.from_url(self.redis_url) as broker:
            return int(broker.llen(KEY_PREFIX + provider_queue(name)))  # type: ignore[arg-type]


@asynccontextmanager
async def serving(
    database_url: str, redis_url: str, *, key: str | None = None, parcel_s: float = 1.0, **profiles: str
) -> AsyncIterator[Serving]:
    """Pretend providers with these profiles; at the end every slot is given back, and all invariants hold."""
    async with (
        running(profiles or {"alpha": "instant"}, key=key) as url,
        yard(database_url, redis_url=redis_url, heartbeat_s=0.05, parcel_s=parcel_s) as here,
    ):
        found = Serving(here, url, redis_url)
        try:
            yield found
            assert await here.count("slots") == 0
        finally:
            for service in list(found.started):
                await found.stop(service)
    check_invariants(database_url)


# -- ends of a call


@pytest.mark.asyncio
async def test_good_answers_become_results(database_url: str, redis_url: str) -> None:
    async with serving(database_url, redis_url) as yards:
        service = await yards.worker(ceiling=1)
        await yards.here.routed(4)

        for _ in range(4):
            await service.answer()

        assert await yards.here.states() == {"succeeded": 4}
        rows = await yards.here.database.rows("select * from results")
        assert {(row["provider"], row["model"], row["simulated"], row["standing"]) for row in rows} == {
            ("alpha", "one", True, "sound")
        }
        assert {row["model_version"] for row in rows} == {"one-v1"}
        assert all(row["output"]["verdict"] for row in rows)
        assert all(job.cost_usd_micros > 0 for job in await yards.here.jobs())
        assert service.seen.answered == 4


@pytest.mark.asyncio
async def test_what_workers_see_is_folded_into_the_provider_s_row(database_url: str, redis_url: str) -> None:
    """Two workers, one picture."""
    async with serving(database_url, redis_url) as yards:
        await yards.here.routed(4)
        for _ in range(2):
            service = await yards.worker(ceiling=1)
            await service.answer()
            await service.answer()

        async def told() -> bool:
            (row,) = await yards.here.database.rows("select * from providers")
            return bool(row["seen"]) and len(row["seen"]["paces"]) == 4

        await until(told)
        (row,) = await yards.here.database.rows("select * from providers")
        assert row["health"] == "well"
        assert 0 < row["pace_millionths"] < 1_000_000, "it answers at once, and its catalog says a second"
        assert row["latency_ms_p95"] >= 1
        assert row["tokens_per_s"] > 0
        assert service.seen.untold() == ()


@pytest.mark.asyncio
async def test_a_bell_without_work_does_nothing(database_url: str, redis_url: str) -> None:
    async with serving(database_url, redis_url) as yards:
        service = await yards.worker()

        await service.answer()

        assert await yards.outcomes() == []


@pytest.mark.asyncio
async def test_a_provider_in_trouble_hands_on_to_the_next_one_and_rings_it(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url, alpha="instant:rate_500=1", beta="instant") as yards:
        alpha, beta = await yards.worker("alpha"), await yards.worker("beta")
        (job,) = await yards.here.routed(1, "alpha", "beta")

        await alpha.answer()

        handed_on = await yards.here.job(job.id)
        assert (handed_on.state, handed_on.provider, handed_on.reason_code) == (
            JobState.ROUTED,
            "beta",
            "overload",
        )
        assert yards.bells("beta") == 1

        await beta.answer()

        assert await yards.here.states() == {"succeeded": 1}
        assert await yards.outcomes() == ["overload", "answered"]


@pytest.mark.asyncio
async def test_unusable_answers_are_asked_for_again_and_then_the_job_fails(
    database_url: str, redis_url: str
) -> None:
    limits = PlanLimits(attempts_per_step=2)
    async with serving(database_url, redis_url, alpha="instant:rate_schema_violation=1") as yards:
        service = await yards.worker(limits=limits)
        (job,) = await yards.here.routed(1)

        await service.answer()  # its slot stays for a moment, and finds the job again

        found = await yards.here.job(job.id)
        way = await yards.here.database.rows(
            "select convert_from(body, 'utf8')::jsonb ->> 'to' as state from audit_events"
            " where job_id = %s order by version",
            (job.id,),
        )
        assert [move["state"] for move in way][-4:] == ["serving", "routed", "serving", "failed"]
        assert (found.state, found.reason_code, found.attempts) == (JobState.FAILED, "unusable", 2)
        assert await yards.outcomes() == ["unusable", "unusable"]
        assert found.cost_usd_micros > 0, "they were answered, and are to be paid for"


@pytest.mark.asyncio
async def test_an_invented_quote_is_kept_as_doubtful_where_nobody_else_can_be_asked(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url, alpha="instant:rate_invented_quote=1") as yards:
        service = await yards.worker()
        await yards.here.routed(1)

        await service.answer()

        (row,) = await yards.here.database.rows("select standing, checks from results")
        assert row["standing"] == "doubtful"
        assert any(quote["match"] == "absent" for quote in row["checks"]["quotes"])


@pytest.mark.asyncio
async def test_an_outage_of_the_only_provider_sends_the_job_back_to_be_decided_anew(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url, alpha="instant:rate_503=1") as yards:
        service = await yards.worker()
        (job,) = await yards.here.routed(1)

        await service.answer()

        found = await yards.here.job(job.id)
        assert (found.state, found.plan, found.reason_code) == (JobState.ACCEPTED, (), "overload")


@pytest.mark.asyncio
async def test_several_outages_in_a_row_open_the_breaker_and_fail_no_job(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url, alpha="instant:rate_500=1") as yards:
        service = await yards.worker(ceiling=1)
        await yards.here.routed(12, "alpha", "beta")

        for _ in range(12):
            await service.answer()

        (row,) = await yards.here.database.rows("select * from providers")
        assert (row["breaker"], row["opened"]) == ("open", 1)
        assert row["breaker_reason"].startswith("alpha: its calls fail. Last: ")
        assert await yards.calls() == 3
        assert "failed" not in await yards.here.states()


@pytest.mark.asyncio
async def test_a_429_waits_as_told_and_rests_the_provider_for_all_workers(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url, alpha="instant:rate_429=1,retry_after_s=20") as yards:
        service = await yards.worker()
        (job,) = await yards.here.routed(1)

        await service.answer()
        await service.answer()

        found = await yards.here.job(job.id)
        (row,) = await yards.here.database.rows(
            "select extract(epoch from rests_until - now()) as rest_s from providers"
        )
        assert (found.state, found.provider, found.reason_code) == (JobState.ROUTED, "alpha", "rate")
        assert found.not_before is not None
        assert 15 < row["rest_s"] <= 20
        assert await yards.calls() == 1


@pytest.mark.asyncio
async def test_a_provider_that_rests_hears_no_more_of_the_parcel(database_url: str, redis_url: str) -> None:
    """The first 429 of a parcel ends it; the jobs behind it go back untouched, and none is lost."""
    async with serving(database_url, redis_url, alpha="instant:rate_429=1,retry_after_s=20") as yards:
        service = await yards.worker(ceiling=1, job_ms=STEADY_MS)
        await yards.here.routed(32)

        await service.answer()

        found = await yards.here.jobs()
        assert await yards.calls() == 1
        assert {job.state for job in found} == {JobState.ROUTED}
        assert sum(job.reason_code == "given_back" for job in found) == 15


# -- keys


@pytest.mark.asyncio
async def test_a_worker_without_its_key_says_so_serves_nothing_and_finds_it_later(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "KEY_CHECK_S", 0.05)
    async with serving(database_url, redis_url, key="k-1") as yards:
        service = await yards.worker(key="env:ALPHA_KEY")
        await yards.here.routed(1)

        await service.answer()
        said = await yards.heartbeat()
        assert not said["key_found"]
        assert "ALPHA_KEY" in said["detail"]
        assert await yards.outcomes() == []

        yards.environ["ALPHA_KEY"] = "k-1"

        async def found() -> bool:
            return bool((await yards.heartbeat())["key_found"])

        await until(found)
        await service.answer()
        assert await yards.here.states() == {"succeeded": 1}
        assert (await yards.heartbeat())["detail"] == ""


@pytest.mark.asyncio
async def test_a_key_that_is_not_taken_rests_the_provider_and_is_not_shown(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url, key="right") as yards:
        yards.environ["ALPHA_KEY"] = "wr0ng-k3y"
        service = await yards.worker(key="env:ALPHA_KEY")
        (job,) = await yards.here.routed(1, "alpha", "beta")

        await service.answer()

        (row,) = await yards.here.database.rows(
            "select rests_until > now() + interval '4 minutes' as long, rest_reason from providers"
        )
        found = await yards.here.job(job.id)
        assert row["long"]
        assert (found.provider, found.reason_code) == ("beta", "auth")
        assert "wr0ng-k3y" not in row["rest_reason"] + found.reason
        assert await yards.outcomes() == ["auth"]


# -- parcels and slots


@pytest.mark.asyncio
async def test_a_worker_that_must_stop_gives_back_what_it_has_not_begun(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url) as yards:
        room = OpenRoom()
        service = await yards.worker(room=room, ceiling=1, job_ms=STEADY_MS)
        await yards.here.routed(16)
        room.stop_after = 2

        await service.answer()

        assert await yards.here.states() == {"succeeded": 2, "routed": 14}
        back = [job for job in await yards.here.jobs() if job.reason_code == "given_back"]
        assert len(back) == 6, "the parcel had eight"
        assert {(job.provider, job.slot_id, job.interruptions, job.lease_token) for job in back} == {
            ("alpha", None, 0, 1)
        }
        assert yards.bells("alpha") == 1


@pytest.mark.asyncio
async def test_the_rest_of_a_parcel_whose_calls_became_slow_is_given_back(
    database_url: str, redis_url: str
) -> None:
    """Any slot that is free is sooner there, and what is urgent need not wait for all of it."""
    async with serving(database_url, redis_url, parcel_s=0.2, alpha="instant:base_ms=300") as yards:
        service = await yards.worker(ceiling=1, job_ms=10)
        await yards.here.routed(16)

        await service.answer()

        served, back = 2, 6
        assert await yards.here.states() == {"succeeded": served, "routed": 16 - served}
        found = [job for job in await yards.here.jobs() if job.reason_code == "given_back"]
        assert len(found) == back, "the parcel had eight, and two calls took more than twice its time"
        assert {job.interruptions for job in found} == {0}
        assert yards.bells("alpha") == 1


@pytest.mark.asyncio
async def test_a_slot_goes_on_while_there_is_work_and_rings_for_the_others(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url) as yards:
        service = await yards.worker(ceiling=3)
        await yards.here.routed(24)

        await service.answer()

        assert yards.bells("alpha") == 2, "as many slots as the ceiling leaves"
        assert await yards.here.states() == {"succeeded": 24}
        rows = await yards.here.database.rows(
            "select distinct convert_from(body, 'UTF8')::jsonb #>> '{facts,slot}' as slot from audit_events"
            " where convert_from(body, 'UTF8')::jsonb ->> 'to' = 'serving'"
        )
        assert len(rows) == 1


@pytest.mark.asyncio
async def test_slots_of_its_own_are_opened_without_bells_and_bells_are_rung_for_the_rest(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url) as yards:
        room = OpenRoom(limit=4)
        room.running_more = 3
        service = await yards.worker(room=room, ceiling=10)
        await yards.here.routed(40)

        await service.answer()

        assert room.asked_for == [9], "what the ceiling leaves beside the slot that asks"
        assert yards.bells("alpha") == 6, "for another worker, up to the ceiling"


@pytest.mark.asyncio
async def test_a_slot_that_was_taken_back_stops_before_its_next_call(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url) as yards:
        service = await yards.worker(ceiling=1)
        await yards.here.routed(8)
        real = service._parcels.take

        async def taken_back(job_ms: int | None) -> Any:
            parcel = await real(job_ms)
            assert parcel is not None
            service._slots[parcel.slot_id] = Hold()
            await yards.here.do("delete from slots")
            await service._renew()
            return parcel

        service._parcels.take = taken_back  # type: ignore[method-assign]
        await service.answer()

        assert await yards.outcomes() == []
        assert service._slots == {}


@pytest.mark.asyncio
async def test_a_model_that_this_worker_does_not_have_is_counted_as_an_interruption(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url) as yards:
        service = await yards.worker()
        (job,) = await yards.here.routed(1)
        await yards.here.do("update jobs set model = 'gone'")

        await service.answer()

        found = await yards.here.job(job.id)
        assert (found.state, found.interruptions, found.reason_code) == (JobState.ROUTED, 1, "unknown_model")


@pytest.mark.asyncio
async def test_a_rest_that_cannot_be_written_down_loses_nothing(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is handed in by then. Given back as well, it would be written twice in one commit."""

    async def away(*_: object, **__: object) -> None:
        raise ServiceUnreachable("The database is away for a moment.")

    async with serving(database_url, redis_url, alpha="instant:rate_429=1") as yards:
        service = await yards.worker(ceiling=1, job_ms=STEADY_MS)
        await yards.here.routed(4, "alpha", "beta")
        monkeypatch.setattr(capacity, "rest", away)

        await service.answer()

        assert await yards.here.states() == {"routed": 4}
        codes = sorted(job.reason_code for job in await yards.here.jobs())
        assert codes == ["", "", "given_back", "rate"]
        assert {job.interruptions for job in await yards.here.jobs()} == {0}


@pytest.mark.asyncio
async def test_a_review_that_cannot_be_loaded_gives_the_parcel_back(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: Job) -> Any:
        raise ServiceUnreachable("The database is away for a moment.")

    async with serving(database_url, redis_url) as yards:
        service = await yards.worker(ceiling=1)
        await yards.here.routed(4)
        monkeypatch.setattr(service, "_review", away)

        with pytest.raises(ServiceUnreachable):
            await service.answer()

        assert await yards.here.states() == {"routed": 4}
        assert await yards.outcomes() == []


# -- life


@pytest.mark.asyncio
async def test_a_worker_reports_itself_and_leaves_no_trace_when_it_stops(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url) as yards:
        service = await yards.worker(room=OpenRoom(limit=6), ceiling=5)
        said = await yards.heartbeat()
        assert (said["role"], said["provider"], said["slots"], said["key_found"]) == (
            "provider",
            "alpha",
            6,
            True,
        )
        assert said["metrics_address"]
        rows = await yards.here.database.rows("select name, ceiling from providers")
        assert rows == [{"name": "alpha", "ceiling": 5}]

        await yards.stop(service)

        assert await yards.here.count("workers") == 0


@pytest.mark.asyncio
async def test_the_lease_of_a_slot_in_use_is_renewed(database_url: str, redis_url: str) -> None:
    async with serving(database_url, redis_url) as yards:
        service = await yards.worker()
        await yards.here.routed(1)
        parcel = await service._parcels.take(STEADY_MS)
        assert parcel is not None
        service._slots[parcel.slot_id] = Hold()
        await yards.here.do("update slots set lease_until = now() + interval '1 s'")

        await service._renew()

        (row,) = await yards.here.database.rows(
            "select lease_until > now() + interval '20 s' as renewed from slots"
        )
        assert row["renewed"]
        assert not service._slots[parcel.slot_id].is_lost
        await yards.stop(service)
        assert await yards.here.count("slots") == 0, "a stop gives back what it holds"


@pytest.mark.asyncio
async def test_a_restarted_worker_gives_back_what_its_killed_predecessor_held(
    database_url: str, redis_url: str
) -> None:
    """Its slots need not wait for their leases; those of a worker on another machine, or a living one, stay."""
    async with serving(database_url, redis_url) as yards:
        here, nobody = yards.here, 2**22 + 1
        dead, elsewhere, alive = [await here.provider_up() for _ in range(3)]
        for worker_id, host, pid in (
            (dead, HOST, nobody),
            (elsewhere, "another", nobody),
            (alive, HOST, os.getppid()),
        ):
            await here.do("update workers set host = %s, pid = %s where id = %s", (host, pid, worker_id))
            await here.do(
                "insert into slots (id, tenant_id, provider, worker_id, lease_until)"
                " values (gen_random_uuid(), 'default', 'alpha', %s, now() + interval '1 hour')",
                (worker_id,),
            )

        await yards.worker()

        held = await here.database.rows("select worker_id::text from slots")
        assert {row["worker_id"] for row in held} == {elsewhere, alive}
        await here.do("delete from slots")


def test_in_a_container_the_worker_before_this_one_had_the_same_number() -> None:
    began = psutil.Process().create_time()

    assert is_gone(os.getpid(), began - 60)
    assert not is_gone(os.getpid(), began + 1)
