"""`classyard quote`: what a submission would cost and when it would be done. Nothing is sent, nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from classyard.commands.reckoning import ESTIMATES, reckoned
from classyard.commands.submit import read_requirements
from classyard.commands.terminal import (
    SIMULATED_NOTE,
    console,
    counted,
    heading,
    indented,
    marked,
    milliseconds,
    money,
    number,
    shown,
)
from classyard.context import Context
from producer.sources import read_all
from router_worker.quote import Quote
from schemas.snapshot import ProviderSnapshot
from schemas.submission import Rejection

SHOWN = 10
"""Lines of a list; the rest are counted."""


def quote(
    context: Context,
    paths: Sequence[Path],
    *,
    review: str,
    sensitivity: str | None,
    residency: Sequence[str],
    deadline: str | None,
    max_cost: str | None,
    quality: str | None,
    priority: str | None,
    model: str | None = None,
    tier: str | None = None,
    to: Console | None = None,
) -> int:
    """Returns 0 where every document could be read and would be served, else 1.

    Raises `BadInput` where not one can be read, `UnknownName` for the review, and `BadConfiguration`.
    """
    asked = read_requirements(sensitivity, residency, deadline, max_cost, quality, priority, model, tier)
    requirements = context.settings.tenant_defaults.floor_of(asked)
    found = reckoned(context, read_all(paths), context.review(review), requirements)
    screen = to or console()
    for part in parts(found.quote, found.rejections, found.snapshot, found.notes):
        screen.print(part)
    return 0 if found.quote.served == found.quote.documents and not found.rejections else 1


# -- how it is told


def parts(
    found: Quote, rejections: Sequence[Rejection], snapshot: ProviderSnapshot, notes: Sequence[str] = ()
) -> Iterator[RenderableType]:
    for sentence in notes:
        yield Text(sentence, style="yellow")
    yield Text(summary(found), style="bold")
    yield from _listed("Could not be read", [f"{one.where}: {one.sentence}" for one in rejections])
    yield from _listed("Would be refused", _by_rule(found.refused, found.sentences))
    yield from _listed("Would be held for now", _by_rule(found.held, found.sentences))
    if found.parts:
        yield heading("By provider")
        yield indented(_table(found, snapshot))
    if found.late:
        yield Text(
            f"{counted(found.late, 'document')} would be expected to miss the deadline.", style="yellow"
        )
    yield Text()
    yield Text(ESTIMATES)
    if any(one.simulated for one in snapshot.catalog.providers if one.name in found.parts):
        yield Text(SIMULATED_NOTE, style="yellow")


def summary(found: Quote) -> str:
    """The figures in one line."""
    begun = f"{counted(found.documents, 'document')}: {number(found.served)} would be served"
    if not found.served:
        return f"{begun}."
    cost, worst = money(found.cost_usd_micros), money(found.worst_cost_usd_micros)
    return f"{begun}, for {cost} expected and {worst} at worst, in about {milliseconds(found.finish_ms)}."


def _listed(title: str, lines: Sequence[str]) -> Iterator[RenderableType]:
    if not lines:
        return
    yield heading(title)
    for line in lines[:SHOWN]:
        yield indented(Text(shown(line, most=600)))
    if len(lines) > SHOWN:
        yield indented(Text(f"… and {number(len(lines) - SHOWN)} more.", style="dim"))


def _by_rule(counts: Mapping[str, int], sentences: Mapping[str, str]) -> list[str]:
    """Most frequent first, each with what was said of the first document."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [f"{number(count)} by {name}: {sentences[name]}" for name, count in ordered]


def _table(found: Quote, snapshot: ProviderSnapshot) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("provider", overflow="fold")
    for name in ("documents", "tokens in", "tokens out", "expected cost", "done in about"):
        table.add_column(name, justify="right")
    simulated = {one.name for one in snapshot.catalog.providers if one.simulated}
    for name, part in sorted(found.parts.items()):
        table.add_row(
            marked(name, name in simulated),
            number(part.documents),
            number(part.input_tokens),
            number(part.output_tokens),
            money(part.cost_usd_micros),
            milliseconds(part.finish_ms),
        )
    return table
