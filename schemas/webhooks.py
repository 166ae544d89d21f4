"""What can be told by webhook: the types of events, and their bodies.

`batch.*` are OpenAI's, word for word, for batches of that shape; `review.*` and `job.*` are the yard's own. A body says
who and what became of it. Whoever wants more asks the API, with a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from schemas.canonical import canonical
from schemas.errors import BadInput
from schemas.lifecycle import FINAL, JobState

TOLD_STATES = tuple(state for state in JobState if state in FINAL or state is JobState.IN_REVIEW)

BATCH_EVENTS = tuple(f"batch.{end}" for end in ("completed", "failed", "expired", "cancelled"))
REVIEW_EVENTS = ("review.finished", "review.cancelled")
"""`finished`: every job of it is final, cancelled ones included. `cancelled`: all that was open was cancelled."""
JOB_EVENTS = tuple(f"job.{state.value}" for state in TOLD_STATES)

EVENTS = (*BATCH_EVENTS, *REVIEW_EVENTS, *JOB_EVENTS)

USUAL = (*BATCH_EVENTS, "review.finished")
"""Where nothing else is asked for: one event a batch, and none a document."""

TEST = "webhook.test"


def told_as(state: JobState) -> str | None:
    """The event of a job that comes to this state; None where it is not told."""
    return f"job.{state.value}" if state in TOLD_STATES else None


def wanted_events(given: Iterable[str]) -> tuple[str, ...]:
    """In the order of `EVENTS`, each once; `job.*` is all that begin so, `*` all. Raises `BadInput`."""
    asked = tuple(given)
    for one in asked:
        if not any(_matches(one, each) for each in EVENTS):
            known = ", ".join((*EVENTS, "batch.*", "review.*", "job.*", "*"))
            raise BadInput(f"{one[:40]!r} is not an event; there are: {known}.", where="events")
    if not asked:
        raise BadInput("Name at least one event.", where="events")
    return tuple(each for each in EVENTS if any(_matches(one, each) for one in asked))


def _matches(asked: str, event: str) -> bool:
    return asked in ("*", event, f"{event.partition('.')[0]}.*")


def body_of(event_id: str, kind: str, created_at: datetime, data: Mapping[str, Any]) -> bytes:
    """The bytes that are signed and sent: the same whenever they are made."""
    whole = {
        "id": event_id,
        "object": "event",
        "type": kind,
        "created_at": int(created_at.timestamp()),
        "data": dict(data),
    }
    return canonical(whole)
