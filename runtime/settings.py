"""Settings: read once at the roof from the environment, then passed on. Nothing below reads the environment.

What the environment does not say is looked for in `/run/secrets`, a file a setting, such as `classyard_database_url`.
Each has a name (`CLASSYARD_…`), a unit in it where it has one, and a default with its reason; `docs/settings.md` is
made from here.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from schemas.sensitivity import Sensitivity
from schemas.submission import Requirements
from schemas.tenant import TenantDefaults

SECRETS = Path("/run/secrets")
"""Where containers find what must not stand in their environment."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="CLASSYARD_", frozen=True, extra="ignore", populate_by_name=True
    )

    home: Path | None = None
    """Where the embedded yard keeps everything. Default: `classyard` in the user's data folder."""
    database_url: str = Field(
        default="", validation_alias=AliasChoices("CLASSYARD_DATABASE_URL", "DATABASE_URL"), repr=False
    )
    """`postgresql://…`. Empty: the embedded yard's."""
    redis_url: str = Field(
        default="", validation_alias=AliasChoices("CLASSYARD_REDIS_URL", "REDIS_URL"), repr=False
    )
    """`redis://…`, `rediss://…` or `unix://…`. Empty: the embedded yard's."""
    catalog: str = ""
    """Catalog files, separated by the platform's path separator. Empty: HOME/config/catalog/*.yaml, else the demo's."""
    policy: str = ""
    """A policy file. Empty: HOME/config/policies/default.yaml where it is, else the packaged default."""
    reviews: str = ""
    """A folder of reviews, searched before the packaged ones. Empty: HOME/config/reviews."""
    tenant: str = "default"
    """Whose documents the command line hands in and reads."""
    default_sensitivity: Sensitivity = Sensitivity.PUBLIC
    """The least class of every document of this tenant, whatever a submitter says: `public`, `internal`,
    `confidential` or `restricted`."""
    default_residency: str = ""
    """Regions, separated by commas, outside of which none of this tenant's documents is processed; a submitter may ask
    for fewer, and is told where none is left. Empty: no rule."""
    lease_s: float = Field(default=30.0, gt=1)
    """Seconds until the work of a worker that went silent is given to another. Renewed at a third of it."""
    heartbeat_s: float = Field(default=2.0, gt=0)
    """Seconds between a worker's reports; the router's picture of load is about as old."""
    keep_s: float = Field(default=2.0, gt=0)
    """Seconds between the keeper's rounds: the longest that a lost bell delays work."""
    chunk: int = Field(default=200, ge=1, le=5_000)
    """Jobs that a router decides in one transaction: large enough to share its cost, short enough to see new loads."""
    parcel: int = Field(default=16, ge=1, le=256)
    """Jobs that one slot takes at a time when the backlog is deep."""
    parcel_s: float = Field(default=1.0, gt=0)
    """Seconds of work that a parcel may hold, so that urgent work is not stuck behind one; after twice as many its
    rest is given back."""
    drain_s: float = Field(default=25.0, ge=0)
    """Seconds that a stopping worker gives to calls in flight."""
    metrics_host: str = "127.0.0.1"
    """Where a role's metrics are served; `0.0.0.0` inside a container."""
    metrics_port: int = Field(default=0, ge=0, le=65_535)
    """0: a free port, named in the log and in `classyard status`."""
    task_events: bool = False
    """Whether workers report every bell to Flower; off, since each report is a message more."""
    api_pepper: str = Field(default="", repr=False)
    """A secret that is part of every API key's proof and lies outside the database; 32 characters or more. Empty: the
    embedded yard's own, in HOME/config/api.pepper."""
    api_port: int = Field(default=0, ge=0, le=65_535)
    """Where `classyard up` serves the HTTP API, on the loopback. 0: the port that it had before, else a free one; named
    in `classyard status`."""
    api_requests_per_minute: int = Field(default=6_000, ge=0)
    """How often a key may call the HTTP API, where it was not made with a rate of its own; a minute's worth may come at
    once. 0: no limit."""
    api_failures_per_minute: int = Field(default=60, ge=0)
    """Keys from one address that may turn out not to be valid, before it has to wait. 0: no limit."""
    webhook_allow: str = ""
    """Ranges of addresses that are not of the open internet and to which webhooks may be sent all the same, by commas,
    such as `10.1.2.0/24` or, on one machine, `127.0.0.0/8`; `http` is for these only. Empty: none."""
    api_public_url: str = Field(default="", pattern=r"^(https?://[^/?#\s]+(/[^?#\s]*[^/?#\s])?)?$")
    """Where callers reach the HTTP API, such as `https://yard.example`, for addresses in its answers. Empty: as each
    request names it, which is right unless a proxy stands before it that changes the scheme or the path."""
    log_level: str = "INFO"
    """`DEBUG`, `INFO`, `WARNING` or `ERROR`."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        folder = SECRETS if SECRETS.is_dir() else None  # it would warn of a missing one
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, secrets_dir=folder)

    @field_validator("default_residency")
    @classmethod
    def _of_regions(cls, given: str) -> str:
        Requirements(residency=_regions(given))
        return given

    @field_validator("webhook_allow")
    @classmethod
    def _of_networks(cls, given: str) -> str:
        _networks(given)
        return given

    @property
    def webhook_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return _networks(self.webhook_allow)

    @property
    def tenant_defaults(self) -> TenantDefaults:
        return TenantDefaults(self.default_sensitivity, _regions(self.default_residency))

    @property
    def is_cluster(self) -> bool:
        """Whether the database and broker are somebody else's, and not the embedded ones."""
        return bool(self.database_url and self.redis_url)


def _regions(given: str) -> tuple[str, ...]:
    return tuple(name for each in given.split(",") if (name := each.strip()))


def _networks(given: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Raises `ValueError` naming the part that is none."""
    return tuple(ip_network(one.strip()) for one in given.split(",") if one.strip())
