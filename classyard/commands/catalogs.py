"""The catalog that a yard works by: as its router stored it; or, where no yard runs, as the files here say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from classyard.context import Context
from runtime.db.session import Connection
from runtime.db.stores import artifacts, views
from schemas.catalog import Catalog

DEMO_ADDRESSES = {
    "CLASSYARD_SIMULATOR_URL": "http://127.0.0.1",
    "CLASSYARD_MODEL_URL": "http://127.0.0.1",
}
"""Stand for those that `classyard up` gives to the demo's providers, where a catalog is only looked at."""


async def stored(connection: Connection, tenant: str) -> Mapping[str, Any] | None:
    """The catalog in force, as it was stored; None before a router has run."""
    named = await views.catalog_in_force(connection, tenant)
    return (await artifacts.load(connection, tenant, [named])).get(named) if named else None


def of_files(context: Context) -> Catalog:
    """Raises `BadConfiguration`, with file and line."""
    return looking(context).catalog()


def looking(context: Context) -> Context:
    """The same context, in which the demo's catalog can be read although its providers do not run."""
    if not context.is_demo:
        return context
    return Context(context.settings, context.home, {**DEMO_ADDRESSES, **context.environ})


def parsed(found: Mapping[str, Any] | None) -> Catalog | None:
    """None also for one that another version of Classyard has stored, and this one cannot read."""
    try:
        return Catalog.model_validate(found) if found else None
    except ValidationError:
        return None


def simulated_in(found: Mapping[str, Any] | None) -> frozenset[str]:
    """The names of its pretend providers."""
    return frozenset(one["name"] for one in (found or {}).get("providers", ()) if one.get("simulated"))
