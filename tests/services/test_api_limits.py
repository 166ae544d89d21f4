"""How often a key may ask, over a real database: by the rule of `rates`, over all processes, told in every shape."""

from __future__ import annotations

import asyncio
from collections import Counter as Tally
from typing import Any

import httpx
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai import AsyncOpenAI

from producer.api.keys import new_key
from producer.api.rates import Allowance
from runtime.db.session import Database
from runtime.db.stores import api_keys, batches
from schemas.scopes import Scope
from tests.counter import Counter, counter

pytestmark = pytest.mark.services

TENANT = "default"


class Bucket:
    """One key by its store; time passes by hand."""

    def __init__(self, database: Database, per_minute: int | None, default: int) -> None:
        self.database, self.default = database, default
        self.key_id, self.proof, self._per_minute = new_key().id, b"proof", per_minute

    async def make(self) -> None:
        async with self.database.transaction() as connection:
            await batches.ensure_tenant(connection, TENANT)
            await api_keys.add(
                connection, key_id=self.key_id, tenant_id=TENANT, name="test", secret_hmac=self.proof,
                scopes=["submitter"], expires_s=None, requests_per_minute=self._per_minute,
            )  # fmt: skip

    async def ask(self, proof: bytes | None = None) -> dict[str, Any]:
        async with self.database.transaction() as connection:
            row = await api_keys.admitted(
                connection, TENANT, self.key_id, proof or self.proof, default=self.default
            )
        assert row is not None
        return row

    async def pass_time(self, seconds: float) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(
                "update api_keys set busy_until = busy_until - make_interval(secs => %s) where id = %s",
                (seconds, self.key_id),
            )


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 400), st.lists(st.floats(0, 40) | st.none(), max_size=25), st.booleans())
def test_the_statement_keeps_the_rule(
    database_url: str, limit: int, steps: list[float | None], own: bool
) -> None:
    """A step is a pause, or a run of requests of another's secret, which draws nothing."""

    async def run() -> None:
        database = Database(database_url)
        await database.open()
        try:
            bucket = Bucket(database, limit if own else None, 7 if own else limit)
            await bucket.make()
            busy = 0.0
            for step in steps:
                if step is None:
                    await bucket.ask(b"another")
                else:
                    await bucket.pass_time(step)
                    busy = max(0.0, busy - step)
                before = Allowance(limit, busy)
                row = await bucket.ask()
                if abs(busy - (60 - before.step_s / 2)) < 0.5:
                    busy = row["busy_s"]  # too near to the border to know, on a real clock
                    continue
                assert row["is_admitted"] == before.admits
                busy += before.step_s if before.admits else 0.0
                assert row["busy_s"] == pytest.approx(busy, abs=0.5)
        finally:
            await database.close()

    asyncio.run(run())


@pytest.mark.asyncio
async def test_many_processes_share_one_bucket(database_url: str) -> None:
    pools = [Database(database_url, connections=4) for _ in range(3)]
    for pool in pools:
        await pool.open()
    try:
        bucket = Bucket(pools[0], 20, 0)
        await bucket.make()

        async def ask(n: int) -> bool:
            async with pools[n % 3].transaction() as connection:
                row = await api_keys.admitted(connection, TENANT, bucket.key_id, bucket.proof, default=0)
            return bool(row and row["is_admitted"])

        found = Tally(await asyncio.gather(*(ask(n) for n in range(60))))

        assert 20 <= found[True] <= 21  # one more where this took three seconds
    finally:
        for pool in pools:
            await pool.close()


