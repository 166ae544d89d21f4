"""Flower, the window on the transport: workers, their slots, and how to raise and lower them while calls are in flight.

Started by us and not by `celery flower`, so that it uses the yard's own settings of the transport, and so that the
passwords come from a file: neither the process list nor the environment has them. It never runs without one.
What it can do to the yard is bounded by the design: a forged or lost bell changes latency and nothing else.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from classyard.context import Context
from runtime import logs
from runtime.celery_app import make_app
from runtime.logs import logger
from runtime.settings import Settings
from schemas.errors import BadConfiguration, PortInUse

MOST_BELLS = 10_000
"""Kept in memory, about 2 kB each; the yard's own record is in the database."""

FORGET_S = 3_600
"""A worker that was heard of last so long ago leaves the page; each restart of one brings a new name."""


def run_flower(context: Context, *, auth: Path, host: str = "127.0.0.1", port: int = 5555) -> int:
    """Serves until SIGTERM or SIGINT; returns the exit code.

    Raises `BadConfiguration` for a file without passwords, and `PortInUse`.
    """
    logs.configure(context.settings.log_level)
    people = read_people(auth)
    settings = _with_broker(context)
    server = _server(settings, people, host, port)
    try:
        bound = server.start_http_server()
    except OSError as error:
        raise PortInUse(f"Flower cannot listen on {host}:{port}: {error.strerror or error}.") from error
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.io_loop.add_callback_from_signal(server.stop))
    logger().info("flower.ready", address=f"{host}:{bound}", people=len(people))
    server.start()
    return 0


def read_people(path: Path) -> list[str]:
    """`user:password`, one a line; empty lines and those that begin with `#` are left out.

    Raises `BadConfiguration`, which never shows what stands in the file.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise BadConfiguration("The file with Flower's users cannot be read.", where=str(path)) from error
    people = [line for line in lines if line and not line.startswith("#")]
    for number, line in enumerate(people, start=1):
        user, _, password = line.partition(":")
        if not user or not password:
            raise BadConfiguration(f"User {number} is not of the form user:password.", where=str(path))
    if not people:
        raise BadConfiguration("It has no user; write one as user:password.", where=str(path))
    return people


def _with_broker(context: Context) -> Settings:
    """Flower needs the broker only, and in a container has the address of nothing else."""
    return context.settings if context.settings.redis_url else context.connected().settings


def _server(settings: Settings, people: list[str], host: str, port: int) -> Any:
    # Late, since Flower declares its options for the whole process when it is first imported.
    from flower.app import Flower  # type: ignore[import-untyped]
    from flower.options import options  # type: ignore[import-untyped]
    from flower.urls import settings as pages  # type: ignore[import-untyped]

    options.address, options.port, options.basic_auth = host, port, people
    options.enable_events = False  # the workers' own settings say whether they report bells
    options.max_tasks, options.purge_offline_workers = MOST_BELLS, FORGET_S
    app = make_app(settings.redis_url, (), task_events=settings.task_events)
    return Flower(capp=app, options=options, **pages)
