"""`docker-compose.yml` and `deploy/`, as far as they can be checked without an engine."""

from __future__ import annotations

import re
import stat
import subprocess
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from classyard import api_role, cli, flower, roles
from classyard.context import Context
from runtime.catalog import load_catalog
from runtime.db import migrate
from runtime.settings import Settings
from schemas.catalog import CatalogProvider
from simulator.__main__ import _parser, _providers

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CATALOG = load_catalog([ROOT / "deploy" / "catalog"], {})

ONE_SHOT = {"migrate", "cli"}
ROLES = {"router", "keeper", "api", *(f"provider-{one.name}" for one in CATALOG.providers)}
OURS = {name for name, service in SERVICES.items() if service["image"].startswith("classyard:")}
ADDRESSES = {"classyard_database_url", "classyard_redis_url"}

every_service = pytest.mark.parametrize("name", SERVICES)


# -- every service


@every_service
def test_it_has_a_health_check_or_ends_by_itself(name: str) -> None:
    check = SERVICES[name]["healthcheck"]

    if name in ONE_SHOT:
        assert check == {"disable": True}
        assert SERVICES[name]["restart"] == "no"
    else:
        assert check["test"][0] in {"CMD", "CMD-SHELL"}
        assert check["retries"] >= 2
        assert SERVICES[name]["restart"] == "unless-stopped"


