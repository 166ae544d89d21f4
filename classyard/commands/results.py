"""`classyard results BATCH`: every job of a batch as one row of JSONL or CSV, whatever became of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from rich.text import Text

from classyard.commands import resolve
from classyard.commands.result_rows import harmless
from classyard.commands.terminal import console, counted, hush, note, shown, tell
from classyard.context import Context
from producer.exports import ExportFormat, export
from producer.result_rows import COLUMNS, result_row
from runtime.db.session import Database, Row
from runtime.db.stores import views
from schemas.errors import BadInput
from schemas.lifecycle import FINAL

GROUP = 200
"""Rows that are read at a time, so that a batch of any length takes the same memory."""

STDOUT = "-"


@dataclass
class Tally:
    """What passed by on its way into the file."""

    rows: int = 0
    open: int = 0
    simulated: int = 0

    def count(self, row: dict[str, Any]) -> dict[str, Any]:
        self.rows += 1
        self.open += row["state"] not in FINAL
        self.simulated += bool(row["simulated"])
        return row


def results(context: Context, batch: str, *, form: str = "jsonl", to: str = STDOUT) -> int:
    """Writes the file, or standard output for `-`, whole or not at all; returns 0, also where jobs are open.

    Raises `UnknownName`, `BadInput` for a format or a place that will not do, `NoSpaceLeft`, `YardNotRunning`.
    """
    wanted = _form(form)
    tally = Tally()
    hush()
    # The writing is plain blocking code; the loop runs only while the next rows are read.
    with asyncio.Runner() as runner:
        reader = _Reader(context.connected())
        try:
            runner.run(reader.open(batch))
            rows = (tally.count(result_row(row)) for row in _rows(runner, reader))
            on_terminal = to == STDOUT and sys.stdout.isatty()
            export(map(harmless, rows) if on_terminal else rows, to, columns=COLUMNS, form=wanted)
        finally:
            runner.run(reader.close())
    _report(tally, to)
    return 0


def _form(given: str) -> ExportFormat:
    try:
        return ExportFormat(given)
    except ValueError:
        known = ", ".join(ExportFormat)
        raise BadInput(
            f"{shown(given)!r} is not known; it may be one of: {known}.", where="--format"
        ) from None


def _rows(runner: asyncio.Runner, reader: _Reader) -> Iterator[Row]:
    return chain.from_iterable(iter(lambda: runner.run(reader.group()), []))


class _Reader:
    """The rows of one batch, a group at a time, over one connection."""

    def __init__(self, context: Context) -> None:
        self._tenant = context.settings.tenant
        self._database = Database(context.settings.database_url, connections=2)
        self._rows: AsyncIterator[Row] | None = None

    async def open(self, batch: str) -> None:
        await self._database.open()
        found = await resolve.batch_id(self._database, self._tenant, batch)
        self._rows = views.results(self._database, self._tenant, found)

    async def group(self) -> list[Row]:
        """Empty at the end."""
        assert self._rows is not None
        found: list[Row] = []
        async for row in self._rows:
            found.append(row)
            if len(found) == GROUP:
                break
        return found

    async def close(self) -> None:
        if self._rows is not None:
            await self._rows.aclose()  # type: ignore[attr-defined]
        await self._database.close()


def _report(tally: Tally, to: str) -> None:
    """On stdout where that is free, since it is the answer then; what is to be known beside it, on stderr."""
    place = "standard output" if to == STDOUT else shown(to, most=400)
    written = f"Wrote {counted(tally.rows, 'row')} to {place}."
    if to == STDOUT:
        note(written)
    else:
        tell(console(), Text(written))
    for sentence in notes(tally):
        note(sentence)


def notes(tally: Tally) -> list[str]:
    found = []
    if tally.open:
        are = "is" if tally.open == 1 else "are"
        found.append(
            f"{counted(tally.open, 'job')} {are} still open; write the results again when all are final."
        )
    if tally.simulated:
        come = "comes" if tally.simulated == 1 else "come"
        told = f"{counted(tally.simulated, 'result')} {come} from simulated providers"
        found.append(f"{told}: such answers mean nothing.")
    return found
