"""A deliverer as a process, to be killed: `python -m tests.webhook_deliverer DATABASE_URL TENANT PEPPER`."""

from __future__ import annotations

import asyncio
import sys
from ipaddress import ip_network

from producer.webhooks.deliverer import Deliverer
from producer.webhooks.schedule import Schedule
from producer.webhooks.sender import Sender
from runtime.db.session import Database

HASTY = Schedule(
    waits_s=(0.05, 0.1, 0.2, 0.4),
    lifetime_s=600,
    rest_s=0.02,
    most_rest_s=0.05,
    deadline_s=2.0,
    lease_s=4.0,
    at_once=16,
)


async def main(database_url: str, tenant: str, pepper: str) -> None:
    database = Database(database_url, connections=2)
    await database.open()
    sender = Sender([ip_network("127.0.0.0/8")], deadline_s=HASTY.deadline_s)
    await Deliverer(database, tenant, pepper, sender, schedule=HASTY, every_s=0.05).work()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
