"""How the commands that look at things speak: one console, and facts as people read them.

Everything that comes from a document, a file name, a model or a row goes through `shown`, and into `Text` objects,
where rich reads no markup.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from classyard.commands.text import clean
from producer.durations import format_duration

SIMULATED_NOTE = "Some providers are simulated: their answers mean nothing."
T = TypeVar("T")

UNKNOWN = "\N{EN DASH}"

PIPE_WIDTH = 120
"""Columns where nobody says how many there are; rich would take 80 and cut what a program wants whole."""


def console(*, stderr: bool = False) -> Console:
    """A console on standard output (or error) as it is now. What its encoding cannot say is written as an escape."""
    stream = sys.stderr if stderr else sys.stdout
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    made = Console(file=stream, highlight=False, markup=False, emoji=False)
    return (
        made
        if made.is_terminal
        else Console(file=stream, highlight=False, markup=False, emoji=False, width=PIPE_WIDTH)
    )


def run(work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, for a command: what the database's driver would log beside its errors stays off the screen."""
    hush()
    return asyncio.run(work)


def hush() -> None:
    """The pool tells of every failed try to connect; commands say it once, in a sentence of their own."""
    logging.getLogger("psycopg").addHandler(logging.NullHandler())


def note(sentence: str) -> None:
    """To stderr, so that what a command gives can be piped."""
    tell(console(stderr=True), Text(sentence))


def tell(screen: Console, sentence: Text, *, mark: Text | None = None) -> None:
    """Wrapped between words on a terminal, beside its mark; one line, however long, anywhere else."""
    if screen.is_terminal:
        screen.print(beside(mark, sentence) if mark else sentence)
    else:
        screen.print(Text.assemble(mark, " ", sentence) if mark else sentence, soft_wrap=True)


def beside(mark: Text, sentence: Text) -> Table:
    """The sentence, all its lines to the right of its mark."""
    row = Table.grid(padding=(0, 1))
    row.add_column(no_wrap=True)
    row.add_column(overflow="fold")
    row.add_row(mark, sentence)
    return row


def shown(value: object, *, most: int = 200) -> str:
    """One line of a stranger's text: white space made plain, control characters made visible, cut to `most`."""
    return clean(" ".join(str(value)[: 4 * most].split()), most=most)


def marked(provider: str, simulated: bool) -> Text:
    """A provider's name, and the truth about it."""
    name = Text(shown(provider, most=40))
    return name.append(" (simulated)", style="yellow") if simulated else name


def money(usd_micros: int) -> str:
    """`$0.0123`; an amount too small for four decimals is never shown as nothing."""
    if usd_micros == 0:
        return "$0"
    if 0 < usd_micros < 100:
        return "<$0.0001"
    tenths = round(usd_micros / 100)
    return f"${tenths // 10_000:,}.{tenths % 10_000:04d}"


def percent(share: float | None) -> str:
    """`5.7 %`; a dash where it is not known."""
    return UNKNOWN if share is None else f"{100 * share:,.1f} %"


def number(count: int) -> str:
    return f"{count:,}"


def milliseconds(ms: int | None) -> str:
    """`850 ms`, `1.2 s`, `12 s`, `2m5s`."""
    if ms is None:
        return UNKNOWN
    if ms < 1_000:
        return f"{ms} ms"
    if ms < 10_000:
        return f"{ms / 1_000:.1f} s"
    return f"{ms // 1_000} s" if ms < 120_000 else span(ms / 1_000)


def span(seconds: float | None) -> str:
    """`1m23s`; the two largest units, since nobody needs the seconds of three days."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, round(seconds))
    for unit in (86_400, 3_600):
        if whole >= unit:
            finer = unit // (24 if unit == 86_400 else 60)
            whole -= whole % finer
            break
    return format_duration(whole)


def instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def short(identifier: str) -> str:
    """The end of an id, which is its random part: enough to name it to any command."""
    return identifier[-8:]


def counted(count: int, noun: str) -> str:
    """`1 job`, `3 jobs`, `2 batches`."""
    plural = f"{noun}es" if noun.endswith(("ch", "sh", "s", "x")) else f"{noun}s"
    return f"{number(count)} {noun if count == 1 else plural}"


def joined(parts: Iterable[str]) -> str:
    return " · ".join(part for part in parts if part)


def heading(name: str, rest: str = "") -> Text:
    """Begins a part of what is shown, with an empty line before it."""
    line = Text(f"\n{name}", style="bold")
    return line.append(f"  {rest}", style="not bold dim") if rest else line


def alarm(sentence: str) -> Text:
    """For what must not be overlooked."""
    return Text(f" ✗ {sentence} ", style="bold white on red")


def indented(what: RenderableType, *, by: int = 0) -> Padding:
    """To the right of the headings, and `by` columns more."""
    return Padding(what, (0, 0, 0, 2 + by))
