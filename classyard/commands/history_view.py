"""The audit events of a job as a timeline, and whether their chain verifies. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from classyard.commands.stored import body_of, chain_flaw
from classyard.commands.story import Story
from classyard.commands.terminal import (
    UNKNOWN,
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
    """Number, time (the first in full, the others since the first), states, and what is known of why."""
    begun: datetime | None = None
    for event in events:
        try:
            body = body_of(event)
            at = datetime.fromisoformat(body["at"])
            states = f"{body['from'] or ''} → {body['to']}".strip()
            why = joined((shown(body["reason"], most=60), _place(body["facts"])))
        except (ValueError, KeyError, TypeError):
            yield str(event.version), "", Text("cannot be read", style="red"), ""
            continue
        when = instant(at) if begun is None else f"+{span_or_ms((at - begun).total_seconds())}"
        begun = begun or at
        yield str(event.version), when, Text(shown(states, most=60)), Text(why)


def span_or_ms(seconds: float) -> str:
    return milliseconds(round(seconds * 1_000)) if seconds < 120 else span(seconds)


def _place(facts: Mapping[str, Any]) -> str:
    if not facts.get("provider"):
        return ""
    return shown(f"{facts['provider']}/{facts.get('model') or UNKNOWN}", most=100)
