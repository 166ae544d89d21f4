"""What differs between batches of OpenAI's and of Anthropic's shape for the desk, which serves both alike."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from producer.api.anthropic_lines import custom_ids, read_requests, splitter
from producer.api.anthropic_objects import nothing_tallied, result_line, unread_line
from producer.api.files import KEPT_S
from producer.api.lines import Line, LineError, read_lines
from producer.api.output import line_of
from producer.api.state import ApiState
from producer.api.written import Written
from runtime.db.session import Connection, Row
from runtime.db.stores import files

OPENAI, ANTHROPIC = "openai", "anthropic"


class Ending(NamedTuple):
    """What is kept of a batch with its end."""

    output_file_id: str | None = None
    error_file_id: str | None = None
    tally: dict[str, int] | None = None


class Results(Protocol):
    """The files of one batch on their way."""

    async def add(self, result: Row) -> None: ...

    async def finish(self) -> Ending: ...


class Shape(Protocol):
    is_read_before: bool
    """Whether all lines were found well when the batch was made; its input is then the desk's own, and goes with it."""

    def lines(self, pieces: Iterable[bytes], row: Row) -> Iterator[Line | LineError]: ...

    def results(self, connection: Connection, state: ApiState, row: Row) -> Results: ...

    async def unread(
        self, connection: Connection, state: ApiState, row: Row, errors: Sequence[LineError]
    ) -> Ending:
        """Of a batch that ends before any of it was taken: cancelled, or with errors."""
        ...


class OpenAiShape:
    is_read_before = False

    def lines(self, pieces: Iterable[bytes], row: Row) -> Iterator[Line | LineError]:
        return read_lines(pieces, row["endpoint"], row["input_file_id"])

    def results(self, connection: Connection, state: ApiState, row: Row) -> Results:
        return _Files(connection, state, row)

    async def unread(
        self, connection: Connection, state: ApiState, row: Row, errors: Sequence[LineError]
    ) -> Ending:
        return Ending()


class AnthropicShape:
    is_read_before = True

    def lines(self, pieces: Iterable[bytes], row: Row) -> Iterator[Line | LineError]:
        return read_requests(pieces, row["id"])

    def results(self, connection: Connection, state: ApiState, row: Row) -> Results:
        return _OneFile(connection, state, row)

    async def unread(
        self, connection: Connection, state: ApiState, row: Row, errors: Sequence[LineError]
    ) -> Ending:
        """Every request has its result here too."""
        made, split, number = _OneFile(connection, state, row), splitter(), 0
        while (piece := await files.piece(connection, row["input_file_id"], number)) is not None:
            # In a thread: cutting a megabyte takes some hundredths of a second.
            for custom_id in await asyncio.to_thread(lambda data: list(custom_ids(split, data)), piece):
                await made.add_line(*unread_line(row["id"], custom_id, errors[0].message if errors else None))
            number += 1
        return await made.finish()


SHAPES: Mapping[str, Shape] = {OPENAI: OpenAiShape(), ANTHROPIC: AnthropicShape()}


class _Files:
    """The output and the error file, each made with its first line."""

    def __init__(self, connection: Connection, state: ApiState, row: Row) -> None:
        self._endpoint, kept_s = row["endpoint"], row["output_expires_s"] or KEPT_S
        self._output, self._errors = (
            Written(connection, state, f"{row['id']}_{what}.jsonl", purpose="batch_output", kept_s=kept_s)
            for what in ("output", "error")
        )

    async def add(self, result: Row) -> None:
        has_answer, line = line_of(result, self._endpoint)
        await (self._output if has_answer else self._errors).add(line)

    async def finish(self) -> Ending:
        return Ending(await self._output.finish(), await self._errors.finish())


class _OneFile:
    def __init__(self, connection: Connection, state: ApiState, row: Row) -> None:
        self._file = Written(
            connection,
            state,
            f"{row['id']}_results.jsonl",
            purpose=files.INNER,
            kept_s=row["output_expires_s"],
        )
        self._tally = nothing_tallied()

    async def add(self, result: Row) -> None:
        await self.add_line(*result_line(result))

    async def add_line(self, kind: str, line: bytes) -> None:
        self._tally[kind] += 1
        await self._file.add(line)

    async def finish(self) -> Ending:
        return Ending(await self._file.finish(), None, self._tally)
