"""What every command needs first: the settings, the home, the addresses, and the configuration files in force.

The one place that reads the environment. Below the roof everything is passed in.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from classyard.embedded.home import Home
from governance.policies.source import load_policy
from governance.reviews import find_review, known_reviews
from router_worker.rules import Rules
from runtime.catalog import load_catalog
from runtime.config_files import packaged
from runtime.db.session import Database
from runtime.settings import Settings
from schemas.catalog import Catalog
from schemas.errors import BadConfiguration, ConfigurationError
from schemas.policy import RoutingPolicy
from schemas.review import Review


@dataclass(frozen=True)
class Context:
    settings: Settings
    home: Home
    environ: Mapping[str, str]

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Context:
        settings = _settings()
        found = os.environ if environ is None else environ
        return cls(settings, Home.default(str(settings.home) if settings.home else None), found)

    def connected(self) -> Context:
        """The same with the addresses of a yard: those of the settings, or of the embedded yard that runs here.

        Raises `YardNotRunning`, and `ConfigurationError` where only one of the two addresses is set.
        """
        if self.settings.is_cluster:
            return self
        if self.settings.database_url or self.settings.redis_url:
            raise ConfigurationError(
                "Set both DATABASE_URL and REDIS_URL, or neither: a yard needs a database and a broker."
            )
        yard = self.home.running()
        known = Context(self.settings, self.home, {**yard.variables, **self.environ})
        return known.at(yard.database_url, yard.redis_url)

    def at(self, database_url: str, redis_url: str) -> Context:
        changed = self.settings.model_copy(update={"database_url": database_url, "redis_url": redis_url})
        return Context(changed, self.home, self.environ)

    # -- configuration files

    def catalog_files(self) -> tuple[Path, ...]:
        """Those of the settings, else the home's own; empty where only the demo's is left."""
        if self.settings.catalog:
            return tuple(Path(one) for one in self.settings.catalog.split(os.pathsep) if one)
        return tuple(sorted((self.home.config / "catalog").glob("*.yaml")))

    @property
    def is_demo(self) -> bool:
        """Whether the yard runs on the demo's catalog, for want of one of its own."""
        return not self.catalog_files()

    def catalog(self) -> Catalog:
        paths = self.catalog_files() or (packaged("catalog", "demo.yaml"),)
        return load_catalog(paths, {**self.environ, "CLASSYARD_HOME": str(self.home.path)})

    def has_simulated(self) -> bool:
        """Whether the yard that is connected has pretend providers, as far as this machine knows."""
        yard = self.home.read_run() if self.home.is_locked() else None
        return bool(yard and yard.simulated and yard.database_url == self.settings.database_url)

    def policy(self) -> RoutingPolicy:
        own = self.home.config / "policies" / "default.yaml"
        if self.settings.policy:
            return load_policy(Path(self.settings.policy))
        return load_policy(own if own.exists() else packaged("policies", "default.yaml"))

    def rules(self) -> Rules:
        return Rules.of(self.catalog(), self.policy())

    def review_folders(self) -> tuple[Path, ...]:
        own = Path(self.settings.reviews) if self.settings.reviews else self.home.config / "reviews"
        return (own, packaged("reviews"))

    def review_names(self) -> tuple[str, ...]:
        return tuple(known_reviews(self.review_folders()))

    def review(self, name: str) -> Review:
        return find_review(name, self.review_folders())

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        database = Database(self.settings.database_url, connections=2)
        await database.open()
        try:
            yield database
        finally:
            await database.close()


def _settings() -> Settings:
    """Raises `BadConfiguration` naming the variable; never its value, which may be a password."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper()
        variable = name if name.startswith("CLASSYARD_") or name.endswith("_URL") else f"CLASSYARD_{name}"
        raise BadConfiguration(f"{first['msg']}.", where=f"the setting {variable}") from error
