"""The audit events of a job as a timeline, and whether their chain verifies. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from classyard.commands.story import Story
from classyard.commands.terminal import (
    alarm,
    counted,
    heading,
    indented,
    instant,
    joined,
    milliseconds,
    shown,
    span,
)
from schemas.audit import AuditEvent
from schemas.stored import body_of, chain_flaw


def parts(story: Story) -> Iterator[RenderableType]:
    yield heading("History", counted(len(story.events), "event"))
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim")
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in _moves(story.events):
        table.add_row(*row)
    yield indented(table)
    job = story.job
    flaw = chain_flaw(story.events, version=job.version, state=job.state.value, head=job.audit_head)
    if flaw:
        yield alarm(f"The history does not verify: {shown(flaw, most=400)}.")
    else:
        yield indented(Text(f"✓ The chain of {counted(len(story.events), 'event')} verifies.", style="green"))


def _moves(events: Sequence[AuditEvent]) -> Iterator[tuple[RenderableType, ...]]:
    """Number, time (the first in full, the others since the first), states, and what is new of why."""
    begun: datetime | None = None
    before: tuple[str, ...] = ()
    for event in events:
        try:
            told = body_of(event)
            at, move, why = datetime.fromisoformat(told["at"]), _move(told), _why(told)
        except (ValueError, KeyError, TypeError, AttributeError):
            yield str(event.version), "", Text("cannot be read", style="red"), ""
            continue
        since = f"+{_since((at - begun).total_seconds())}" if begun else instant(at)
        yield str(event.version), since, Text(move), Text(joined(part for part in why if part not in before))
        begun, before = begun or at, why


def _move(told: Mapping[str, Any]) -> str:
    return shown(f"{told['from'] or ''} → {told['to']}", most=60)


def _why(told: Mapping[str, Any]) -> tuple[str, ...]:
    """The reason's word, where it went, and how a call ended; what an event shares with the last is not repeated."""
    facts = told["facts"]
    where = f"{facts['provider']}/{facts['model']}" if facts.get("provider") and facts.get("model") else ""
    return tuple(shown(part, most=100) for part in (told["reason"], where, facts.get("outcome") or ""))


def _since(seconds: float) -> str:
    return milliseconds(round(seconds * 1_000)) if seconds < 120 else span(seconds)