@pytest.mark.asyncio
async def test_a_key_that_asks_too_often_is_told_when_to_come_back(database_url: str) -> None:
    async with counter(database_url) as here:
        few = await here.key(Scope.SUBMITTER, per_minute=3)
        answers = [await here.http.get("/v1/batches", headers=few) for _ in range(4)]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == [
            "2",
            "1",
            "0",
            "0",
        ]
        for answer in answers:
            assert answer.headers["x-ratelimit-limit-requests"] == "3"
            assert 0 < float(answer.headers["x-ratelimit-reset-requests"].removesuffix("s")) <= 60
        assert 1 <= int(answers[3].headers["retry-after"]) <= 20
        assert answers[3].json()["error"]["code"] == "rate_limit_exceeded"
        assert answers[3].json()["error"]["type"] == "rate_limit_error"

        native = await here.http.get("/v1/reviews/nothing", headers=few)
        assert (native.status_code, native.headers["content-type"]) == (429, "application/problem+json")
        assert int(native.headers["retry-after"]) >= 1 and "3 times a minute" in native.json()["detail"]
        with pytest.raises(openai.RateLimitError) as limited:
            await sdk(here, few).batches.list()
        assert limited.value.code == "rate_limit_exceeded"
        assert (await here.http.get("/v1/batches")).status_code == 200


def sdk(here: Counter, headers: dict[str, str]) -> AsyncOpenAI:
    key = headers["Authorization"].removeprefix("Bearer ")
    http = httpx.AsyncClient(transport=httpx.ASGITransport(here.app), base_url="http://yard")
    return AsyncOpenAI(base_url="http://yard/v1", api_key=key, http_client=http, max_retries=0)


@pytest.mark.asyncio
async def test_errors_count_and_tell_as_well_and_other_secrets_do_not(database_url: str) -> None:
    async with counter(database_url) as here:
        few = await here.key(Scope.OPERATOR, per_minute=3)
        forged = {"Authorization": few["Authorization"][:-64] + "0" * 64}
        for _ in range(9):
            refused = await here.http.get("/v1/batches", headers=forged)
            assert refused.status_code == 401 and "x-ratelimit-limit-requests" not in refused.headers

        left = [
            (await here.http.get(path, headers=few)).headers["x-ratelimit-remaining-requests"]
            for path in ("/v1/files", "/v1/batches/nothing")
        ]

        assert left == ["2", "1"]


@pytest.mark.asyncio
async def test_settings_say_what_a_key_without_a_rate_may_and_none_is_no_limit(database_url: str) -> None:
    async with counter(database_url, api_requests_per_minute=2) as here:
        ordinary = [(await here.http.get("/v1/batches")).status_code for _ in range(3)]
        free = await here.key(Scope.SUBMITTER, per_minute=0)
        answers = [await here.http.get("/v1/batches", headers=free) for _ in range(5)]

        assert ordinary == [200, 200, 429]
        assert {answer.status_code for answer in answers} == {200}
        assert "x-ratelimit-limit-requests" not in answers[0].headers
        rows = await here.here.database.rows("select last_used_at is null as never from api_keys")
        assert [row["never"] for row in rows] == [False, False]


@pytest.mark.asyncio
async def test_an_address_that_tries_keys_waits_and_a_known_key_from_there_does_not(
    database_url: str,
) -> None:
    async with counter(database_url, api_failures_per_minute=4) as here:
        assert (await here.http.get("/v1/batches")).status_code == 200
        tried = [
            await here.http.get("/v1/batches", headers={"Authorization": f"Bearer {new_key().text}"})
            for _ in range(6)
        ]

        assert [answer.status_code for answer in tried] == [401] * 4 + [429] * 2
        assert 1 <= int(tried[-1].headers["retry-after"]) <= 15
        assert tried[-1].json()["error"]["code"] == "too_many_failures"
        assert (await here.http.get("/v1/batches")).status_code == 200
        elsewhere = httpx.ASGITransport(here.app, client=("10.1.2.3", 5))
        async with httpx.AsyncClient(transport=elsewhere, base_url="http://yard") as other:
            fresh = await here.key(Scope.SUBMITTER)
            assert (await here.http.get("/v1/batches", headers=fresh)).status_code == 429
            assert (await other.get("/v1/batches", headers=fresh)).status_code == 200