@every_service
def test_it_runs_without_root_capabilities_or_a_writable_image(name: str) -> None:
    service = SERVICES[name]

    assert service["user"].split(":")[0] not in {"0", "root"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid"}


@every_service
def test_its_image_is_pinned(name: str) -> None:
    _, _, tag = SERVICES[name]["image"].partition(":")

    assert re.match(r"v?\d+\.\d+", tag), f"{name} has the moving tag {tag!r}"


@every_service
def test_what_it_publishes_is_published_on_the_loopback(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@every_service
def test_its_environment_names_settings_and_holds_no_secret(name: str) -> None:
    known = {f"CLASSYARD_{field.upper()}" for field in Settings.model_fields}
    known |= {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE", "POSTGRES_INITDB_ARGS"}

    for variable, value in SERVICES[name].get("environment", {}).items():
        assert variable in known
        assert variable.endswith("_FILE") or not re.search(r"PASSWORD|SECRET|TOKEN|KEY|URL", variable)
        assert not urlsplit(str(value)).password


@every_service
def test_it_has_time_to_stop(name: str) -> None:
    service = SERVICES[name]
    if name in ROLES:
        drain_s = float(service["environment"]["CLASSYARD_DRAIN_S"])
        assert float(service["stop_grace_period"].removesuffix("s")) >= drain_s + 10


@every_service
def test_what_it_needs_is_there(name: str) -> None:
    service = SERVICES[name]

    assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()
    assert set(service["networks"]) <= COMPOSE["networks"].keys()
    assert set(service.get("depends_on", {})) <= SERVICES.keys()
    for volume in service.get("volumes", []):
        place = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume).split(":")[0]
        assert (ROOT / place).exists() if place.startswith(".") else place in COMPOSE["volumes"]


# -- secrets


def test_no_secret_stands_in_the_file() -> None:
    assert not re.search(r"://[^/\s]*:[^/\s]*@", TEXT)
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"${{CLASSYARD_SECRETS:-./deploy/secrets}}/{name}"}


def test_the_secrets_that_the_file_names_are_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"

    def make() -> dict[str, str]:
        subprocess.run(["sh", ROOT / "deploy" / "make-secrets", folder], check=True, capture_output=True)
        return {path.name: path.read_text().strip() for path in folder.iterdir()}

    made = make()

    assert made.keys() == COMPOSE["secrets"].keys()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert urlsplit(made["classyard_database_url"]).password == made["postgres_password"]
    assert f"requirepass {urlsplit(made['classyard_redis_url']).password}" == made["redis_auth"]
    assert flower.read_people(folder / "flower_auth") == [made["flower_auth"]]
    assert len(set(made.values())) == len(made)
    assert make() == made


def test_addresses_reach_the_settings_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "CLASSYARD_DATABASE_URL", "CLASSYARD_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("runtime.settings.SECRETS", tmp_path)
    (tmp_path / "classyard_database_url").write_text("postgresql://file\n")
    (tmp_path / "classyard_redis_url").write_text("redis://file\n")

    assert Settings().is_cluster
    assert Settings().database_url == "postgresql://file"
    monkeypatch.setenv("DATABASE_URL", "postgresql://environment")
    assert Settings().database_url == "postgresql://environment"


@pytest.mark.parametrize("provider", CATALOG.providers, ids=lambda provider: provider.name)
def test_a_providers_key_reaches_its_own_workers_only(provider: CatalogProvider) -> None:
    name = f"provider-{provider.name}"
    key = provider.key.removeprefix("file:/run/secrets/")

    assert SERVICES[name]["command"] == ["run", "provider", provider.name]
    assert set(SERVICES[name]["secrets"]) == ADDRESSES | {key}
    assert [other for other, one in SERVICES.items() if key in one.get("secrets", [])] == [name]


def test_there_is_one_worker_service_for_each_provider_of_the_catalog() -> None:
    served = {name.removeprefix("provider-") for name in SERVICES if name.startswith("provider-")}

    assert served == {provider.name for provider in CATALOG.providers}


# -- networks


def test_the_servers_have_no_way_out_and_providers_no_way_in() -> None:
    assert COMPOSE["networks"]["backend"]["internal"] is True
    assert SERVICES["postgres"]["networks"] == SERVICES["redis"]["networks"] == ["backend"]
    outside = {name for name, service in SERVICES.items() if "providers" in service["networks"]}
    assert outside == {"simulator", *(f"provider-{one.name}" for one in CATALOG.providers)}
    assert SERVICES["simulator"]["networks"] == ["providers"]


def test_only_what_is_watched_is_published() -> None:
    published = {name for name, service in SERVICES.items() if service.get("ports")}

    assert published == {"api", "flower", "prometheus"}
    assert all("door" in SERVICES[name]["networks"] for name in published)


# -- commands


def test_the_commands_are_those_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    called: dict[str, Any] = {}
    context = SimpleNamespace(settings=SimpleNamespace(database_url="postgresql://"))
    context.connected = lambda: context
    monkeypatch.setattr(Context, "from_environment", lambda: context)
    monkeypatch.setattr(migrate, "migrate", lambda url: called.setdefault("migrate", url))
    monkeypatch.setattr(roles, "run_router", lambda _: called.setdefault("router", 0))
    monkeypatch.setattr(roles, "run_keeper", lambda _: called.setdefault("keeper", 0))
    monkeypatch.setattr(roles, "run_provider", lambda _, name, __: called.setdefault(f"provider-{name}", 0))
    monkeypatch.setattr(api_role, "run_api", lambda _, **given: called.setdefault("api", given) and 0)
    monkeypatch.setattr(flower, "run_flower", lambda _, **given: called.setdefault("flower", given) and 0)

    for name in OURS - {"simulator", "cli"}:
        cli.app(SERVICES[name]["command"], standalone_mode=False)

    assert called.keys() == ROLES | {"migrate", "flower"}
    assert called["flower"] == {"auth": Path("/run/secrets/flower_auth"), "host": "0.0.0.0", "port": 5555}


def test_the_simulator_pretends_to_be_the_catalogs_providers() -> None:
    service = SERVICES["simulator"]
    options = _parser().parse_args(service["command"])

    assert service["entrypoint"] == ["python", "-m", "simulator"]
    assert _providers(options.provider).keys() == {one.name for one in CATALOG.providers}
    assert all(one.simulated for one in CATALOG.providers)
    assert all(f"//simulator:{options.port}/{one.name}" in one.base_url for one in CATALOG.providers)


def test_every_role_waits_for_the_servers_and_the_schema() -> None:
    for name in ROLES:
        assert SERVICES[name]["depends_on"] == {
            "postgres": {"condition": "service_healthy"},
            "redis": {"condition": "service_healthy"},
            "migrate": {"condition": "service_completed_successfully"},
        }


# -- the files beside it


def test_the_broker_keeps_what_it_has_and_asks_for_a_password() -> None:
    lines = (ROOT / "deploy" / "redis" / "redis.conf").read_text().splitlines()
    told = dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))

    assert told["include"] == "/run/secrets/redis_auth"
    assert told["appendonly"] == "yes"
    assert told["appendfsync"] == "everysec"
    assert told["maxmemory-policy"] == "noeviction"
    assert "requirepass" not in told
    assert SERVICES["redis"]["command"] == ["/etc/classyard/redis.conf"]
    version = tuple(map(int, SERVICES["redis"]["image"].removeprefix("redis:").split(".")))
    assert version >= (8, 6, 3)


def test_prometheus_reads_every_role() -> None:
    told = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in told["scrape_configs"]}
    (found,) = jobs["classyard"]["dns_sd_configs"]

    assert set(found["names"]) == ROLES
    assert {SERVICES[name]["environment"]["CLASSYARD_METRICS_PORT"] for name in ROLES} == {str(found["port"])}
    assert jobs["flower"]["static_configs"][0]["targets"] == ["flower:5555"]


def test_variables_of_the_file_are_explained() -> None:
    named = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", TEXT))
    example = (ROOT / "deploy" / "env.example").read_text()
    told = dict(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE))

    assert told == named
    assert not re.search(r"\$\{\w+\}", TEXT), "a variable without a default"


def test_the_image_holds_the_program_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    let_in = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(\S+) ", dockerfile, re.MULTILINE)

    assert {SERVICES[name]["image"] for name in OURS} == {f"classyard:{project['project']['version']}"}
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= set(copied)
    assert let_in[1] == "*"
    assert {line[1:] for line in let_in if line.startswith("!")} == set(copied)
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) == {"python:3.13.9-slim-trixie"}
    assert re.search(r"^USER (\S+)$", dockerfile, re.MULTILINE).group(1) == SERVICES["router"]["user"]  # type: ignore[union-attr]
