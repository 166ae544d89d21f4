"""The embedded yard: servers, pretend providers where there is no catalog of one's own, and every role, as children.

`running` starts everything in order and hands over the running yard; leaving it stops everything in the other order.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from classyard.api_role import prepare_home_key
from classyard.context import Context
from classyard.embedded.home import Home, RunningYard, kept_key, write_atomically
from classyard.embedded.identity import forget, identify, record, recorded
from classyard.embedded.model_server import is_installed, start_model_server
from classyard.embedded.postgres import start_postgres
from classyard.embedded.processes import Supervisor
from classyard.embedded.server import Launch, Server, await_ready, launch
from classyard.embedded.valkey import start_valkey
from runtime.db import migrate
from runtime.db.stores import views
from schemas.catalog import CatalogProvider
from schemas.errors import ServiceUnreachable

READY_S = 60.0
"""Until every role has reported; a cold start on two processors takes about ten seconds."""

LEFT_S = 15.0
"""For a yard that is stopping, or whose remains are being stopped, to let the home go."""

STOP_S = 10.0
"""Beside the time for calls in flight, what a stopping role gets before it is killed."""

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "CLASSYARD_DATA")
"""What roles get of the caller's environment, beside `CLASSYARD_…`. A provider's key goes to its own worker only."""

DEMO_PROVIDERS = {"sim-swift": "fast-cheap", "sim-sage": "strong-slow"}
"""The demo catalog's pretend providers, and how each behaves."""

DEMO_VARIABLES = ("CLASSYARD_SIMULATOR_URL", "CLASSYARD_MODEL_URL")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Yard:
    """A running one. `context` has its addresses."""

    context: Context
    supervisor: Supervisor

    def watch(self, until: threading.Event) -> None:
        self.supervisor.watch(until=until)


@contextmanager
def running(context: Context, *, say: Say, profiles: Mapping[str, str] = DEMO_PROVIDERS) -> Iterator[Yard]:
    """Starts the yard of this home and stops it at the end of the block.

    `profiles` are for the demo's pretend providers. Raises what a user can act on: another yard runs here, no space,
    a wrong catalog, a role that does not come up.
    """
    home = context.home.prepare()
    with home.lock(wait_s=0 if _is_up(home) else LEFT_S), Supervisor(home) as supervisor:
        supplied = _demo_surroundings(context, supervisor, say, profiles) if context.is_demo else {}
        context = Context(context.settings, home, {**context.environ, **supplied})
        catalog = context.catalog()  # a mistake in it is better seen before anything starts
        context.policy()
        connected = _servers(context, supervisor, say)
        prepare_home_key(connected)
        roles = _roles(connected, supervisor, catalog.providers)
        say(f"Starting {len(roles)} roles: {', '.join(roles)}.")
        metrics = asyncio.run(_await_roles(connected, supervisor, len(roles)))
        home.write_run(_run_file(connected, supervisor, metrics))
        if (me := identify("up", os.getpid())) is not None:
            record(home, me)
        try:
            yield Yard(connected, supervisor)
        finally:
            home.forget_run()
            forget(home, "up")


def _is_up(home: Home) -> bool:
    """Whether a yard works here, and is not about to end."""
    other = recorded(home, "up")
    return other is not None and other.is_alive


def _servers(context: Context, supervisor: Supervisor, say: Say) -> Context:
    home, settings = context.home, context.settings
    say("Starting PostgreSQL and Valkey.")
    database = settings.database_url or supervisor.keep("postgres", lambda: start_postgres(home)).url
    broker = settings.redis_url or supervisor.keep("valkey", lambda: start_valkey(home)).url
    migrate.migrate(database)
    return context.at(database, broker)


def _demo_surroundings(
    context: Context, supervisor: Supervisor, say: Say, profiles: Mapping[str, str]
) -> dict[str, str]:
    """The pretend providers and the small model; returns the variables that the demo's catalog asks for."""
    say("No catalog of your own yet: starting the demo's providers. Two of them are simulated.")
    simulator, model = _kept_port(context.home, "simulator"), _kept_port(context.home, "model")
    supervisor.keep("simulator", lambda: _start_simulator(supervisor, profiles, simulator))
    if is_installed():
        supervisor.keep("model", lambda: start_model_server(context.home, port=model))
    else:
        say("The small local model is not installed (see README); documents that only it may read will wait.")
    return {
        "CLASSYARD_SIMULATOR_URL": f"http://127.0.0.1:{simulator}",
        "CLASSYARD_MODEL_URL": f"http://127.0.0.1:{model}",
    }


def _start_simulator(supervisor: Supervisor, profiles: Mapping[str, str], port: int) -> Server:
    home, ear = supervisor.home, supervisor.ear
    ready = home.run / "simulator.json"
    ready.unlink(missing_ok=True)
    options = [word for name, profile in profiles.items() for word in ("--provider", f"{name}={profile}")]
    key = home.config / "simulator.key"
    kept_key(key)
    places = ("--port", str(port), "--ready-file", str(ready), "--key-file", str(key))
    argv = (sys.executable, "-m", "simulator", *options, *places)
    plan = Launch(
        "simulator",
        (*argv, "--parent-fd", str(ear)),
        url=f"http://127.0.0.1:{port}",
        environment=_plain(os.environ),
        parent_fd=ear,
    )
    return await_ready(launch(home, plan), ready.exists, deadline_s=30)


