"""Settings: read once, with units and bounds, and without showing an address that holds a password."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from runtime.settings import Settings
from schemas.sensitivity import Sensitivity
from schemas.tenant import TenantDefaults


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.upper().startswith("CLASSYARD_") or name in ("DATABASE_URL", "REDIS_URL"):
            monkeypatch.delenv(name)


def test_without_an_environment_the_yard_is_the_embedded_one() -> None:
    settings = Settings()

    assert (settings.database_url, settings.redis_url, settings.home) == ("", "", None)
    assert not settings.is_cluster
    assert settings.tenant == "default"


def test_a_cluster_has_both_its_database_and_its_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://h/d")
    assert not Settings().is_cluster

    monkeypatch.setenv("REDIS_URL", "redis://h/0")
    assert Settings().is_cluster


def test_our_own_name_of_an_address_wins_over_the_common_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://common/d")
    monkeypatch.setenv("CLASSYARD_DATABASE_URL", "postgresql://ours/d")

    assert Settings().database_url == "postgresql://ours/d"


def test_a_setting_is_read_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSYARD_LEASE_S", "45.5")
    monkeypatch.setenv("CLASSYARD_CHUNK", "50")

    assert (Settings().lease_s, Settings().chunk) == (45.5, 50)


def test_addresses_are_not_shown() -> None:
    settings = Settings(database_url="postgresql://u:pw@h/d", redis_url="redis://:pw@h")

    assert "pw" not in repr(settings)
    assert "pw" not in str(settings)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lease_s": 1},
        {"heartbeat_s": 0},
        {"keep_s": -1},
        {"chunk": 0},
        {"chunk": 5_001},
        {"parcel": 0},
        {"parcel_s": 0},
        {"drain_s": -1},
        {"metrics_port": 65_536},
        {"lease_s": float("nan")},
    ],
    ids=str,
)
def test_a_setting_outside_its_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**wrong)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().tenant = "other"  # type: ignore[misc]


def test_a_worker_reports_often_enough_to_be_seen_as_living() -> None:
    """A worker that is silent for 15 s does not count (`capacity.loads`), and leases are renewed at a third."""
    settings = Settings()

    assert settings.heartbeat_s * 3 < 15
    assert settings.lease_s / 3 > settings.heartbeat_s


def test_the_tenants_defaults_are_a_floor_that_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Settings().tenant_defaults == TenantDefaults(Sensitivity.PUBLIC, ())

    monkeypatch.setenv("CLASSYARD_DEFAULT_SENSITIVITY", "confidential")
    monkeypatch.setenv("CLASSYARD_DEFAULT_RESIDENCY", "eu, us-east-1")

    assert Settings().tenant_defaults == TenantDefaults(Sensitivity.CONFIDENTIAL, ("eu", "us-east-1"))


@pytest.mark.parametrize(("name", "value"), [("SENSITIVITY", "hush"), ("RESIDENCY", "Europe!")])
def test_a_default_that_is_none_is_an_error(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"CLASSYARD_DEFAULT_{name}", value)

    with pytest.raises(ValidationError):
        Settings()
