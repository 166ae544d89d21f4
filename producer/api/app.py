"""The application: routes, who may call them, and what surrounds every request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI

from producer.api import answers, anthropic_batches, batches, files, models, openapi, submissions, webhooks
from producer.api.auth import require_guarded
from producer.api.desk import Desk
from producer.api.errors import add_handlers
from producer.api.guard import Guard, Limits
from producer.api.native import batches as review_batches
from producer.api.native import events, jobs, policies, quotes, results
from producer.api.native.found import only_known
from producer.api.native.watch import Watch
from producer.api.state import ApiState
from producer.api.waiting import Waiting
from producer.webhooks.service import deliver
from runtime.heartbeat import stop

NATIVE_ROUTERS = (
    *(quotes.router, review_batches.router, events.router, results.router),
    *(jobs.router, policies.router),
)
"""A quote first, since `quote` would else be read as the id of a batch."""


def routed(**more: Any) -> FastAPI:
    """All routes, with nothing behind them yet."""
    app = FastAPI(
        title="Classyard",
        # Its pages would be routes that nobody is asked at, and its telemetry logs what errors say.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        telemetry={"logs": False, "tracing": False, "metrics": False},
        redirect_slashes=False,
        **more,
    )
    app.include_router(files.router)
    app.include_router(batches.router)
    app.include_router(models.router)
    app.include_router(answers.router)
    app.include_router(anthropic_batches.router)
    app.include_router(submissions.router)
    app.include_router(webhooks.router)
    for router in (*NATIVE_ROUTERS, openapi.router):
        app.include_router(router, dependencies=[Depends(only_known)])
    return app


def create_app(state: ApiState, *, limits: Limits | None = None, with_desk: bool = True) -> FastAPI:
    """Raises `InternalError` where a route asks nobody who calls. `state.database` must be open when it is served."""

    chosen = limits or Limits()
    waiting = Waiting(state.database, state.tenant, most=chosen.waiting)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(work) for work in (_background(state) if with_desk else ())]
        try:
            yield
        finally:
            await stop(*tasks, waiting.looking)

    app = routed(lifespan=lifespan)
    app.state.yard = state
    app.state.watch = Watch(state.database, state.tenant)
    app.state.waiting = waiting
    app.state.limits = chosen
    add_handlers(app)
    app.add_middleware(
        Guard,
        limits=chosen,
        files=files.router.prefix,
        requests=anthropic_batches.router.prefix,
        ids=state.ids,
    )
    require_guarded(app)
    return app


def _background(state: ApiState) -> Iterator[Coroutine[Any, Any, None]]:
    """What an API process does beside answering."""
    yield Desk(state).work()
    yield deliver(state.settings, state.database, state.pepper)
