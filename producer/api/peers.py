"""Keys that were not valid, by the address that they came from: who tries many is not looked up any more for a while.

Of this process alone and in memory: it spares the database, and no key is guessed with or without it. Many callers may
share an address, behind a proxy; so a key that was valid from there lately is looked up always, whatever others try.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from producer.api.rates import Allowance

Key = TypeVar("Key")
Value = TypeVar("Value")

MOST_KEPT = 10_000
"""Addresses, and known keys; the oldest go."""

NETWORK_BITS = 64
"""Of an IPv6 address: who has one has so many."""


@dataclass
class Peers:
    clock: Callable[[], float] = time.monotonic
    _busy_until: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _known: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)

    def wait_s(self, address: str, key_id: str, per_minute: int) -> float:
        """Seconds until a key from there is looked up; 0: now."""
        if not per_minute or (network_of(address), key_id) in self._known:
            return 0.0
        standing = self._standing(network_of(address), per_minute)
        return 0.0 if standing.admits else standing.wait_s

    def failed(self, address: str, per_minute: int) -> None:
        if per_minute:
            network = network_of(address)
            standing = self._standing(network, per_minute)
            _keep(self._busy_until, network, self.clock() + standing.busy_s + standing.step_s)

    def succeeded(self, address: str, key_id: str) -> None:
        _keep(self._known, (network_of(address), key_id), None)

    def _standing(self, network: str, per_minute: int) -> Allowance:
        return Allowance(per_minute, max(0.0, self._busy_until.get(network, 0.0) - self.clock()))


def network_of(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:100]
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, NETWORK_BITS), strict=False))
    return address


def _keep(kept: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MOST_KEPT:
        kept.popitem(last=False)
