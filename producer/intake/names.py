"""The models and tiers that a submission may name: those of the catalog and the policy that the router works by.

Known once a router has stored them. Before that nothing is turned away here: the decision refuses what there is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from runtime.db.session import Connection
from runtime.db.stores import artifacts, views
from schemas.catalog import Catalog
from schemas.errors import UnknownName
from schemas.policy import RoutingPolicy
from schemas.submission import Requirements

SHOWN = 20
"""Names in a sentence."""


class UnknownModel(UnknownName):
    """The model or the tier that is named is not there."""

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind
        """`model` or `tier`."""


@dataclass(frozen=True, slots=True)
class Names:
    models: tuple[str, ...]
    """`provider/model` of each, by name."""
    policy: str
    tiers: tuple[str, ...]

    @classmethod
    def of(cls, catalog: Catalog, policy: RoutingPolicy) -> Names:
        models = (f"{one.name}/{model.name}" for one in catalog.providers for model in one.models)
        return cls(tuple(sorted(models)), policy.policy, tuple(tier.tier for tier in policy.tiers))

    @property
    def bare(self) -> tuple[str, ...]:
        """Names of models without their provider, each once; one may be had of several."""
        return tuple(sorted({name.partition("/")[2] for name in self.models}))

    def has_model(self, asked: str) -> bool:
        return asked in self.models or asked in self.bare

    def require(self, wanted: Requirements) -> None:
        """Raises `UnknownModel` for a model or a tier that there is not."""
        if wanted.model and not self.has_model(wanted.model):
            known = f"there are: {_listed(self.models)}" if self.models else "none is known yet"
            raise UnknownModel("model", f"There is no model {wanted.model[:80]!r} in the catalog; {known}.")
        if wanted.tier and wanted.tier not in self.tiers:
            known = f"there are: {_listed(self.tiers)}" if self.tiers else "it has none"
            sentence = f"There is no tier {wanted.tier[:80]!r} in policy {self.policy!r}; {known}."
            raise UnknownModel("tier", sentence)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


NO_NAMES = Names((), "", ())


async def names_in_force(connection: Connection, tenant_id: str) -> Names | None:
    """None before a router has run, and where what it stored is of another version of Classyard."""
    catalog = await _stored(connection, tenant_id, "catalog")
    policy = await _stored(connection, tenant_id, "policy")
    if catalog is None or policy is None:
        return None
    try:
        return Names.of(Catalog.model_validate(catalog), RoutingPolicy.model_validate(policy))
    except ValidationError:
        return None


async def _stored(connection: Connection, tenant_id: str, kind: str) -> Mapping[str, Any] | None:
    named = await views.in_force(connection, tenant_id, kind)
    return (await artifacts.load(connection, tenant_id, [named])).get(named) if named else None
