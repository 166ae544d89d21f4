"""A worker process for the tests of the pool: `python -m tests.pool_worker REDIS_URL CONCURRENCY DRAIN_S`.

Its service does what the key `mode` says, and keeps what it saw in the hash `seen`:
`fast` ends at once; `hold` waits until the mode changes or the room asks to stop; `deaf` waits for the mode only;
`break` raises.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

from runtime.pool import Room
from runtime.redis_client import make_redis
from runtime.settings import Settings
from runtime.worker import run_worker
from schemas.messages import CLASSIFIER_QUEUE

SEEN = ("started", "running", "peak", "ended", "yielded", "broken", "cancelled", "closed", "more")


class Recorder:
    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self.seen = dict.fromkeys(SEEN, 0)

    async def start(self, room: Room) -> None:
        self._room, self._redis = room, make_redis(self._url)
        self._one_at_a_time = asyncio.Lock()
        await self._tell()

    async def answer(self) -> None:
        self.seen["started"] += 1
        self.seen["running"] += 1
        self.seen["peak"] = max(self.seen["peak"], self.seen["running"])
        try:
            await self._tell()
            await self._work()
        except asyncio.CancelledError:
            self.seen["cancelled"] += 1
            raise
        finally:
            self.seen["running"] -= 1
            self.seen["ended"] += 1
            await self._tell()

    async def close(self) -> None:
        self.seen["closed"] += 1
        await self._tell()
        await self._redis.aclose()

    async def _work(self) -> None:
        if await self._redis.getdel("more") is not None:
            self.seen["more"] = self._room.run_more(10)
            await self._tell()
        while (mode := await self._redis.get("mode")) in (b"hold", b"deaf"):
            if mode == b"hold" and self._room.should_yield():
                self.seen["yielded"] += 1
                return
            await asyncio.sleep(0.01)
        if mode == b"stubborn":
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            await asyncio.sleep(60)
        if mode == b"break":
            self.seen["broken"] += 1
            raise RuntimeError("a bug in a service")

    async def _tell(self) -> None:
        """One after another: of two at once, the older could arrive last and stay."""
        async with self._one_at_a_time:
            await self._redis.hset("seen", mapping=self.seen)  # type: ignore[misc]


def main() -> int:
    redis_url, concurrency, drain_s = sys.argv[1:]
    settings = Settings(redis_url=redis_url, drain_s=float(drain_s))
    service = Recorder(redis_url)
    return run_worker(settings, service, name="pool", queue=CLASSIFIER_QUEUE, concurrency=int(concurrency))


if __name__ == "__main__":
    sys.exit(main())
