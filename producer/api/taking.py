"""A submission is read and committed in a thread with an event loop of its own: reading a million lines must not keep
others waiting for their answers.

A few at a time: each holds what tells a repeated id, 16 bytes and a number for every document.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

from producer.api.state import ApiState
from producer.intake.accept import Accepted, accept
from producer.sources import read_stream
from producer.sources.pieces import stream_of
from runtime.db.session import Database
from runtime.db.stores import files
from schemas.errors import BadInput
from schemas.review import Review
from schemas.submission import Rejection, Requirements, SourceDocument

Documents = Iterator[SourceDocument | Rejection]
Source = Callable[[], AbstractContextManager[Documents]]
"""Opened in the thread, and closed there."""


@dataclass(frozen=True, slots=True)
class Wanted:
    review: Review
    requirements: Requirements
    key: str | None = None
    webhook: str | None = None
    """An endpoint that is told of it."""


async def take(state: ApiState, tenant: str, by: str, source: Source, wanted: Wanted) -> Accepted:
    """Accepts it whole. One that is given up while it waits or is read leaves nothing.

    Raises what `accept` raises.
    """
    given_up = threading.Event()
    async with state.intakes:
        try:
            return await asyncio.to_thread(_take, state, tenant, by, source, wanted, given_up)
        except BaseException:
            given_up.set()
            raise


def kept_file(state: ApiState, file_id: str, name: str) -> Source:
    """A file in its pieces, read as its name says."""

    @contextmanager
    def opened() -> Iterator[Documents]:
        with files.kept(state.settings.database_url, file_id) as (sizes, fetch):
            yield read_stream(stream_of(sizes, fetch), name)

    return opened


def _take(
    state: ApiState, tenant: str, by: str, source: Source, wanted: Wanted, given_up: threading.Event
) -> Accepted:
    try:
        with source() as found:
            return asyncio.run(_accept(state, tenant, by, partial(_until, given_up, found), wanted))
    except LookupError as error:
        raise BadInput("The file was deleted while it was read.", code="not_found") from error


async def _accept(
    state: ApiState, tenant: str, by: str, found: Callable[[], Documents], wanted: Wanted
) -> Accepted:
    database = Database(state.settings.database_url, connections=1)
    await database.open()
    try:
        return await accept(
            database,
            found(),
            tenant_id=tenant,
            source=by,
            review=wanted.review,
            requirements=wanted.requirements,
            defaults=state.settings.tenant_defaults,
            key=wanted.key,
            webhook=wanted.webhook,
        )
    finally:
        await database.close()


def _until(given_up: threading.Event, found: Documents) -> Documents:
    """Breaks the transaction off where nobody waits for it any more."""
    for one in found:
        if given_up.is_set():
            raise BadInput("The request was given up.", code="timeout")
        yield one
    if given_up.is_set():
        raise BadInput("The request was given up.", code="timeout")
