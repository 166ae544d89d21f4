"""The address of an endpoint, read strictly: what two parsers might read in two ways is refused.

Where its name leads is another question, asked anew with every attempt (`addresses`, `sender`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from producer.webhooks.addresses import Address, read_address
from schemas.errors import BadInput

MAX_CHARACTERS = 2_000
USUAL_PORTS = (80, 443)
LEAST_FREE_PORT = 1_024
"""Below it are other services: mail, shells, files."""

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?P<query>\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
"""A last label like this makes the whole host a number for some parsers."""


@dataclass(frozen=True, slots=True)
class Target:
    url: str
    host: str
    """A name in lower case, or an address without brackets."""
    port: int
    is_https: bool

    @property
    def authority(self) -> str:
        """As a `Host` header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_https else 80) else f"{host}:{self.port}"

    @property
    def address(self) -> Address | None:
        """None for a name."""
        try:
            return read_address(self.host)
        except ValueError:
            return None


def read_target(url: str, *, may_be_plain: bool) -> Target:
    """`may_be_plain`: whether `http` may be asked for at all; then only for ranges that the operator named.

    Raises `BadInput`.
    """
    if len(url) > MAX_CHARACTERS:
        raise _bad(f"It has more than {MAX_CHARACTERS:,} characters.")
    found = _URL.fullmatch(url)
    if found is None:
        raise _bad("It must look like https://HOST/PATH, in ASCII, without a user, a password or a fragment.")
    is_https = found["scheme"] == "https"
    if not is_https and not may_be_plain:
        raise _bad("It must begin with https://; http is only for ranges that CLASSYARD_WEBHOOK_ALLOW names.")
    host = _host(found["host"])
    port = int(found["port"] or (443 if is_https else 80))
    if port not in USUAL_PORTS and not LEAST_FREE_PORT <= port <= 65_535:
        raise _bad(f"Port {port} is not for webhooks; take 443, 80, or one from {LEAST_FREE_PORT:,} on.")
    shown = f"[{host}]" if ":" in host else host
    path = (found["path"] or "/") + (found["query"] or "")
    return Target(f"{found['scheme']}://{shown}:{port}{path}", host, port, is_https)


def _host(given: str) -> str:
    if given.startswith("["):
        try:
            return str(read_address(given[1:-1]))
        except ValueError:
            raise _bad("Its host is not an IPv6 address.") from None
    host = given.lower().removesuffix(".")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(read_address(host))
        except ValueError:
            raise _bad("Its host is a number, and not an address as a.b.c.d.") from None
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise _bad("Its host is not a name of letters, digits, hyphens and dots.")
    return host


def _bad(sentence: str) -> BadInput:
    return BadInput(sentence, where="url", code="invalid_value")
