"""Where the real data of the tests lies, which is not part of the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def data_file(*parts: str) -> Path:
    """A file below `CLASSYARD_DATA` (default: `../shared/data` beside the project); skips the test without it."""
    folder = Path(os.environ.get("CLASSYARD_DATA") or ROOT.parent / "shared" / "data")
    path = folder.joinpath(*parts)
    if not path.is_file():
        pytest.skip(
            f"{'/'.join(parts)} is not in {folder}; set CLASSYARD_DATA to the folder of the real data"
        )
    return path
