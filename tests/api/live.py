"""The API served over a real socket by a thread of its own, on a yard in which there is something to find."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from producer.api.app import create_app
from producer.api.guard import Limits
from producer.api.server import bound, server_of
from schemas.lifecycle import JobState
from schemas.scopes import Scope
from tests.counter import Counter, counter, request
from tests.engine_values import a_policy
from tests.yard import a_catalog


@dataclass
class Live:
    address: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    """With a key of all scopes."""
    known: dict[str, list[str]] = field(default_factory=dict)
    """Values of path parameters that name something."""
    app: Any = None
    errors: list[BaseException] = field(default_factory=list)


@contextmanager
def live(database_url: str, *, batches: int = 12) -> Iterator[Live]:
    found, ready, ending = Live(), threading.Event(), threading.Event()

    async def serve() -> None:
        # As many requests as it takes: the limit of a key has tests of its own.
        async with counter(database_url, api_requests_per_minute=0) as here:
            found.headers = await here.key(*Scope)
            found.known = await furnish(here, batches)
            app = found.app = create_app(here.state, limits=Limits(answer_seconds=0.2), with_desk=True)
            with bound("127.0.0.1", 0) as listener:
                found.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
                server = server_of(app)
                serving = asyncio.create_task(server.serve(sockets=[listener]))
                while not server.started:
                    await asyncio.sleep(0.01)
                ready.set()
                await asyncio.to_thread(ending.wait)
                server.should_exit = True
                await serving

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            found.errors.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(60)
    try:
        if found.errors:
            raise found.errors[0]
        yield found
    finally:
        ending.set()
        thread.join(30)


async def furnish(here: Counter, batches: int) -> dict[str, list[str]]:
    """Batches of three documents in every state of work, decided by the engine; files; batches of OpenAI's shape."""
    named: dict[str, list[str]] = {
        "batch_id": [],
        "job": [],
        "file_id": [],
        "model_id": ["auto", "review:clauses"],
    }
    for number in range(batches):
        made = await here.here.submit(3, deadline_s=3_600)
        named["batch_id"].append(made.batch_id)
        first, second, third = await here.here.jobs(made.batch_id)
        named["job"] += [first.id, second.custom_id]
        if number % 3 == 0:
            await here.end_jobs([first])
            await here.end_jobs([second], JobState.CANCELLED)
        if number % 3 == 1:
            await here.end_jobs([first, second, third])
    await here.here.provider_up()
    await here.here.stage(a_catalog(), a_policy()).route()
    for _ in range(4):
        named["file_id"].append(await here.upload(json.dumps(request()).encode()))
        openai = await here.batch(request())
        named["batch_id"].append(openai["id"])
    named |= await furnish_more(here, await here.key(*Scope))
    return named


async def furnish_more(here: Counter, headers: dict[str, str]) -> dict[str, list[str]]:
    """Message Batches, one of them with its results; endpoints of webhooks, with deliveries that never arrive."""
    headers = {**headers, "anthropic-version": "2023-06-01"}

    async def post(path: str, **body: Any) -> str:
        answer = await here.http.post(path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    params = {**request()["body"], "max_tokens": 99}
    asked = [{"custom_id": "a", "params": params}]
    ids = [await post("/v1/messages/batches", requests=asked) for _ in range(4)]
    for one in ids[:2]:
        await post(f"/v1/messages/batches/{one}/cancel")
    await here.work()
    endpoints = [
        await post("/v1/webhooks", url="https://192.0.2.1/hooks", events=["*"], tenant_wide=number > 0)
        for number in range(4)
    ]
    told = [await post(f"/v1/webhooks/{one}/test") for one in endpoints for _ in range(2)]
    own = b'{"custom_id": "a", "text": "A contract."}\n{}'
    files = [await here.upload(own, purpose="user_data") for _ in range(2)]
    below = "/v1/messages/batches/{batch_id}"
    named = {f"{below}{part}:batch_id": ids for part in ("", "/cancel", "/results")}
    return {**named, "endpoint_id": endpoints, "delivery_id": told, "own_file_id": files}
