"""The deliverer: claims what is due, has it sent, and writes down what came of it; several may work at once.

It works from rows. A claim is good for a while: what a process that dies had claimed, another one sends. So an event
arrives at least once, and its id is the same each time. An endpoint has only so many deliveries under way, so that one
which hangs holds up no other; one that fails rests, and is tried with one delivery at a time until it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence

from producer.webhooks.schedule import Schedule, Standing, after_failure, next_wait, read_retry_after
from producer.webhooks.sender import Answer, Outcome, Sender
from producer.webhooks.signing import headers, secret_of
from runtime.db.session import Connection, Database, Row
from runtime.db.stores import deliveries
from runtime.db.stores.deliveries import Settled
from runtime.heartbeat import stop
from runtime.logs import logger
from schemas.errors import ClassyardError
from schemas.webhooks import body_of

EVERY_S = 0.5
"""How often an idle deliverer looks."""
SWEEP_EVERY_S = 60.0
AT_ONCE = 256
"""Under way in one process."""
FAREWELL_S = 2.0
"""For what is under way when it is asked to stop."""
ASKS = (429, 503)
"""With these, `Retry-After` is for the endpoint as a whole."""


class Deliverer:
    """`chance`: gives numbers in 0..1, for jitter."""

    def __init__(
        self,
        database: Database,
        tenant: str,
        pepper: str,
        sender: Sender,
        *,
        schedule: Schedule | None = None,
        chance: Callable[[], float] = random.random,
        at_once: int = AT_ONCE,
        every_s: float = EVERY_S,
    ) -> None:
        self._database, self._tenant, self._pepper, self._sender = database, tenant, pepper, sender
        self._schedule, self._chance = schedule or Schedule(), chance
        self._at_once, self._every_s = at_once, every_s
        self._under_way: dict[asyncio.Task[None], tuple[int, int]] = {}
        self._done: list[tuple[Row, Answer]] = []
        self._something = asyncio.Event()

    async def work(self) -> None:
        """Until cancelled. What fails is logged, and done again."""
        now = asyncio.get_running_loop().time
        swept_at = now() - SWEEP_EVERY_S
        try:
            while True:
                claimed = 0
                try:
                    claimed = await self.step()
                    if now() - swept_at > min(SWEEP_EVERY_S, self._schedule.lifetime_s):
                        swept_at = now()
                        await self.sweep()
                except ClassyardError as error:
                    logger().warning("webhooks.missed", error=type(error).__name__)
                except Exception as error:
                    logger().error("webhooks.failed", error=type(error).__name__)
                if not claimed:
                    await self._pause()
        finally:
            await self._farewell()

    async def step(self) -> int:
        """Writes down what is done, and begins what is due and has room; returns how many began."""
        done, self._done = self._done, []
        self._something.clear()
        try:
            async with self._database.transaction() as connection:
                await self._settle(connection, done)
                claimed = await self._claim(connection)
        except BaseException:
            self._done = done + self._done
            raise
        for row in claimed:
            task = asyncio.create_task(self._deliver(row))
            self._under_way[task] = (row["id"], row["claim"])
            task.add_done_callback(self._ended)
        return len(claimed)

    async def finish(self) -> None:
        """All that is under way, written down."""
        while self._under_way or self._done:
            if not self._done:
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            await self._write()

    async def sweep(self) -> None:
        async with self._database.transaction() as connection:
            given_up = await deliveries.give_up_old(
                connection, self._tenant, lifetime_s=self._schedule.lifetime_s
            )
            await deliveries.sweep(connection, self._tenant)
        if given_up:
            logger().warning("webhooks.given_up", deliveries=given_up)

    # -- one delivery

    async def _claim(self, connection: Connection) -> list[Row]:
        free = self._at_once - len(self._under_way)
        if free <= 0:
            return []
        ready = {row["id"]: row for row in await deliveries.ready(connection, self._tenant)}
        if not ready:
            return []
        # Those that do well come first: what fails or hangs gets the room that they leave.
        rooms = [(row["id"], self._room(row)) for row in sorted(ready.values(), key=lambda r: r["failures"])]
        found = await deliveries.claim(
            connection, self._tenant, rooms, most=free, lease_s=self._schedule.lease_s
        )
        wanted = {row["endpoint_id"] for row in found}
        known = {
            name: {**row, "secrets": self._secrets(row)} for name, row in ready.items() if name in wanted
        }
        return [{**known[row["endpoint_id"]], **row} for row in found]

    def _secrets(self, endpoint: Row) -> list[bytes]:
        """The newest first."""
        salts = [bytes(salt) for salt in (endpoint["salt"], endpoint["salt_before"]) if salt is not None]
        return [secret_of(self._pepper, endpoint["id"], salt) for salt in salts]

    def _room(self, endpoint: Row) -> int:
        return 1 if endpoint["failures"] >= self._schedule.trips_after else self._schedule.at_once

    async def _deliver(self, row: Row) -> None:
        payload = body_of(row["event_id"], row["type"], row["created_at"], row["data"])
        signed = headers(row["secrets"], row["event_id"], int(row["now"].timestamp()), payload)
        answer = await self._sender.send(row["url"], signed, payload)
        self._done.append(
            (row, answer)
        )  # to the list that is there now, and not the one from before the wait

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task, None)
        self._something.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger().error("webhooks.failed", error=type(error).__name__)

    # -- what came of it

    async def _settle(self, connection: Connection, done: Sequence[tuple[Row, Answer]]) -> None:
        if not done:
            return
        await self._keep_standings(connection, done)
        await deliveries.settle(
            connection, self._tenant, [self._settled(row, answer) for row, answer in done]
        )

    def _settled(self, row: Row, answer: Answer) -> Settled:
        is_delivered = answer.outcome is Outcome.DELIVERED
        wait_s = None
        if not is_delivered:
            asks_s = read_retry_after(answer.retry_after, row["now"])
            wait_s = next_wait(self._schedule, row["attempts"] + 1, after_s=asks_s, chance=self._chance())
        return Settled(
            row["id"],
            row["claim"],
            row["endpoint_id"],
            answer.outcome.value,
            answer.took_ms,
            answer.http_status,
            answer.sentence,
            is_delivered,
            wait_s,
        )

    async def _keep_standings(self, connection: Connection, done: Sequence[tuple[Row, Answer]]) -> None:
        names = {row["endpoint_id"] for row, _ in done}
        failed = {row["endpoint_id"] for row, answer in done if answer.outcome is not Outcome.DELIVERED}
        for found in await deliveries.standings(connection, self._tenant, sorted(names), sorted(failed)):
            before = Standing(found["failures"], found["failing_since"], found["rests_until"])
            after = before
            for row, answer in done:
                if row["endpoint_id"] == found["id"]:
                    after = self._after(after, answer, found)
            if after != before:
                await deliveries.set_standing(
                    connection,
                    self._tenant,
                    found["id"],
                    failures=after.failures,
                    failing_since=after.failing_since,
                    rests_until=after.rests_until,
                    disabled_reason=after.disabled_reason,
                )
                if after.disabled_reason:
                    logger().warning("webhooks.disabled", endpoint=found["id"], reason=after.disabled_reason)

    def _after(self, standing: Standing, answer: Answer, found: Row) -> Standing:
        if answer.outcome is Outcome.DELIVERED:
            return Standing(disabled_reason=standing.disabled_reason)
        asks_s = read_retry_after(answer.retry_after, found["now"]) if answer.http_status in ASKS else None
        is_gone = answer.outcome is Outcome.GONE
        return after_failure(standing, self._schedule, now=found["now"], asks_s=asks_s, is_gone=is_gone)

    # -- waiting and ending

    async def _pause(self) -> None:
        # Not `wait_for`: before Python 3.12 it loses a cancellation that comes together with the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._every_s):
                await self._something.wait()

    async def _write(self) -> None:
        done, self._done = self._done, []
        try:
            async with self._database.transaction() as connection:
                await self._settle(connection, done)
        except BaseException:
            self._done = done + self._done
            raise

    async def _farewell(self) -> None:
        """A moment for what is under way; the rest is given back, to be sent by another."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=FAREWELL_S)
        left = dict(self._under_way)
        await stop(*left)
        with contextlib.suppress(ClassyardError):
            await self._write()
            if left:
                async with self._database.transaction() as connection:
                    await deliveries.release(connection, self._tenant, list(left.values()))
