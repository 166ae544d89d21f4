"""Which yard, and by which key: what was said, else the environment, else the yard that runs on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from classyard.client.problems import Misconfigured

VERSION = "/v1"


@dataclass(frozen=True, slots=True)
class Place:
    url: str
    """Of the API, with its version and without a slash at the end."""
    key: str = field(repr=False)


def find_place(url: str | None, key: str | None, environ: Mapping[str, str]) -> Place:
    """Raises `Misconfigured`, and `YardNotRunning` where only a yard of this machine is left and none runs.

    The key of this machine's yard goes to that yard only: with another address, a key has to be said.
    """
    url = url or environ.get("CLASSYARD_URL")
    key = key or environ.get("CLASSYARD_KEY")
    if not url:
        here = _of_this_machine(environ)
        return Place(here.url, _checked_key(key or here.key))
    if not key:
        raise Misconfigured(
            "There is no key: pass key=…, or set CLASSYARD_KEY. `classyard keys new` makes one."
        )
    return Place(_checked_url(url), _checked_key(key))


def _checked_url(given: str) -> str:
    try:
        parts = urlsplit(given.strip())
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_address = False
    if not is_address or parts.query or parts.fragment or parts.username or parts.password:
        raise Misconfigured("The address must look like https://HOST:PORT, with nothing behind but a path.")
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path if path.endswith(VERSION) else path + VERSION}"


def _checked_key(given: str) -> str:
    """It becomes a header, so nothing in it may end one."""
    key = given.strip()
    if not (key and key.isascii() and key.isprintable() and " " not in key):
        raise Misconfigured("The key has characters that no key has; is it whole, and on one line?")
    return key


def _of_this_machine(environ: Mapping[str, str]) -> Place:
    from classyard.embedded.home import Home

    home = Home.from_environment(environ)
    yard, path = home.running(), home.run / "api.key"
    if not yard.api:
        raise Misconfigured("The yard that runs here does not say where its API is; start it anew.")
    if not path.exists():
        raise Misconfigured(f"The yard that runs here has no key in {str(path)!r}; pass key=….")
    return Place(yard.api + VERSION, path.read_text().strip())
