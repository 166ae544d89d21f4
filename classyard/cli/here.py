"""The settings and files that a command works with; read when it runs, and not before, so that `--help` is quick."""

from __future__ import annotations

from typing import Any


def here() -> Any:
    from classyard.context import Context

    return Context.from_environment()
