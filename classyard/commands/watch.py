"""`classyard watch BATCH…`: a live table until every job is final; plain lines where there is no terminal.

It only looks: leaving it changes nothing, and the batch goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from classyard.commands import bounds_view, progress_view, resolve, shortfalls
from classyard.commands.progress import Progress, Rates, exit_code, gather, summary_line
from classyard.commands.terminal import SIMULATED_NOTE, console, note, run, span, tell
from classyard.context import Context
from runtime.db.session import Database, Row
from runtime.db.stores import bounds
from schemas.errors import ServiceUnreachable

POLL_S = 0.5
LINE_S = 2.0
"""Between two plain lines, at least."""
BOUND_S = 5.0
"""For the report on a batch that has just ended: the keeper's round, and a router's look."""
PATIENCE_S = 30.0
"""Without the database, until watching is given up. The batch does not depend on it."""


def watch(context: Context, batches: Sequence[str], *, goes_on: bool = True) -> int:
    """Shows the batches until they are final, and returns 0 where every document succeeded, else 1; 130 after Ctrl-C.

    Each is a whole id, the end of one, or `latest`; none given means the latest. `goes_on` is whether the yard stays
    when the watching ends, so that nothing is promised that is not so. Raises `UnknownName`,
    `YardNotRunning`, and `ServiceUnreachable` when the database stays away for `PATIENCE_S`.
    """
    try:
        return run(follow(context.connected(), batches, goes_on=goes_on))
    except KeyboardInterrupt:
        return 130


def left_running(batches: Sequence[str]) -> str:
    return f"The work goes on without this window. Come back with: classyard watch {' '.join(batches)}"


def _given_up(batches: Sequence[str]) -> str:
    return (
        f"The database has not answered for {PATIENCE_S:g} s. What was accepted is kept; "
        f"come back with: classyard watch {' '.join(batches)}"
    )


async def follow(
    context: Context, given: Sequence[str], *, goes_on: bool = True, to: Console | None = None
) -> int:
    """The same inside an event loop; `context` is connected. Cancelling it leaves the terminal as it was."""
    screen = to or console()
    async with context.database() as database:
        batches = await resolve.batch_ids(database, context.settings.tenant, given)
        last = await _until_final(Watcher(database, context.settings.tenant, batches, goes_on), screen)
        bounded = await _bounds(database, context.settings.tenant, batches, last)
        short_of = await shortfalls.gather(database, context.settings.tenant, batches)
    if screen.is_terminal:
        screen.print()
    for line in shortfalls.lines(short_of):
        tell(screen, line)
    if told := bounds_view.together(bounded):
        tell(screen, Text(told))
    screen.print(Text(summary_line(last.states), style="bold"))
    return exit_code(last.states, last.rejected)


async def _bounds(database: Database, tenant: str, batches: Sequence[str], last: Progress) -> list[Row]:
    """What is known of the batches' cost; waits a little where a router is about to tell."""
    until = time.monotonic() + (BOUND_S if last.router_alive else 0.0)
    while True:
        async with database.transaction() as connection:
            found = await bounds.bounds_of(connection, tenant, batches)
        if all(row["bounded_at"] for row in found) or time.monotonic() >= until:
            return found
        await asyncio.sleep(POLL_S / 2)


async def _until_final(watcher: Watcher, screen: Console) -> Progress:
    try:
        if screen.is_terminal and not screen.is_dumb_terminal:
            return await _on_terminal(watcher, screen)
        return await _in_lines(watcher, screen)
    except asyncio.CancelledError:
        if watcher.goes_on:
            note(left_running(watcher.batches))
        raise


@dataclass
class Watcher:
    """Looks again and again, and survives a database that is away for a while."""

    database: Database
    tenant: str
    batches: Sequence[str]
    goes_on: bool = True
    rates: Rates = field(default_factory=Rates)
    lost_at: float | None = None
    """Since when the database has not answered, on the monotonic clock."""

    async def look(self) -> Progress | None:
        """None while the database does not answer. Raises `ServiceUnreachable` when that lasts too long."""
        now = time.monotonic()
        try:
            found = await gather(self.database, self.tenant, self.batches)
        except ServiceUnreachable as error:
            self.lost_at = now if self.lost_at is None else self.lost_at
            if time.monotonic() - self.lost_at > PATIENCE_S:
                raise ServiceUnreachable(_given_up(self.batches)) from error
            return None
        self.lost_at = None
        self.rates.observe(now, found)
        return found

    def left_s(self, progress: Progress) -> float | None:
        return self.rates.left_s(progress)

    @property
    def trouble(self) -> str:
        if self.lost_at is None:
            return ""
        return f"The database does not answer, for {span(time.monotonic() - self.lost_at)} now; trying again."


async def _on_terminal(watcher: Watcher, screen: Console) -> Progress:
    last: Progress | None = None
    with Live(console=screen, auto_refresh=False) as live:
        while True:
            found = await watcher.look()
            last = found or last
            live.update(_frame(watcher, last, screen.width), refresh=True)
            if found and found.is_over:
                return found
            await asyncio.sleep(POLL_S)


def _frame(watcher: Watcher, last: Progress | None, width: int) -> RenderableType:
    parts: list[RenderableType] = []
    if last:
        parts.append(progress_view.screen(last, watcher.left_s(last), width=width))
        if watcher.goes_on and not last.is_over:
            parts.append(Text("Ctrl-C leaves it running.", style="dim"))
    if watcher.trouble:
        parts.append(Text(watcher.trouble, style="bold red"))
    return Group(*parts)


async def _in_lines(watcher: Watcher, screen: Console) -> Progress:
    lines = Lines()
    while True:
        found = await watcher.look()
        for line in lines.due(time.monotonic(), found, watcher):
            tell(screen, Text(line))
        if found and found.is_over:
            return found
        await asyncio.sleep(POLL_S)


@dataclass
class Lines:
    """What is worth a line: a change, no sooner than `LINE_S` after the last one; and each notice once."""

    said_at: float = float("-inf")
    said: str = ""
    noticed: set[str] = field(default_factory=set)

    def due(self, now: float, progress: Progress | None, watcher: Watcher) -> list[str]:
        if progress is None:
            return self._once("The database does not answer; trying again.")
        self.noticed.discard("The database does not answer; trying again.")
        lines = [line for sentence in self._notices(progress) for line in self._once(sentence)]
        figures = progress_view.figures(progress)
        if figures != self.said and (now - self.said_at >= LINE_S or progress.is_over):
            self.said, self.said_at = figures, now
            lines.append(progress_view.line(progress, watcher.left_s(progress)))
        return lines

    def _once(self, sentence: str) -> list[str]:
        new = sentence not in self.noticed
        self.noticed.add(sentence)
        return [sentence] if new else []

    @staticmethod
    def _notices(progress: Progress) -> list[str]:
        title = [progress_view.title(progress)]
        pretend = [SIMULATED_NOTE] if progress.simulated else []
        return title + pretend + progress_view.held_lines(progress) + progress_view.warnings(progress)
