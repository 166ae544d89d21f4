"""The home of one yard on one machine: its folders, its run file, its lock.

Called by `classyard up`, `down`, `status` and `doctor`, and by every embedded server. Everything a yard keeps
is below one folder, so removing that folder removes the yard, and two homes never meet.

    postgres/  the database's files        logs/    one file per process
    valkey/    the broker's append log     run/     run file, lock, process records, sockets
    config/    keys that the yard made for itself
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import platformdirs

from schemas.errors import (
    BadConfiguration,
    ConfigurationError,
    NoSpaceLeft,
    SurroundingsFault,
    YardNotRunning,
)

SOCKET_PATH_BYTES = 103  # sun_path holds 104 bytes on macOS and 108 on Linux, the closing zero included
LONGEST_SOCKET_NAME = 20  # `.s.PGSQL.5432` and `valkey.sock`, with room


@dataclass(frozen=True)
class RunningYard:
    """What a running yard tells other commands on this machine. Holds no key and no password."""

    database_url: str
    redis_url: str
    pids: dict[str, int]
    """By role, the supervisor itself as `up`. For showing only: signals go by `identity`, never by this."""
    started_at: datetime
    """UTC."""
    simulated: bool = False
    """True when the providers are pretend ones."""
    metrics: dict[str, str] = field(default_factory=dict)
    """By role, the address of its metrics page."""
    variables: dict[str, str] = field(default_factory=dict)
    """What the demo's catalog asks for: the addresses of the pretend providers and of the small model."""
    api: str = ""
    """The address of the HTTP API."""

    def to_json(self) -> bytes:
        return json.dumps(asdict(self) | {"started_at": self.started_at.isoformat()}, indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes) -> RunningYard:
        """Unknown keys are ignored, so that an older command can read a newer yard's file."""
        found: dict[str, Any] = json.loads(text)
        known = {f.name: found[f.name] for f in fields(cls) if f.name in found}
        return cls(**known | {"started_at": datetime.fromisoformat(found["started_at"])})


@dataclass(frozen=True)
class Home:
    path: Path
    """Made absolute, with `~` opened."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", self.path.expanduser().absolute())

    @classmethod
    def default(cls, chosen: str | None = None) -> Home:
        """The folder that the operator chose, else the platform's folder for a user's application data."""
        return cls(Path(chosen or platformdirs.user_data_dir("classyard")))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Home:
        return cls.default(environ.get("CLASSYARD_HOME"))

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def valkey(self) -> Path:
        return self.path / "valkey"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def config(self) -> Path:
        return self.path / "config"

    def prepare(self) -> Home:
        """Makes the folders, each 0700. `postgres/` is made by `start_postgres`, complete or not at all.

        A home that exists already keeps its mode: it may be a mounted volume or a folder with other things.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.valkey, self.logs, self.run, self.config):
                folder.mkdir(mode=0o700, exist_ok=True)
                folder.chmod(0o700)
        except OSError as error:
            raise _as_sentence(error, self.path) from error
        return self

    def sockets(self) -> Path:
        """A private folder short enough for sockets: `run/`, or one under the temp folder.

        Raises BadConfiguration when the short folder exists and belongs to, or is open to, somebody else.
        """
        if _fits(self.run):
            return self.run
        mark = hashlib.sha256(os.fsencode(self.path.resolve())).hexdigest()[:12]
        name = f"classyard-{os.geteuid()}-{mark}"
        temp = Path(tempfile.gettempdir())
        folder = temp / name if _fits(temp / name) else Path("/tmp") / name  # noqa: S108  private, checked below
        return _private(folder)

    def short(self, folder: Path) -> Path:
        """The same folder by a path that is short enough for a socket inside it: itself, or a link to it."""
        if _fits(folder):
            return folder
        link = self.sockets() / folder.name
        if not (link.is_symlink() and link.readlink() == folder):
            link.unlink(missing_ok=True)
            link.symlink_to(folder)
        return link

    @contextmanager
    def lock(self, *, wait_s: float = 0.0) -> Iterator[None]:
        """Held by the one process that runs this home. The kernel lets it go when that process dies.

        Raises ConfigurationError when another yard holds it for longer than `wait_s`.
        """
        self.prepare()
        with (self.run / "yard.lock").open("a+") as file:
            if not _locked(file.fileno(), until=time.monotonic() + wait_s):
                raise ConfigurationError(self._already_running())
            yield

    def is_locked(self) -> bool:
        """Whether a yard runs here now. Asking takes the lock for an instant when nobody has it."""
        path = self.run / "yard.lock"
        if not path.exists():
            return False
        with path.open("a+") as file:
            return not _locked(file.fileno(), until=0.0)

    def write_run(self, yard: RunningYard) -> None:
        write_atomically(self.run / "yard.json", yard.to_json())

    def read_run(self) -> RunningYard | None:
        """What the run file says, whether or not that yard still lives. None without a readable file."""
        try:
            return RunningYard.from_json((self.run / "yard.json").read_bytes())
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def forget_run(self) -> None:
        (self.run / "yard.json").unlink(missing_ok=True)

    def running(self) -> RunningYard:
        """The yard that runs here now.

        Raises YardNotRunning when nobody holds the lock, whatever an old run file says.
        """
        yard = self.read_run() if self.is_locked() else None
        if yard is None:
            raise YardNotRunning(f"No yard is running in {str(self.path)!r}; start one with `classyard up`.")
        return yard

    def _already_running(self) -> str:
        yard = self.read_run()
        who = f" (process {yard.pids['up']})" if yard and "up" in yard.pids else ""
        return (
            f"A yard is already running in {str(self.path)!r}{who}; stop it with `classyard down`, "
            "or set CLASSYARD_HOME to another folder."
        )


def kept_key(path: Path) -> str:
    """A random key in a file of mode 0600, made on first use: other users of this machine reach loopback too."""
    if not path.exists():
        write_atomically(path, secrets.token_urlsafe(32).encode())
    return path.read_text().strip()


def write_atomically(path: Path, content: bytes) -> None:
    """A reader sees the old file or the new one, also after a power cut. Mode 0600."""
    descriptor, temp = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temp).replace(path)
    except BaseException:
        Path(temp).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder)) + 1 + LONGEST_SOCKET_NAME <= SOCKET_PATH_BYTES


def _private(folder: Path) -> Path:
    """Made by us, ours, and closed to others.

    Anybody may write to the temp folder, so trust nothing there.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise BadConfiguration(
            f"{str(folder)!r} should be a folder of this user with mode 0700, and is not; "
            "remove it, or set CLASSYARD_HOME to a shorter path."
        )
    return folder


def _locked(descriptor: int, *, until: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.05)
        else:
            return True


def _as_sentence(error: OSError, folder: Path) -> ConfigurationError | SurroundingsFault:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return NoSpaceLeft(f"No space is left for {str(folder)!r}.")
    return BadConfiguration(
        f"Cannot use {str(folder)!r} as the home: {error.strerror}. Set CLASSYARD_HOME to a folder of yours."
    )
