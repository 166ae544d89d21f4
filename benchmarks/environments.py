"""Other people's packages, each set in an environment of its own, made once from a lock with hashes.

It is kept in the user's cache under the lock's digest. Without a package index it cannot be had: whoever asked goes
without, and says why.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from platformdirs import user_cache_path

INSTALL_S = 600


class EnvironmentMissing(Exception):
    """The packages cannot be used here; the message says why."""


def environment_of(lock: Path, *, install_s: float = INSTALL_S) -> str:
    """The python of the environment, made where it is not there yet."""
    digest = sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = user_cache_path("classyard") / "peers" / digest
    python, done = folder / "bin" / "python", folder / "complete"
    if not done.exists():
        _make(folder)
        # Our own pip, since making one in there takes longer than it is used; files are compiled as they are imported.
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--quiet"]
        run([*pip, "install", "--no-compile", "--no-deps", "--require-hashes", "-r", str(lock)], install_s)
        done.touch()
    return str(python)


def run(command: list[str], seconds: float, *, environment: Mapping[str, str] | None = None) -> str:
    """What it prints. Raises `EnvironmentMissing` where it fails, or takes longer."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=seconds, env=environment
        )
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no word of why"])[-1]
        msg = f"a peer could not be run: {last}"
        raise EnvironmentMissing(msg) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"a peer could not be run: {error}"
        raise EnvironmentMissing(msg) from error
    return done.stdout


def _make(folder: Path) -> None:
    try:
        venv.create(folder, with_pip=False, clear=True)
    except (OSError, subprocess.CalledProcessError) as error:
        msg = f"the peers could not be run: no environment could be made for them ({error})"
        raise EnvironmentMissing(msg) from error
