"""From a catalog's reference to the key itself: `env:NAME`, `file:PATH` or `none`. It is never shown."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from schemas.errors import MissingKey


class Secret:
    """A value that its `repr` and `str` hide; `reveal` is called where it is sent and nowhere else."""

    __slots__ = ("_value", "note")

    def __init__(self, value: str, *, note: str = "") -> None:
        self._value = value
        self.note = note
        """What an operator should know of how it is kept, as a sentence; empty where all is well."""

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


def resolve(reference: str, environ: Mapping[str, str], *, provider: str) -> Secret | None:
    """The key behind a reference; None for `none`.

    Raises `MissingKey`: the reference leads nowhere, or to something that cannot be a key. The sentence names
    the provider and the reference, never what was found there.
    """
    where, _, place = reference.partition(":")
    if reference == "none":
        return None
    if where == "env":
        return _checked(environ.get(place, ""), reference, provider)
    if where == "file":
        return _from_file(Path(place).expanduser(), reference, provider)
    raise MissingKey(
        f"Provider {provider!r} has a key reference of an unknown form; use 'env:NAME', 'file:PATH' or 'none'."
    )


def _from_file(path: Path, reference: str, provider: str) -> Secret:
    try:
        text = path.read_text(encoding="utf-8")
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise MissingKey(
            f"Provider {provider!r} has its key at {reference!r}, which cannot be read."
        ) from error
    note = ""
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        note = f"The key file of provider {provider!r} can be read by others; 'chmod 600' mends it."
    return _checked(text, reference, provider, note=note)


def _checked(value: str, reference: str, provider: str, *, note: str = "") -> Secret:
    """White space around a key is never meant; white space or other letters inside could break the header."""
    key = value.strip()
    if not key:
        raise MissingKey(f"Provider {provider!r} has its key at {reference!r}, and there is none there.")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise MissingKey(f"Provider {provider!r} has its key at {reference!r}, which does not hold a key.")
    return Secret(key, note=note)
