"""The API for tests, over a real database: a client on the application itself, and the desk by hand, step by step."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from classyard.advice import advisers
from classyard.context import Context
from classyard.embedded.home import Home
from producer.api.app import create_app
from producer.api.desk import Desk
from producer.api.guard import Limits
from producer.api.keys import hmac_of, new_key
from producer.api.lines import CHAT
from producer.api.state import ApiState
from runtime.db.stores import api_keys, jobs, record
from runtime.doorbells import Doorbells
from runtime.ids import new_id
from schemas.errors import UnknownName
from schemas.job import Job
from schemas.lifecycle import JobState
from schemas.review import Review
from schemas.scopes import Scope
from tests.engine_values import NOON
from tests.yard import REVIEW, TENANT, Yard, a_plan, a_result, an_attempt, counted, fake_bells, yard

PEPPER = "a pepper that is long enough for a test"


@dataclass
class Counter:
    here: Yard
    state: ApiState
    app: FastAPI
    http: httpx.AsyncClient
    """With a submitter's key."""
    desk: Desk

    async def key(
        self,
        *scopes: Scope,
        tenant: str = TENANT,
        expires_s: int | None = None,
        per_minute: int | None = None,
    ) -> dict[str, str]:
        """The header of a new key."""
        key = new_key()
        async with self.here.database.transaction() as connection:
            await api_keys.add(
                connection,
                key_id=key.id,
                tenant_id=tenant,
                name="test",
                secret_hmac=hmac_of(PEPPER, key.secret),
                scopes=[scope.value for scope in scopes],
                expires_s=expires_s,
                requests_per_minute=per_minute,
            )
        return {"Authorization": f"Bearer {key.text}"}

    async def upload(self, data: bytes, **form: str) -> str:
        found = await self.http.post(
            "/v1/files", files={"file": ("asked.jsonl", data)}, data={"purpose": "batch", **form}
        )
        assert found.status_code == 200, found.text
        return str(found.json()["id"])

    async def batch(self, *records: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Created, with its lines uploaded before."""
        file_id = await self.upload(b"\n".join(json.dumps(one).encode() for one in records))
        asked = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h", **more}
        found = await self.http.post("/v1/batches", json=asked)
        assert found.status_code == 200, found.text
        return dict(found.json())

    async def at(self, batch_id: str) -> dict[str, Any]:
        return dict((await self.http.get(f"/v1/batches/{batch_id}")).json())

    async def work(self) -> None:
        """All that the desk can do now."""
        while await self.desk.step():
            pass

    async def end_jobs(self, found: Iterable[Job], state: JobState = JobState.SUCCEEDED) -> None:
        """Each goes its way to this end; those that succeed have a result."""
        for job in found:
            if state is JobState.SUCCEEDED:
                await self._succeed(job)
            else:
                ended = job.moved(state, reason_code=state.value, reason="It ended so in a test.")
                await self.here.move([(job, ended)])

    async def _succeed(self, job: Job) -> None:
        routed = job.moved(JobState.ROUTED, provider="alpha", model="one", plan=a_plan("alpha"), plans=1)
        (bound,) = await self.here.move([(job, routed)])
        serving = bound.moved(JobState.SERVING, slot_id=new_id(), lease_token=1)
        (before,) = await self.here.move([(bound, serving)])
        done = counted(before).moved(JobState.SUCCEEDED, slot_id=None, cost_usd_micros=7)
        async with self.here.database.transaction() as connection:
            move = jobs.move_of(before, done, at=NOON, actor="test", facts={})
            moved = await jobs.move(connection, [move])
            await record.keep_attempts(connection, [(before, an_attempt(counted(before)))], frozenset(moved))
            await record.keep_results(connection, [(before, a_result(counted(before)))])


def request(custom_id: str = "a", text: str = "A contract.", **changes: Any) -> dict[str, Any]:
    body = {"model": "review:clauses", "messages": [{"role": "user", "content": text}]}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": {**body, **changes}}


def find_review(name: str) -> Review:
    if name != REVIEW.review:
        raise UnknownName(f"There is no review {name!r}.")
    return REVIEW


@asynccontextmanager
async def counter(
    database_url: str, *, bells: Doorbells | None = None, limits: Limits | None = None, **settings: Any
) -> AsyncIterator[Counter]:
    with tempfile.TemporaryDirectory() as name:
        async with _counter(Path(name), database_url, bells, limits, settings) as made:
            yield made


@asynccontextmanager
async def _counter(
    folder: Path, database_url: str, bells: Doorbells | None, limits: Limits | None, settings: dict[str, Any]
) -> AsyncIterator[Counter]:
    # Tests try many keys that are not valid, all from one address.
    settings = {"redis_url": "redis://nobody", "api_failures_per_minute": 0, **settings}
    async with yard(database_url, **settings) as here:
        names = (REVIEW.review,)
        state = ApiState(
            here.settings,
            here.database,
            bells or fake_bells()[0],
            PEPPER,
            find_review,
            lambda: names,
            advisers=advisers(Context(here.settings, Home(folder), {})),
        )
        app = create_app(state, limits=limits, with_desk=False)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://yard") as http:
            made = Counter(here, state, app, http, Desk(state))
            http.headers.update(await made.key(Scope.SUBMITTER))
            yield made
