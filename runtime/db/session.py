"""Connections and transactions. One `Database` a process, opened in the event loop that uses it.

Statements are plain SQL over psycopg, and take whole groups at a time; no ORM object is on a hot path.
Times come from the database's clock, so that no two machines have to agree on theirs.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.abc import RV, PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from runtime import failpoints
from runtime.db.arrays import adapters
from schemas.errors import ClassyardError, ConfigurationError, NoSpaceLeft, ServiceUnreachable

Row = dict[str, Any]
Connection = AsyncConnection[Row]

_SETTINGS = (
    "-c timezone=UTC -c statement_timeout=60000 -c lock_timeout=20000 "
    "-c idle_in_transaction_session_timeout=60000 -c enable_bitmapscan=off"
)
"""Milliseconds. A hung worker must not hold rows for ever; its transaction ends and its jobs are free again.

A million jobs may come in before the server has counted anything of them. It would then gather all that wait and sort
them, for each chunk, where an index has them in order: without bitmaps it reads the index."""

SEND_BYTES = 4 * 1024 * 1024

REPLY_S = 65.0
"""The server ends a statement after 60 s and says so. One that says nothing for longer is not there any more: its host
is gone, or something on the way swallows what is sent."""

POLL_S = 0.1
"""As psycopg has it: how often a wait looks up, for what its operating system did not tell."""

CHECK_S = 3.0
"""A connection of the pool that does not answer an empty question by then is not used."""

_SOCKET = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
"""A host that went away is noticed after some 20 s, also while nothing is asked of it. In seconds, but for the last."""

_AGAIN = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)


class _Bounded(AsyncConnection[Row]):
    """A connection that does not wait for ever: not for a statement, and not for a commit."""

    reply_s = REPLY_S

    async def wait(
        self,
        gen: PQGen[RV],
        interval: float = POLL_S,
        timeout: float | None = None,  # noqa: ASYNC109 (psycopg's own name)
    ) -> RV:
        """Every exchange with the server goes through here. Raises `OperationalError` where no reply came in time; the
        connection is closed then, since nobody knows what becomes of what was asked."""
        try:
            return await super().wait(gen, interval, self.reply_s if timeout is None else timeout)
        except errors._WaitTimeout as error:
            if timeout is not None:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError("no reply in time") from error


async def _alive(connection: AsyncConnection[Any]) -> None:
    assert isinstance(connection, _Bounded)
    usual, connection.reply_s = connection.reply_s, min(CHECK_S, connection.reply_s)
    await AsyncConnectionPool.check_connection(connection)
    connection.reply_s = usual


class Database:
    """`reply_s`: how long a statement or a commit is waited for."""

    def __init__(
        self, url: str, *, connections: int = 4, connect_s: float = 5.0, reply_s: float = REPLY_S
    ) -> None:
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            connection_class=type("Bounded", (_Bounded,), {"reply_s": reply_s}),
            kwargs={
                **_SOCKET,
                "row_factory": dict_row,
                "options": _SETTINGS,
                "connect_timeout": int(connect_s),
                "application_name": "classyard",
                "context": adapters(),
            },
            min_size=1,
            max_size=connections,
            timeout=connect_s,
            open=False,
            check=_alive,
        )
        self._url, self._connect_s = url, connect_s

    async def open(self) -> None:
        """Raises `ServiceUnreachable` when no connection can be had in time, `ConfigurationError` for no address."""
        require_address(self._url)
        try:
            await self._pool.open(wait=True, timeout=self._connect_s)
        except PoolTimeout as error:
            await self._pool.close()
            raise ServiceUnreachable(
                "The database does not answer. Check DATABASE_URL, and that PostgreSQL runs."
            ) from error

    async def close(self) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction; rolled back when the block raises.

        Raises `ServiceUnreachable` and `NoSpaceLeft` in the place of the driver's errors for these two.
        """
        try:
            async with self._pool.connection() as connection:
                async with connection.transaction():
                    yield connection
                    failpoints.reach("sql.commit")
                failpoints.reach("sql.committed")
        except ClassyardError:
            raise
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise _plainly(error) from error

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """A connection without a transaction, for locks that last as long as it does."""
        try:
            async with self._pool.connection() as connection:
                await connection.set_autocommit(True)
                try:
                    yield connection
                finally:
                    await connection.close()  # so that its locks end here, whatever happened
        except PoolTimeout as error:
            raise _plainly(error) from error

    async def rows(self, statement: str, arguments: Sequence[Any] | dict[str, Any] = ()) -> list[Row]:
        """Reads in a transaction of its own."""
        async with self.transaction() as connection:
            return await fetch(connection, statement, arguments)

    async def now(self) -> datetime:
        async with self.transaction() as connection:
            return await clock(connection)


def require_address(url: str) -> None:
    """Raises `ConfigurationError`; what was given is not repeated, since it may hold a password."""
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise ConfigurationError(
            "DATABASE_URL is not the address of a database; it looks like postgresql://USER:PASSWORD@HOST:5432/NAME."
        ) from None


async def fetch(
    connection: Connection, statement: str, arguments: Sequence[Any] | dict[str, Any] = ()
) -> list[Row]:
    cursor = await connection.execute(statement, arguments)
    return await cursor.fetchall() if cursor.description else []


async def copy(connection: Connection, statement: str, rows: bytes) -> None:
    """Rows as `runtime.db.copying` writes them, for its statement."""
    async with connection.cursor().copy(statement) as into:
        await into.write(rows)


def send_much(connection: Connection) -> None:
    """For statements of megabytes on a Unix socket: the system takes `SEND_BYTES` of one at a time, or as much as it
    allows, instead of a fifth of a megabyte, after each of which the loop must come round again. Over TCP it finds out
    by itself what is best, and is left to."""
    with socket.socket(fileno=os.dup(connection.fileno())) as sent:
        if sent.family is socket.AF_UNIX:
            with suppress(OSError):  # some systems refuse more than they allow, instead of giving that
                sent.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)


async def clock(connection: Connection) -> datetime:
    """The database's time now, not that of the transaction's start."""
    now: datetime = (await fetch(connection, "select clock_timestamp() as now"))[0]["now"]
    return now


async def repeated(work: Any, *, tries: int = 5) -> Any:
    """Awaits `work()` again after a deadlock, a serialization failure or a lock that was not to be had.

    `work` holds its whole transaction, so a failed try left nothing behind.
    """
    for left in range(tries - 1, -1, -1):
        try:
            return await work()
        except Exception as error:
            cause = error.__cause__ if isinstance(error, ClassyardError) else error
            if not left or not isinstance(cause, _AGAIN):
                raise
            await asyncio.sleep(0.05 * (tries - left))
    raise AssertionError("unreachable")


def _plainly(error: Exception) -> ClassyardError:
    if isinstance(error, (errors.DiskFull, errors.OutOfMemory)):
        return NoSpaceLeft(
            "The database's disk is full. Nothing of this was written; free some space and do it again."
        )
    return ServiceUnreachable(
        f"The database did not do it ({type(error).__name__}). Nothing of this transaction was kept."
    )
