"""Delivery as a task of a process: beside the desk in each API process, or in a process of its own."""

from __future__ import annotations

from producer.webhooks.deliverer import Deliverer
from producer.webhooks.schedule import Schedule
from producer.webhooks.sender import Sender
from runtime.db.session import Database
from runtime.settings import Settings


async def deliver(settings: Settings, database: Database, pepper: str) -> None:
    """Until cancelled."""
    schedule = Schedule()
    sender = Sender(settings.webhook_networks, deadline_s=schedule.deadline_s)
    try:
        await Deliverer(database, settings.tenant, pepper, sender, schedule=schedule).work()
    finally:
        await sender.close()
