"""The database: PostgreSQL 18 from a wheel, run by us, safe to kill at any moment.

*Who may connect.* The server listens on one Unix socket inside its own data folder and nowhere else. That
folder is 0700 and belongs to the account that runs the server, so whoever reaches the socket could read the
files as well: a password would protect nothing, and `trust` is honest about it.

*What is kept.* Everything that was committed: fsync, full page writes and synchronous commit stay on, pages
carry checksums. A first start is made in a folder beside and renamed when complete, so a half-made database
is never met.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import psycopg

from classyard.embedded.home import Home
from classyard.embedded.identity import identify, processes_in, stop_recorded
from classyard.embedded.postgres_files import MAJOR, account_for, reachable_programs
from classyard.embedded.server import (
    PLAIN_ENVIRONMENT,
    Account,
    Launch,
    Server,
    await_ready,
    last_lines,
    launch,
    require_space,
)
from schemas.errors import ConfigurationError, ServiceUnreachable

NAME = "postgres"
USER = "classyard"
DATABASE = "classyard"
READY_S = 60.0  # recovery after a crash reads the log since the last checkpoint: seconds, on slow disks more
INITDB_S = 120.0  # half a second on a quick disk

SETTINGS = {
    "listen_addresses": "",  # no network at all
    "unix_socket_directories": ".",  # the data folder; relative, so that no path is too long for the server
    "unix_socket_permissions": "0700",
    # the waiting jobs of a large batch and their indexes; the system's cache has the rest
    "shared_buffers": "128MB",
    "max_connections": "100",  # a dozen processes with pools of five, twice over, and room for a person
    "fsync": "on",
    "synchronous_commit": "on",  # "accepted" is said after this commit, and must stay true
    # full page images are most of the log here; shorter fsyncs for a little processor time
    "wal_compression": "on",
    "jit": "off",  # short queries: compiling would cost more than running
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",  # the detail of an error can quote a row
    "log_min_error_statement": "panic",  # and so can a statement
}
FACTS_AT_BIRTH = (
    *("--username", USER),
    *("--auth-local", "trust", "--auth-host", "reject"),
    *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
    *("--data-checksums", "--no-instructions"),
)
"""The builtin locale sorts the same on every machine, so an index is never wrong after a system upgrade."""


def start_postgres(home: Home, *, deadline_s: float = READY_S) -> Server:
    """A PostgreSQL with an empty database `classyard` at first, and with what was committed afterwards.

    Its `url` is `postgresql://classyard@/classyard?host=/folder`. As root it runs as an unprivileged account.
    For the holder of the home: what an earlier yard left running here is stopped first.
    Raises NoSpaceLeft, ServiceUnreachable, ConfigurationError.
    """
    home.prepare()
    require_space(home.path)
    stop_recorded(home, NAME)
    account = account_for(home.postgres)
    programs = reachable_programs(account)
    if not _is_made(home.postgres):
        _make(home, programs, account)
    _clear_stale(home.postgres)
    url = database_url(home)
    server = launch(home, _plan(home, programs, account, url))
    await_ready(server, lambda: _answers(home), deadline_s=deadline_s)
    _ensure_database(home)
    return server


def database_url(home: Home, *, database: str = DATABASE) -> str:
    """The same for as long as the home stays where it is, whether or not the server runs."""
    return f"postgresql://{USER}@/{database}?host={quote(os.fspath(home.short(home.postgres)))}"


def _is_made(data: Path) -> bool:
    """Raises ConfigurationError for a folder that is somebody else's, or another version's."""
    mark = data / "PG_VERSION"
    if not data.exists() or not any(data.iterdir()):
        return False
    found = mark.read_text().strip() if mark.exists() else None
    if found != str(MAJOR):
        what = f"was made by PostgreSQL {found}" if found else "has files in it but no database"
        raise ConfigurationError(
            f"{str(data)!r} {what}, and this yard runs PostgreSQL {MAJOR}; move that folder away, "
            "or dump it with its own version and load it here."
        )
    return True


def _make(home: Home, programs: Path, account: Account | None) -> None:
    draft = home.path / "postgres.new"
    shutil.rmtree(draft, ignore_errors=True)  # an earlier first start that was cut off
    draft.mkdir(mode=0o700)
    if account:
        os.chown(draft, account.uid, account.gid)
    try:
        code = _run_initdb(home, programs, account, draft)
    except subprocess.TimeoutExpired:
        code = None
    if code != 0:
        what = f"ended with code {code}" if code else f"took longer than {INITDB_S:g} s"
        log = _initdb_log(home)
        raise ServiceUnreachable(f"Making the database {what}. The end of {str(log)!r}:\n{last_lines(log)}")
    draft.rename(home.postgres)


def _run_initdb(home: Home, programs: Path, account: Account | None, data: Path) -> int:
    with _initdb_log(home).open("wb") as output:
        done = subprocess.run(  # noqa: S603  a fixed program of the wheel
            [programs / "initdb", "-D", _data_argument(data, account), *FACTS_AT_BIRTH],
            cwd=data,
            env=PLAIN_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            timeout=INITDB_S,
            check=False,
        )
    return done.returncode


def _initdb_log(home: Home) -> Path:
    return home.logs / "initdb.log"


def _plan(home: Home, programs: Path, account: Account | None, url: str) -> Launch:
    settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    return Launch(
        NAME,
        (str(programs / "postgres"), "-D", _data_argument(home.postgres, account), *settings),
        url=url,
        cwd=home.postgres,
        account=account,
        # "fast": clients are sent away, nothing committed is lost; SIGTERM waits for them
        stop_signal=signal.SIGINT,
    )


def _data_argument(data: Path, account: Account | None) -> str:
    """By this name the child reaches its working folder, also where its account may not walk the path."""
    here = Path("/proc/self/cwd")
    return str(here) if account and here.exists() else str(data)


def _clear_stale(data: Path, *, patience_s: float = 15.0) -> None:
    """Removes a `postmaster.pid` that no server of this folder stands behind.

    PostgreSQL looks only at the pid in it, and in a container or after a reboot that number is often
    somebody else's. Servers of this folder that still run, with or without their postmaster, are asked to
    end first: two of them would ruin the data.
    """
    lock = data / "postmaster.pid"
    if not lock.exists():
        return
    end = time.monotonic() + patience_s
    signals = iter((signal.SIGINT, signal.SIGQUIT))
    ask_again_at = time.monotonic() + 1.0  # those whose postmaster died notice it by themselves in this time
    while pids := processes_in(data, program="postgres"):
        if time.monotonic() >= end:
            raise ServiceUnreachable(
                f"Processes {pids} still use {str(data)!r} and do not end; end them and try again."
            )
        if time.monotonic() >= ask_again_at:
            ask_again_at = time.monotonic() + patience_s / 3
            _signal(_postmaster(lock, pids) or pids, next(signals, signal.SIGQUIT))
        time.sleep(0.02)
    lock.unlink(missing_ok=True)


def _postmaster(lock: Path, pids: list[int]) -> list[int]:
    first = lock.read_text().split("\n", 1)[0] if lock.exists() else ""
    return [pid for pid in pids if str(pid) == first]


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        if (found := identify(NAME, pid)) is not None:
            found.send(number)


def _answers(home: Home) -> bool:
    try:
        with psycopg.connect(database_url(home, database="postgres"), connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def _ensure_database(home: Home) -> None:
    with psycopg.connect(database_url(home, database="postgres"), autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
        if found is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")
