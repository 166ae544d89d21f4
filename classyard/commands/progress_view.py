"""Progress as it is shown: a screen that is drawn again and again, or one plain line. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from classyard.commands.progress import Progress, ProviderProgress
from classyard.commands.terminal import (
    SIMULATED_NOTE,
    UNKNOWN,
    counted,
    instant,
    joined,
    marked,
    milliseconds,
    money,
    number,
    short,
    shown,
    span,
)
from schemas.lifecycle import JobState

STYLES = {
    JobState.HELD: "yellow",
    JobState.IN_REVIEW: "yellow",
    JobState.SUCCEEDED: "green",
    JobState.REFUSED: "red",
    JobState.FAILED: "red",
    JobState.EXPIRED: "red",
}

MOST_BATCHES = 4
"""Named in the title; of more, the number is told."""

MOST_REASONS = 3


def screen(progress: Progress, left_s: float | None, *, width: int) -> RenderableType:
    """Everything about the batches, fit for `width` columns."""
    parts: list[RenderableType] = [
        Text(title(progress), style="bold"),
        _bar(progress, left_s, width),
        Text(),
        states_line(progress.states),
    ]
    if progress.providers:
        parts += [Text(), providers_table(progress.providers, width=width)]
    notes = [*held_lines(progress), *warnings(progress)]
    if progress.simulated:
        notes.append(SIMULATED_NOTE)
    if notes:
        parts += [Text(), *(Text(line, style="yellow") for line in notes)]
    return Group(*parts)


def title(progress: Progress) -> str:
    named = progress.batches
    ids = ", ".join(short(one) for one in named[:MOST_BATCHES]) if len(named) <= MOST_BATCHES else ""
    batches = f"Batch {ids}" if len(named) == 1 else f"Batches {ids}" if ids else counted(len(named), "batch")
    source = shown(progress.sources[0], most=48) if len(named) == 1 else ""
    return joined((batches, shown(", ".join(progress.reviews), most=60), source))


def _bar(progress: Progress, left_s: float | None, width: int) -> RenderableType:
    """A bar as wide as its words leave room for."""
    words = joined(
        (
            f"{number(progress.finished)} of {number(progress.total)}",
            f"{_percent(progress)} %",
            f"after {span(progress.elapsed_s)}",
            left(progress, left_s),
        )
    )
    row = Table.grid(padding=(0, 2))
    bar = ProgressBar(
        total=max(1, progress.total),
        completed=progress.finished,
        width=max(8, min(48, width - len(words) - 3)),
    )
    row.add_row(bar, Text(words, no_wrap=True))
    return row


def left(progress: Progress, left_s: float | None) -> str:
    if progress.is_over:
        return ""
    return f"ETA {UNKNOWN}" if left_s is None else f"ETA {span(left_s)}"


def _percent(progress: Progress) -> int:
    """Rounded down: 100 only when all is done."""
    return 100 * progress.finished // max(1, progress.total)


def states_line(states: Mapping[str, int]) -> Text:
    """Every state that has jobs, in the order of a job's life."""
    line = Text()
    for state in JobState:
        if states.get(state):
            style = STYLES.get(state, "")
            line.append("   " if line else "")
            line.append(f"{state.value.replace('_', ' ')} ", style="dim")
            line.append(number(states[state]), style=f"bold {style}".strip())
    return line or Text("no jobs", style="dim")


def providers_table(rows: Sequence[ProviderProgress], *, width: int) -> Table:
    """Narrow columns on a narrow terminal; the mark of a simulated provider may wrap, and is never cut."""
    gap = 2 if width >= 92 else 1
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("provider", overflow="fold", min_width=len("(simulated)"))
    for name in ("in flight", "waiting", "done", "calls", "faults", "cost", "p50"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            marked(row.provider, row.simulated),
            *(number(count) for count in (row.in_flight, row.waiting, row.done, row.calls)),
            Text(number(row.faults), style="red" if row.faults else ""),
            money(row.cost_usd_micros),
            milliseconds(row.latency_ms_p50),
        )
    return table


def held_lines(progress: Progress) -> list[str]:
    lines = [
        f"Held, {counted(jobs, 'job')}: {shown(why, most=300)}" for why, jobs in progress.held[:MOST_REASONS]
    ]
    more = len(progress.held) - MOST_REASONS
    return [*lines, f"… and held for {counted(more, 'other reason')}."] if more > 0 else lines


def warnings(progress: Progress) -> list[str]:
    found = []
    if progress.rejected:
        found.append(f"{counted(progress.rejected, 'document')} could not be accepted.")
    if progress.open and not progress.router_alive:
        found.append("No router has been heard of lately; jobs that are not routed yet wait for one.")
    return found


def figures(progress: Progress) -> str:
    """What changes as work is done; elapsed time alone is no news."""
    states = joined(
        f"{progress.states[state]} {state.value}" for state in JobState if progress.states.get(state)
    )
    return joined((f"{progress.finished} of {progress.total} done", states, money(progress.cost_usd_micros)))


def line(progress: Progress, left_s: float | None) -> str:
    """For a pipe or a log: when, how far, and what is left."""
    return joined((instant(progress.seen_at), figures(progress), left(progress, left_s)))