def _kept_port(home: Home, name: str) -> int:
    """The port that it had before, where that is free: the catalog, and all that is named by its digest, stay the
    same from one start to the next."""
    kept = home.run / f"{name}.port"
    before = int(kept.read_text()) if kept.exists() and kept.read_text().isdecimal() else 0
    port = _free_port(before) or _free_port(0)
    write_atomically(kept, str(port).encode())
    return port


def _free_port(wanted: int) -> int:
    """`wanted` where it is free, any for 0, and 0 where there is none."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
        return int(probe.getsockname()[1])


def _roles(context: Context, supervisor: Supervisor, providers: tuple[CatalogProvider, ...]) -> list[str]:
    stop_s = context.settings.drain_s + STOP_S
    supervisor.keep_role("router", _argv("router"), _environment(context), stop_timeout_s=stop_s)
    for provider in providers:
        supervisor.keep_role(
            f"provider-{provider.name}",
            _argv("provider", provider.name),
            _environment(context, key=provider.key),
            stop_timeout_s=stop_s,
        )
    supervisor.keep_role("keeper", _argv("keeper"), _environment(context), stop_timeout_s=stop_s)
    if not context.settings.api_port:
        _kept_port(context.home, "api")
    port = _api_port(context)
    supervisor.keep_role("api", _argv("api", "--port", port), _environment(context), stop_timeout_s=STOP_S)
    return ["router", *(provider.name for provider in providers), "keeper", "api"]


def _api_port(context: Context) -> str:
    """Where the API is, once the roles were started."""
    return str(context.settings.api_port or (context.home.run / "api.port").read_text())


def _argv(*role: str) -> list[str]:
    return [sys.executable, "-m", "classyard", "run", *role]


def _environment(context: Context, *, key: str = "none") -> dict[str, str]:
    environ = context.environ
    ours = {name: value for name, value in environ.items() if name.startswith("CLASSYARD_")}
    where, _, name = key.partition(":")
    secret = {name: environ[name]} if where == "env" and name in environ else {}
    variables = {name: environ[name] for name in environ if name in PASSED_ON}
    return {
        **variables,
        **ours,
        **secret,
        **_plain(environ),
        "CLASSYARD_HOME": str(context.home.path),
        "CLASSYARD_DATABASE_URL": context.settings.database_url,
        "CLASSYARD_REDIS_URL": context.settings.redis_url,
        "CLASSYARD_METRICS_PORT": "0",
        "CLASSYARD_CATALOG": context.settings.catalog,
    }


def _plain(environ: Mapping[str, str]) -> dict[str, str]:
    """Enough to find Python and its packages."""
    path = os.pathsep.join(one for one in sys.path if one)
    return {"PATH": environ.get("PATH", os.defpath), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


async def _await_roles(context: Context, supervisor: Supervisor, count: int) -> dict[str, str]:
    """Until every role has said that it lives; returns their metrics addresses."""
    until = time.monotonic() + READY_S
    async with context.database() as database:
        while time.monotonic() < until:
            supervisor.tick()
            async with database.transaction() as connection:
                alive = await views.workers(connection, context.settings.tenant)
            pids = {child.server.pid for child in supervisor.children if child.server}
            ours = [row for row in alive if row["pid"] in pids]
            if len(ours) >= count:
                return {row["provider"] or row["role"]: row["metrics_address"] for row in ours}
            if fault := _keeps_dying(supervisor):
                raise ServiceUnreachable(fault)
            await asyncio.sleep(0.1)
    raise ServiceUnreachable(
        f"Not every role came up within {READY_S:g} s; their logs are in {str(context.home.logs)!r}."
    )


def _keeps_dying(supervisor: Supervisor) -> str:
    for child in supervisor.children:
        if child.deaths >= 3:
            log = Path(supervisor.home.logs / f"{child.name}.log")
            lines = log.read_text(errors="replace").splitlines()[-3:] if log.exists() else []
            return f"{child.name} does not stay up: {' '.join(lines)[-600:] or child.last_fault} (log: {log})"
    return ""


def _run_file(context: Context, supervisor: Supervisor, metrics: dict[str, str]) -> RunningYard:
    pids = {child.name: child.server.pid for child in supervisor.children if child.server}
    return RunningYard(
        database_url=context.settings.database_url,
        redis_url=context.settings.redis_url,
        pids={"up": os.getpid(), **pids},
        started_at=datetime.now(UTC),
        simulated=context.catalog().simulated,
        metrics=metrics,
        variables={name: value for name, value in context.environ.items() if name in DEMO_VARIABLES},
        api=f"http://127.0.0.1:{_api_port(context)}",
    )
