"""API keys as text: `cy_<id>_<secret>`, and what is kept of them.

The secret has 256 bits of chance, so one round of HMAC is enough; the pepper, which is not in the database, makes a
copy of the database worth nothing to who would try secrets.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

PREFIX = "cy"

_KEY = re.compile(rf"{PREFIX}_(?P<id>[0-9a-f]{{16}})_(?P<secret>[0-9a-f]{{64}})")


@dataclass(frozen=True, slots=True)
class ApiKey:
    id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """What its owner sends; shown once."""
        return f"{PREFIX}_{self.id}_{self.secret}"


def new_key(chance: Callable[[int], str] = secrets.token_hex) -> ApiKey:
    return ApiKey(chance(8), chance(32))


def read_key(text: str) -> ApiKey | None:
    """None where it has not the form of a key."""
    found = _KEY.fullmatch(text)
    return ApiKey(found["id"], found["secret"]) if found else None


def hmac_of(pepper: str, secret: str) -> bytes:
    return hmac.new(pepper.encode(), secret.encode(), hashlib.sha256).digest()


def matches(pepper: str, secret: str, kept: bytes) -> bool:
    """In constant time."""
    return hmac.compare_digest(hmac_of(pepper, secret), kept)
