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
        async with counter(database_url) as here:
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
    return named
