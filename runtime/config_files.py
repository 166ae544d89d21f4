"""Where the configuration that ships with the program lies, in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def packaged(*parts: str) -> Path:
    """A file or folder of the shipped `config/`, such as `packaged("policies", "default.yaml")`.

    A wheel carries it as `classyard/config`; that one is looked for first, since a folder `config` beside the installed
    packages could be anybody's.
    """
    installed = _ROOT / "classyard" / "config"
    return (installed if installed.is_dir() else _ROOT / "config").joinpath(*parts)
