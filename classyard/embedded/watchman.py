"""Waits beside a supervisor, and stops what it leaves running if it is killed without a chance to do so.

    python -m classyard.embedded.watchman HOME FD

FD is the reading end of a pipe whose other end only the supervisor has. A watchman and not
`PR_SET_PDEATHSIG`: that one is Linux only, fires when the *thread* that started the child ends, and would
stop the database before those who write to it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from classyard.embedded.home import Home
from classyard.embedded.identity import forget, stop_leftovers
from schemas.errors import ConfigurationError

LOCK_S = 5.0
"""The kernel may close the pipe of a killed supervisor a moment before it lets the lock go, and a command that asks
whether a yard runs here holds it for an instant."""


def main(argv: list[str]) -> int:
    home, fd = Home(Path(argv[0])), int(argv[1])
    while os.read(fd, 1):
        pass
    forget(home, "watchman")  # or it would stop itself
    try:
        with home.lock(wait_s=LOCK_S):
            stop_leftovers(home)
            home.forget_run()
    except ConfigurationError:  # a new yard has the home already, and has stopped what it found
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
