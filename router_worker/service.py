"""The router worker: each bell decides waiting jobs, chunk after chunk, until there are none that could be bound."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from router_worker.bells import bells_for
from router_worker.features.extract import Extractor
from router_worker.prices import Prices
from router_worker.reports import Reports
from router_worker.rules import Rules
from router_worker.stage import Stage
from runtime.db.session import Database
from runtime.db.stores import capacity
from runtime.db.stores.capacity import Heartbeat
from runtime.doorbells import Doorbells, RedisDoorbells
from runtime.heartbeat import beat_once, pulse, repeat, stop
from runtime.ids import new_id
from runtime.logs import logger
from runtime.metrics import Metrics, serve
from runtime.pool import Room
from runtime.redis_client import make_redis
from runtime.settings import Settings
from schemas.messages import provider_queue
from schemas.policy import Objective

MOST_CHUNKS = 50
"""Chunks for one bell; then the next bell goes on, so that a stop is never far."""

REPORT_S = 1.0
MOST_REPORTS = 20
"""Finished batches in one look; there are many after an upgrade."""

PRICE_S = 2.0


@dataclass
class RouterService:
    settings: Settings
    rules: Rules
    metrics: Metrics = field(default_factory=Metrics)
    worker_id: str = field(default_factory=new_id)

    async def start(self, room: Room) -> None:
        self._room = room
        self._database = Database(self.settings.database_url)
        await self._database.open()
        self._bells: Doorbells = RedisDoorbells(make_redis(self.settings.redis_url), self.metrics)
        rules = self.rules
        extractor = Extractor.of(rules.catalog, rules.policy, self.settings.tenant_defaults)
        self._stage = Stage(self.settings, self._database, rules, extractor, self.metrics, self.worker_id)
        await self._stage.publish()
        self._address = serve(self.metrics, self.settings.metrics_host, self.settings.metrics_port)
        await beat_once(self._database, self.settings.tenant, self._said())
        self._pulse = asyncio.create_task(
            pulse(self._database, self.settings.tenant, self._said, every_s=self.settings.heartbeat_s)
        )
        self._reports = Reports(self._database, self.settings.tenant)
        self._prices = Prices(self._database, self.settings.tenant, self.rules)
        self._looks = [asyncio.create_task(repeat(self._report, every_s=REPORT_S, name="report"))]
        if self.rules.policy.objective is Objective.JOINT:
            self._looks.append(asyncio.create_task(repeat(self._price, every_s=PRICE_S, name="prices")))
        logger().info("router.ready", policy=self.rules.policy.policy, metrics=self._address)

    async def answer(self) -> None:
        for _ in range(MOST_CHUNKS):
            if self._room.should_yield():
                return
            with self.metrics.stage_seconds.labels("route").time():
                looked, bound = await self._stage.route()
            await self._bells.ring_all(self._bells_for(bound))
            if not looked:
                return

    def _bells_for(self, bound: Mapping[str, int]) -> dict[str, int]:
        most = self.settings.parcel
        loads = {load.provider: load for load in self._stage.loads}
        return {provider_queue(name): bells_for(loads[name], count, most) for name, count in bound.items()}

    async def close(self) -> None:
        await stop(self._pulse, *self._looks)
        async with self._database.transaction() as connection:
            await capacity.leave(connection, self.worker_id)
        await self._bells.close()
        await self._database.close()

    async def _report(self) -> None:
        for _ in range(MOST_REPORTS):
            if (batch := await self._reports.look()) is None:
                return
            logger().info("batch.bounded", batch=batch)

    async def _price(self) -> None:
        self._stage.shadows = await self._prices.look()

    def _said(self) -> Heartbeat:
        return Heartbeat(
            self.worker_id,
            "router",
            None,
            socket.gethostname(),
            os.getpid(),
            slots=self._room.limit,
            metrics_address=self._address,
        )
