"""To pause, resume, drain or kill a provider: the switch itself, and what has to happen to its work.

A kill takes back every slot in the transaction of its switch. Workers find their slots gone within a heartbeat and give
up the calls; what they may still write is fenced.
"""

from __future__ import annotations

from runtime.db.session import Connection, Database, clock, repeated
from runtime.db.stores import jobs, switches, upkeep
from runtime.db.stores.switches import Switch
from runtime.keeper import unbound
from schemas.errors import UnknownName
from schemas.job import Job


async def turn(
    database: Database, tenant_id: str, provider: str, switch: Switch, *, actor: str, reason: str
) -> int:
    """Returns how many jobs were taken back. Raises `UnknownName` where no worker of it has ever started."""

    async def switched() -> int:
        async with database.transaction() as connection:
            if not await switches.turn(connection, tenant_id, provider, switch, actor=actor, reason=reason):
                raise unknown(provider)
            if switch is not Switch.KILL:
                return 0
            served = await upkeep.served_by(connection, tenant_id, provider)
            moved = await _take_back(connection, served, actor)
            await upkeep.drop_slots_of(connection, tenant_id, provider)
            return moved

    taken: int = await repeated(switched)
    while switch is Switch.KILL and (more := await _bound(database, tenant_id, provider, actor)):
        taken += more
    return taken


async def _bound(database: Database, tenant_id: str, provider: str, actor: str) -> int:
    async def group() -> int:
        async with database.transaction() as connection:
            return await _take_back(connection, await upkeep.bound_to(connection, tenant_id, provider), actor)

    moved: int = await repeated(group)
    return moved


async def _take_back(connection: Connection, found: list[Job], actor: str) -> int:
    now = await clock(connection)
    moves = [
        jobs.move_of(job, unbound(job), at=now, actor=actor, facts={"slot": job.slot_id}) for job in found
    ]
    return len(await jobs.move(connection, moves))


def unknown(provider: str) -> UnknownName:
    return UnknownName(
        f"There is no provider {provider!r} in this yard, or none of its workers has ever started; "
        "`classyard providers` lists them."
    )
