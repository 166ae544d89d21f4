"""Webhooks over a real database and real sockets: what is told, what arrives, and what is left where it does not."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

import openai
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from producer.intake.accept import accept
from producer.webhooks.deliverer import Deliverer
from producer.webhooks.endpoints import Endpoints, Made
from producer.webhooks.schedule import Schedule
from producer.webhooks.sender import Sender
from runtime.db.session import Row, fetch
from runtime.db.stores import api_batches, batches, deliveries, jobs
from runtime.heartbeat import stop
from schemas.errors import BadInput, UnknownName
from schemas.job import Job
from schemas.lifecycle import FINAL, JobState
from schemas.submission import Requirements
from schemas.webhooks import JOB_EVENTS
from tests.counter import PEPPER, counter, request
from tests.engine_values import NOON
from tests.sinks import Sink, sink
from tests.yard import REVIEW, TENANT, Yard, sources, yard

pytestmark = [pytest.mark.services, pytest.mark.asyncio]

QUICK = Schedule(
    waits_s=(0.02, 0.05), jitter=0.1, lifetime_s=30, rest_s=0.05, most_rest_s=0.2, deadline_s=1.0, lease_s=2.0
)
LOOPBACK = (ip_network("127.0.0.0/8"),)


@dataclass
class Post:
    """A yard, a sink, and a deliverer by hand."""

    here: Yard
    sink: Sink
    endpoints: Endpoints
    deliverer: Deliverer

    async def endpoint(self, path: str = "/good", **asked: Any) -> Made:
        return await self.endpoints.add(self.sink.url(path), **{"events": ["*"], **asked})

    async def carry(self) -> None:
        """All that is due now, to its end."""
        while await self.deliverer.step():
            await self.deliverer.finish()

    async def settle(self, *, within_s: float = 10.0) -> None:
        """Until nothing waits any more."""
        async with asyncio.timeout(within_s):
            while await self.waiting():
                await self.carry()
                await asyncio.sleep(0.01)

    async def waiting(self) -> int:
        (row,) = await self.here.database.rows(
            "select count(*) as n from webhook_deliveries where state = 'waiting'"
        )
        return int(row["n"])

    async def log(self, made: Made, **asked: Any) -> list[Row]:
        async with self.here.database.transaction() as connection:
            return await deliveries.log(connection, TENANT, made.row["id"], **{"most": 1_000, **asked})

    async def row(self, made: Made) -> Row:
        (row,) = await self.here.database.rows(
            "select * from webhook_endpoints where id = %s", (made.row["id"],)
        )
        return row

    async def test(self, made: Made, times: int = 1) -> None:
        for _ in range(times):
            await self.endpoints.test(made.row["id"])


@asynccontextmanager
async def post(database_url: str, schedule: Schedule = QUICK) -> AsyncIterator[Post]:
    async with yard(database_url) as here, sink() as there:
        sender = Sender(LOOPBACK, deadline_s=schedule.deadline_s)
        deliverer = Deliverer(here.database, TENANT, PEPPER, sender, schedule=schedule)
        try:
            yield Post(here, there, Endpoints(here.database, TENANT, PEPPER, LOOPBACK), deliverer)
        finally:
            await sender.close()


# -- what is told


def ended(job: Job, state: JobState) -> tuple[Job, Job]:
    return job, job.moved(state, slot_id=None, reason_code="x", reason="x")


async def test_every_end_of_a_job_is_told_to_who_wants_it_and_to_nobody_else(database_url: str) -> None:
    async with post(database_url) as office:
        await office.endpoint("/good/all")
        await office.endpoint("/good/failed", events=["job.failed"])
        await office.endpoint("/good/named", is_tenant_wide=False)
        waits = (await office.here.submit(1)).batch_id
        (refused,) = await office.here.jobs(waits)
        served = await office.here.serving(5)
        ends = [*(state for state in FINAL if state is not JobState.REFUSED), JobState.IN_REVIEW]
        await office.here.move([ended(job, state) for job, state in zip(served, ends, strict=True)])
        await office.here.move([ended(refused, JobState.REFUSED)])
        await office.carry()

        told = [json.loads(one.body) for one in office.sink.at("/good/all")]
        wanted = [
            (job, state) for job, state in zip([refused, *served], [JobState.REFUSED, *ends], strict=True)
        ]
        assert {(one["type"], one["data"]["id"], one["data"]["state"]) for one in told} == {
            (f"job.{state.value}", job.id, state.value) for job, state in wanted
        }
        assert {one["type"] for one in told} == set(JOB_EVENTS) and len(told) == len(JOB_EVENTS)
        assert all(one["data"].keys() == {"id", "review_id", "state"} for one in told)
        assert [json.loads(one.body)["type"] for one in office.sink.at("/good/failed")] == ["job.failed"]
        assert office.sink.at("/good/named") == []


async def test_a_review_is_told_of_when_it_is_cancelled_and_once_when_it_is_finished(
    database_url: str,
) -> None:
    async with post(database_url) as office:
        await office.endpoint(events=["review.*"])
        batch_id = (await office.here.submit(1)).batch_id
        (job,) = await office.here.jobs(batch_id)
        for _ in range(2):
            async with office.here.database.transaction() as connection:
                await batches.mark_cancelled(connection, TENANT, batch_id)
        await office.here.move([ended(job, JobState.CANCELLED)])
        for _ in range(2):
            async with office.here.database.transaction() as connection:
                await batches.finish(connection, TENANT)
        await office.carry()

        told = [json.loads(one.body) for one in office.sink.seen]
        assert sorted((one["type"], one["data"]["id"], one["data"]["state"]) for one in told) == [
            ("review.cancelled", batch_id, "cancelled"),
            ("review.finished", batch_id, "finished"),
        ]


async def test_what_is_rolled_back_was_never_told(database_url: str) -> None:
    async with post(database_url) as office:
        await office.endpoint()
        (job,) = await office.here.serving(1)
        with pytest.raises(RuntimeError):
            async with office.here.database.transaction() as connection:
                move = jobs.move_of(*ended(job, JobState.FAILED), at=NOON, actor="test", facts={})
                assert await jobs.move(connection, [move]) == {job.id}
                (row,) = await fetch(connection, "select count(*) as n from webhook_deliveries")
                assert row["n"] == 1
                raise RuntimeError

        assert (await office.here.job(job.id)).state is JobState.SERVING
        assert await office.here.count("webhook_events") == await office.here.count("webhook_deliveries") == 0


async def test_where_nobody_wants_it_nothing_is_written(database_url: str) -> None:
    async with post(database_url) as office:
        disabled = await office.endpoint("/good/off")
        await office.endpoints.change(disabled.row["id"], is_disabled=True)
        await office.endpoint(events=["batch.*"])
        other = Endpoints(office.here.database, "somebody-else", PEPPER, LOOPBACK)
        await other.add(office.sink.url("/good/theirs"), events=["*"])
        (job,) = await office.here.serving(1)
        await office.here.move([ended(job, JobState.FAILED)])

        assert await office.here.count("webhook_events") == 0


async def test_a_batch_that_names_an_endpoint_is_told_there(database_url: str) -> None:
    async with post(database_url) as office:
        named = await office.endpoint(is_tenant_wide=False)
        other = await office.here.submit(1)
        mine = await accept(
            office.here.database,
            sources(1, first=7),
            tenant_id=TENANT,
            source="a test",
            review=REVIEW,
            requirements=Requirements(),
            webhook=named.row["id"],
        )
        for batch_id in (other.batch_id, mine.batch_id):
            await office.here.move([ended(job, JobState.REFUSED) for job in await office.here.jobs(batch_id)])
        async with office.here.database.transaction() as connection:
            await batches.finish(connection, TENANT)
        await office.carry()

        told = [json.loads(one.body) for one in office.sink.seen]
        assert sorted(one["type"] for one in told) == ["job.refused", "review.finished"]
        assert {one["data"].get("review_id", one["data"]["id"]) for one in told} == {mine.batch_id}
        with pytest.raises(BadInput, match="no such endpoint"):
            await accept(
                office.here.database,
                sources(1),
                tenant_id="somebody-else",
                source="a test",
                review=REVIEW,
                requirements=Requirements(),
                webhook=named.row["id"],
            )


@pytest.mark.parametrize("end", ["completed", "failed", "expired", "cancelled"])
async def test_openais_client_unwraps_the_end_of_a_batch(end: str, database_url: str) -> None:
    async with counter(database_url) as api, sink() as there:
        endpoints = Endpoints(api.here.database, TENANT, PEPPER, LOOPBACK)
        named = await endpoints.add(there.url("/good/named"), is_tenant_wide=False)
        made = await endpoints.add(there.url("/good"))
        batch = await api.batch(request(), metadata={"classyard_webhook": named.row["id"]})
        async with api.here.database.transaction() as connection:
            await api_batches.end(connection, batch["id"], end)
            await api_batches.end(connection, batch["id"], "completed")  # what has ended stays so
        sender = Sender(LOOPBACK)
        deliverer = Deliverer(api.here.database, TENANT, PEPPER, sender)
        while await deliverer.step():
            await deliverer.finish()
        await sender.close()

        assert sorted(one.path for one in there.seen) == ["/good", "/good/named"]
        (sent,) = there.at("/good")
        client = openai.OpenAI(api_key="none", webhook_secret=made.secret)
        event = client.webhooks.unwrap(sent.body, sent.headers)
        assert isinstance(event, getattr(openai.types.webhooks, f"Batch{end.capitalize()}WebhookEvent"))
        assert (event.type, event.data.id, event.object) == (f"batch.{end}", batch["id"], "event")
        assert event.id == sent.event_id == there.at("/good/named")[0].event_id
        assert Webhook(made.secret).verify(sent.body, sent.headers)["id"] == event.id
        with pytest.raises(openai.InvalidWebhookSignatureError):
            client.webhooks.unwrap(sent.body, sent.headers, secret=named.secret)


# -- what arrives, and what is left where it does not


async def test_each_fault_of_a_receiver_is_told_apart_and_tried_again(database_url: str) -> None:
    patient = replace(QUICK, trips_after=99, deadline_s=0.6)
    async with post(database_url, patient) as office:
        paths = ("/fail", "/hang", "/drip", "/redirect", "/cut", "/nonsense", "/good", "/dripping", "/huge")
        made = {path: await office.endpoint(path, events=["review.cancelled"]) for path in paths}
        for one in made.values():
            await office.test(one)
        began = time.monotonic()
        await office.settle()

        assert time.monotonic() - began < 8
        ways: dict[str, tuple[str, str, int]] = {}
        for path, one in made.items():
            (row,) = await office.log(one)
            (how,) = {each["outcome"] for each in row["tries"]}
            ways[path] = (row["state"], how, len(row["tries"]))
        assert ways == {
            "/fail": ("exhausted", "refused", 3),
            "/hang": ("exhausted", "timeout", 3),
            "/drip": ("exhausted", "timeout", 3),
            "/redirect": ("exhausted", "refused", 3),
            "/cut": ("exhausted", "broken", 3),
            "/nonsense": ("exhausted", "broken", 3),
            "/good": ("delivered", "delivered", 1),
            "/dripping": ("delivered", "delivered", 1),
            "/huge": ("delivered", "delivered", 1),
        }
        (row,) = await office.log(made["/redirect"])
        assert (
            row["reason"]
            == row["tries"][-1]["sentence"]
            == "It answered 302, a redirect, and none is followed."
        )
        assert row["tries"][-1]["http_status"] == 302
        (drip,) = await office.log(made["/drip"])
        assert all(500 <= each["took_ms"] < 2_000 for each in drip["tries"])


async def test_the_same_bytes_and_id_are_sent_each_time_and_signed_anew(database_url: str) -> None:
    async with post(database_url) as office:
        made = await office.endpoint("/flaky")
        await office.test(made)
        await office.settle()

        first, second = office.sink.seen
        assert (first.body, first.event_id) == (second.body, second.event_id)
        for one in (first, second):
            Webhook(made.secret).verify(one.body, one.headers)
        (row,) = await office.log(made)
        assert (row["state"], [one["http_status"] for one in row["tries"]]) == ("delivered", [500, 204])
        assert first.headers["content-type"] == "application/json"


async def test_a_retry_after_is_kept(database_url: str) -> None:
    async with post(database_url) as office:
        made = await office.endpoint("/later")
        await office.test(made)
        began = time.monotonic()
        await office.settle()

        assert 1.0 <= time.monotonic() - began < 4
        (row,) = await office.log(made)
        assert [one["http_status"] for one in row["tries"]] == [429, 204]


async def test_410_disables_an_endpoint_and_keeps_what_waits(database_url: str) -> None:
    async with post(database_url) as office:
        made = await office.endpoint("/gone")
        await office.test(made)
        await office.carry()

        row = await office.row(made)
        assert row["disabled_at"] and "410" in row["disabled_reason"]
        assert await office.waiting() == 1
        with pytest.raises(BadInput, match="is disabled"):
            await office.test(made)
        (job,) = await office.here.serving(1)
        await office.here.move([ended(job, JobState.FAILED)])
        assert await office.waiting() == 1

        await office.endpoints.change(made.row["id"], url=office.sink.url("/good"), is_disabled=False)
        await office.settle()
        assert [one["state"] for one in await office.log(made)] == ["delivered"]


async def test_two_secrets_sign_during_the_overlap_and_then_one(database_url: str) -> None:
    async with post(database_url) as office:
        old = await office.endpoint()
        new = await office.endpoints.rotate(old.row["id"], overlap_s=3_600)
        await office.test(old)
        await office.carry()
        await office.here.do("update webhook_endpoints set before_until = now() - interval '1 second'")
        await office.test(old)
        await office.carry()

        during, after = office.sink.seen
        assert old.secret != new.secret
        assert len(during.headers["webhook-signature"].split(" ")) == 2
        for one in (old, new):
            Webhook(one.secret).verify(during.body, during.headers)
            openai.OpenAI(api_key="none").webhooks.verify_signature(
                during.body, during.headers, secret=one.secret
            )
        Webhook(new.secret).verify(after.body, after.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(old.secret).verify(after.body, after.headers)


async def test_no_secret_is_in_the_database(database_url: str) -> None:
    async with post(database_url) as office:
        made = await office.endpoint()
        raw = b64decode(made.secret.removeprefix("whsec_"))
        rows = await office.here.database.rows("select * from webhook_endpoints")

    kept = b"".join(value if isinstance(value, bytes) else str(value).encode() for value in rows[0].values())
    for part in (raw, made.secret.encode(), raw.hex().encode()):
        assert part not in kept


async def test_an_endpoint_that_hangs_holds_up_no_other(database_url: str) -> None:
    async with post(database_url, replace(QUICK, deadline_s=60, lease_s=90)) as office:
        hangs, good = await office.endpoint("/hang"), await office.endpoint("/good")
        await office.test(hangs, 50)
        await office.test(good, 50)
        working = asyncio.create_task(office.deliverer.work())
        async with asyncio.timeout(30):
            while await office.waiting() > 50:
                await asyncio.sleep(0.01)
        assert office.sink.peak["/hang"] == office.sink.now["/hang"] == QUICK.at_once
        assert office.sink.peak["/good"] <= QUICK.at_once
        await stop(working)


async def test_a_failing_endpoint_rests_is_tried_with_one_delivery_and_comes_back(database_url: str) -> None:
    slow = replace(QUICK, waits_s=(0.01,) * 50, rest_s=0.3, most_rest_s=0.3, trips_after=5)
    async with post(database_url, slow) as office:
        made = await office.endpoint()
        office.sink.broken.add("/good")
        await office.test(made, 40)
        await office.carry()

        assert 5 <= (await office.row(made))["failures"] <= 5 + slow.at_once
        rests_until = (await office.row(made))["rests_until"]
        assert rests_until is not None
        seen = len(office.sink.seen)
        assert await office.deliverer.step() == 0  # it rests
        await asyncio.sleep(0.4)
        assert await office.deliverer.step() == 1  # one alone tries
        await office.deliverer.finish()
        assert len(office.sink.seen) == seen + 1

        office.sink.broken.clear()
        await office.settle()
        row = await office.row(made)
        assert (row["failures"], row["failing_since"], row["rests_until"]) == (0, None, None)
        assert {one["state"] for one in await office.log(made)} == {"delivered"}


async def test_an_endpoint_that_failed_for_days_is_disabled_and_what_waited_is_given_up_visibly(
    database_url: str,
) -> None:
    async with post(database_url, replace(QUICK, waits_s=(30.0,) * 3, lifetime_s=60.0)) as office:
        made = await office.endpoint("/fail")
        await office.test(made)
        await office.carry()
        await office.here.do("update webhook_endpoints set failing_since = now() - interval '6 days'")
        await office.test(made)
        await office.carry()

        row = await office.row(made)
        assert row["disabled_reason"] == "Every attempt failed for 5 days."
        await office.here.do("update webhook_deliveries set begun_at = now() - interval '2 minutes'")
        await office.deliverer.sweep()
        assert [(one["state"], one["reason"][:24]) for one in await office.log(made)] == [
            ("exhausted", "It waited for too long: ")
        ] * 2


async def test_what_was_given_up_is_delivered_again_by_hand(database_url: str) -> None:
    async with post(database_url, replace(QUICK, trips_after=99)) as office:
        made = await office.endpoint()
        office.sink.broken.add("/good")
        await office.test(made, 3)
        await office.settle()
        assert {one["state"] for one in await office.log(made, state="exhausted")} == {"exhausted"}
        office.sink.broken.clear()
        first, *_ = await office.log(made)

        again = await office.endpoints.redeliver(first["id"])
        await office.settle()
        assert again["event_id"] == first["event_id"]
        now, *others = await office.log(made)
        assert (now["state"], now["attempts"], len(now["tries"])) == ("delivered", 1, 4)
        assert {one["state"] for one in others} == {"exhausted"}

        assert await office.endpoints.redeliver_all(made.row["id"]) == 2
        await office.settle()
        assert {one["state"] for one in await office.log(made)} == {"delivered"}
        with pytest.raises(UnknownName):
            await office.endpoints.redeliver(10**6)
        with pytest.raises(UnknownName):
            await Endpoints(office.here.database, "somebody-else", PEPPER).redeliver(first["id"])


async def test_what_a_stale_claim_learned_moves_nothing_but_is_logged(database_url: str) -> None:
    async with post(database_url, replace(QUICK, lease_s=0.05)) as office:
        made = await office.endpoint("/fail")
        await office.test(made)
        await office.deliverer.step()
        await asyncio.sleep(0.1)
        other = Deliverer(
            office.here.database, TENANT, PEPPER, Sender(LOOPBACK), schedule=replace(QUICK, lease_s=9)
        )
        assert await other.step() == 1
        await office.deliverer.finish()

        (row,) = await office.log(made)
        assert (row["attempts"], len(row["tries"])) == (0, 1)
        await other.finish()
        (row,) = await office.log(made)
        assert (row["attempts"], len(row["tries"])) == (1, 2)


async def test_what_a_slow_receiver_answers_is_written_down_once_while_others_go_on(
    database_url: str,
) -> None:
    async with post(database_url, replace(QUICK, deadline_s=0.8, lease_s=30)) as office:
        slow, good = await office.endpoint("/hang"), await office.endpoint()
        await office.test(slow)
        working = asyncio.create_task(office.deliverer.work())
        async with asyncio.timeout(30):
            while await office.waiting():
                await office.test(good)  # steps go by while the slow one is under way
                await asyncio.sleep(0.05)
                if (await office.log(slow))[0]["state"] == "exhausted":
                    break
        await stop(working)

        (row,) = await office.log(slow)
        assert [one["outcome"] for one in row["tries"]] == ["timeout"] * 3
        assert len(office.sink.at("/hang")) == 3
        assert len(office.sink.at("/good")) == len({one.event_id for one in office.sink.at("/good")})


async def test_a_deliverer_that_stops_gives_back_what_it_held(database_url: str) -> None:
    async with post(database_url, replace(QUICK, deadline_s=30, lease_s=600)) as office:
        made, good = await office.endpoint("/hang"), await office.endpoint()
        await office.test(made)
        await office.test(good)
        working = asyncio.create_task(office.deliverer.work())
        while not office.sink.now["/hang"]:
            await asyncio.sleep(0.01)
        await stop(working)

        assert [one["state"] for one in await office.log(good)] == ["delivered"]
        rows = await office.here.database.rows(
            "select claimed_until from webhook_deliveries where state = 'waiting'"
        )
        assert [row["claimed_until"] for row in rows] == [None]


async def test_two_deliverers_keep_the_room_of_an_endpoint_and_send_each_event_once(
    database_url: str,
) -> None:
    async with post(database_url) as office:
        made = await office.endpoint()
        await office.test(made, 200)
        other = Deliverer(office.here.database, TENANT, PEPPER, Sender(LOOPBACK), schedule=QUICK)
        working = [asyncio.create_task(one.work()) for one in (office.deliverer, other)]
        while await office.waiting():
            await asyncio.sleep(0.02)
        await stop(*working)

        assert len(office.sink.seen) == len({one.event_id for one in office.sink.seen}) == 200
        assert office.sink.peak["/good"] <= QUICK.at_once


async def test_what_was_delivered_long_ago_is_forgotten_and_what_was_given_up_is_not(
    database_url: str,
) -> None:
    async with post(database_url) as office:
        good, bad = await office.endpoint(), await office.endpoint("/fail")
        await office.test(good)
        await office.test(bad)
        await office.settle()
        await office.here.do("update webhook_deliveries set ended_at = now() - interval '31 days'")
        await office.here.do("update webhook_events set created_at = now() - interval '31 days'")
        await office.deliverer.sweep()

        assert [one["state"] for one in await office.log(good) + await office.log(bad)] == ["exhausted"]
        assert await office.here.count("webhook_events") == 1


async def test_an_endpoint_goes_with_its_log(database_url: str) -> None:
    async with post(database_url) as office:
        made = await office.endpoint()
        await office.test(made)
        await office.settle()
        await office.endpoints.remove(made.row["id"])

        assert (
            await office.here.count("webhook_deliveries") == await office.here.count("webhook_attempts") == 0
        )
        with pytest.raises(UnknownName):
            await office.endpoints.remove(made.row["id"])


async def test_there_are_only_so_many_endpoints(database_url: str) -> None:
    async with post(database_url) as office:
        for _ in range(50):
            await office.endpoint()
        with pytest.raises(BadInput, match="50 endpoints"):
            await office.endpoint()
