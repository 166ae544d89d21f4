"""What a person typed, as the one batch or job that it means. Ends of ids, custom ids and `latest` will do."""

from __future__ import annotations

from collections.abc import Sequence

from classyard.commands.terminal import short, shown
from runtime.db.session import Database, Row
from runtime.db.stores import views
from schemas.errors import UnknownName

MOST = 3
"""So many matches the database names; there may be more."""


async def batch_id(database: Database, tenant: str, given: str) -> str:
    """Raises `UnknownName` where `given` means no batch, or several."""
    found = await _batches(database, tenant, given.strip())
    exact = [one for one in found if one == given.strip()] or found
    if len(exact) == 1:
        return exact[0]
    raise UnknownName(_several_batches(given, found) if found else _no_batch(given))


async def batch_ids(database: Database, tenant: str, given: Sequence[str]) -> list[str]:
    """Each once, in the order given; nothing given means the latest."""
    found = [await batch_id(database, tenant, one) for one in given or ["latest"]]
    return list(dict.fromkeys(found))


async def job_id(database: Database, tenant: str, given: str) -> str:
    """A custom id goes before the end of an id: `c1` may well be both.

    Raises `UnknownName` where `given` means no job, or several.
    """
    found = await _jobs(database, tenant, given.strip())
    meant = [row for row in found if given.strip() in (row["id"], row["custom_id"])] or found
    if len(meant) == 1:
        return str(meant[0]["id"])
    raise UnknownName(_several_jobs(given, meant) if meant else _no_job(given))


async def _batches(database: Database, tenant: str, given: str) -> list[str]:
    if not _can_be_asked(given):
        return []
    async with database.transaction() as connection:
        return await views.resolve_batch(connection, tenant, given)


async def _jobs(database: Database, tenant: str, given: str) -> list[Row]:
    if not _can_be_asked(given):
        return []
    async with database.transaction() as connection:
        return await views.resolve_job(connection, tenant, given)


def _can_be_asked(given: str) -> bool:
    """The end of every id is the empty text; and a database takes no broken characters."""
    return bool(given) and "\x00" not in given and given.encode(errors="replace").decode() == given


def _no_batch(given: str) -> str:
    if given == "latest":
        return "There is no batch yet; hand in documents with `classyard submit`."
    return f"There is no batch {shown(given)!r}; `classyard status` lists the recent ones."


def _several_batches(given: str, found: Sequence[str]) -> str:
    return (
        f"{shown(given)!r} can mean several batches: {', '.join(found)}{_more(found)}. Give more of its end."
    )


def _no_job(given: str) -> str:
    return f"There is no job {shown(given)!r}, by the end of its id or by its custom id."


def _several_jobs(given: str, found: Sequence[Row]) -> str:
    """Several jobs may have the same custom id, each in a batch of its own; their ids tell them apart."""
    each = ", ".join(
        f"{row['id']} ({shown(row['custom_id'], most=60)}, batch {short(row['batch_id'])})" for row in found
    )
    return f"{shown(given)!r} can mean several jobs: {each}{_more(found)}. Give the end of an id."


def _more(found: Sequence[object]) -> str:
    return ", and perhaps more" if len(found) >= MOST else ""
