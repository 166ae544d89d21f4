"""What a router decides by: catalog and policy, with the digests under which decisions name them."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.canonical import digest
from schemas.catalog import Catalog
from schemas.policy import RoutingPolicy


@dataclass(frozen=True, slots=True)
class Rules:
    catalog: Catalog
    policy: RoutingPolicy
    catalog_digest: str
    policy_digest: str

    @classmethod
    def of(cls, catalog: Catalog, policy: RoutingPolicy) -> Rules:
        return cls(catalog, policy, digest(catalog), digest(policy))

    @property
    def digest(self) -> str:
        return digest([self.catalog_digest, self.policy_digest])
