"""Recorded decisions and what they name by digest, as the values that they were decided on. Pure.

A row holds the features by value, and policy, catalog and snapshot by the digests under which they are stored; what
its chunk had assigned before it is beside them. Used by `replay` and `whatif`, which say what is done with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import orjson

from router_worker.engine.decide import Prepared, prepare
from schemas.canonical import digest
from schemas.catalog import Catalog
from schemas.features import JobFeatures
from schemas.features import features_of as stored_features
from schemas.policy import RoutingPolicy
from schemas.snapshot import Assigned, Health, ProviderLoad, ProviderSnapshot, ProviderStatus, RungPromise

BROKEN = (ValueError, KeyError, TypeError, AttributeError)
"""What comes of values that are not what they should be."""

T = TypeVar("T")


class Unreadable(Exception):
    """A recorded decision whose inputs cannot be had; the message is the reason, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One row of the decisions, as it is stored."""

    job_id: str
    number: int
    outcome: str
    policy_digest: str
    catalog_digest: str
    snapshot_digest: str
    assigned: Mapping[str, Any]
    features: bytes
    digest: str
    body: bytes
    named: str | None
    """The digest that the audit event of its move names; None where there is no such event."""

    @property
    def names(self) -> frozenset[str]:
        return frozenset((self.policy_digest, self.catalog_digest, self.snapshot_digest))


class Shelf:
    """What the decisions of one page name, as values; what the next page does not name is put away.

    Decisions of a chunk share their snapshot, and those of a batch their policy and catalog, so nearly all of
    `Prepared` is worked out once.
    """

    def __init__(self) -> None:
        self._bodies: dict[str, Any] = {}
        self._values: dict[tuple[str, str], Any] = {}
        """By kind and digest."""
        self._prepared: dict[tuple[str, str], Prepared] = {}
        """By the digests of policy and catalog."""

    def turn(self, page: Iterable[Recorded]) -> list[str]:
        """Keeps only what this page names, and returns the digests that it still needs."""
        named: set[str] = set().union(*(one.names for one in page))
        self._bodies = {name: body for name, body in self._bodies.items() if name in named}
        self._values = {key: value for key, value in self._values.items() if key[1] in named}
        self._prepared = {key: value for key, value in self._prepared.items() if key[1] in named}
        return sorted(named - self._bodies.keys())

    def put(self, stored: Mapping[str, Any]) -> None:
        """Parsed artifacts by digest."""
        self._bodies.update(stored)

    def prepared(self, one: Recorded, policy: RoutingPolicy | None = None) -> Prepared:
        """The recorded policy, or the given one, at the snapshot of this decision. Raises `Unreadable`."""
        rules, snapshot = policy or self.policy(one), self.snapshot(one)
        key = (one.policy_digest, one.catalog_digest)
        base = self._prepared.get(key)
        if base is None or base.policy is not rules:
            base = prepare(rules, snapshot)
            self._prepared[key] = base
        return base.moved_to(snapshot)

    def policy(self, one: Recorded) -> RoutingPolicy:
        return self._value("policy", one.policy_digest, RoutingPolicy.model_validate)

    def snapshot(self, one: Recorded) -> ProviderSnapshot:
        """As it was decided on: with what the chunk had assigned before."""
        catalog = self._value("catalog", one.catalog_digest, Catalog.model_validate)
        taken = self._value("snapshot", one.snapshot_digest, lambda facts: snapshot_of(facts, catalog))
        if taken.catalog_digest != one.catalog_digest:
            raise Unreadable(
                f"its snapshot is of the catalog {taken.catalog_digest}, and not {one.catalog_digest}"
            )
        return taken.plus(readable("what was assigned cannot be read", lambda: assigned_of(one.assigned)))

    def _value(self, kind: str, named: str, read: Callable[[Any], T]) -> T:
        if (kind, named) not in self._values:
            if named not in self._bodies:
                raise Unreadable(f"the {kind} {named} that it names is not stored")
            if digest(self._bodies[named]) != named:
                raise Unreadable(f"the {kind} {named} that it names is stored with other bytes")
            self._values[kind, named] = readable(
                f"the {kind} {named} cannot be read", lambda: read(self._bodies[named])
            )
        found: T = self._values[kind, named]
        return found


# -- from what is stored to values


def recorded_of(row: Mapping[str, Any]) -> Recorded:
    """From a row of `recorded.pages`."""
    copied = {name: row[name] for name in Recorded.__dataclass_fields__ if name != "named"}
    raw = {name: bytes(row[name]) for name in ("features", "body")}
    return Recorded(**{**copied, **raw}, named=_named(row["event"]))


def features_of(body: bytes) -> JobFeatures:
    return stored_features(orjson.loads(body))


def snapshot_of(facts: Mapping[str, Any], catalog: Catalog) -> ProviderSnapshot:
    """The inverse of `ProviderSnapshot.facts`."""
    promises = tuple(RungPromise(**each) for each in facts.get("promises", ()))
    return ProviderSnapshot(
        catalog,
        facts["catalog"],
        tuple(_load_of(load) for load in facts["loads"]),
        datetime.fromisoformat(facts["taken_at"]),
        promises,
    )


def _load_of(found: Mapping[str, Any]) -> ProviderLoad:
    health = Health(found.get("health", Health.WELL))
    return ProviderLoad(**{**found, "status": ProviderStatus(found["status"]), "health": health})


def assigned_of(found: Mapping[str, Any]) -> dict[str, Assigned]:
    return {name: Assigned(**extra) for name, extra in found.items()}


def _named(event: bytes | None) -> str | None:
    try:
        return str(orjson.loads(event)["facts"]["decision"]) if event else None
    except BROKEN:
        return None


def readable(told: str, read: Callable[[], T]) -> T:
    """What `read()` gives. Raises `Unreadable` with what is told where the values in it are not what they should be."""
    try:
        return read()
    except BROKEN as error:
        raise Unreadable(f"{told} ({type(error).__name__})") from error
