"""Which addresses a webhook may be sent to: those of the open internet, and ranges that the operator named.

Whoever makes an endpoint chooses its name, and whoever owns the name chooses its addresses: both are taken for hostile.
For IPv6 only global unicast is open, less what carries an IPv4 address inside, which is judged by that or refused.
Source: IANA's special-purpose address registries for IPv4 and IPv6, as of 2025-10; RFC 6890, 6052, 3056, 4380.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

CLOSED_V4 = {
    ip_network(range_): what
    for range_, what in {
        "0.0.0.0/8": "unspecified",
        "10.0.0.0/8": "private",
        "100.64.0.0/10": "shared by a carrier",
        "127.0.0.0/8": "loopback",
        "168.63.129.16/32": "a cloud's own",
        "169.254.0.0/16": "link-local",
        "172.16.0.0/12": "private",
        "192.0.0.0/24": "reserved",
        "192.0.2.0/24": "for documentation",
        "192.31.196.0/24": "reserved",
        "192.52.193.0/24": "reserved",
        "192.88.99.0/24": "reserved",
        "192.168.0.0/16": "private",
        "192.175.48.0/24": "reserved",
        "198.18.0.0/15": "for benchmarks",
        "198.51.100.0/24": "for documentation",
        "203.0.113.0/24": "for documentation",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved",
    }.items()
}
OPEN_V6 = IPv6Network("2000::/3")
CLOSED_V6 = {
    IPv6Network("2001::/23"): "reserved",
    IPv6Network("2001:db8::/32"): "for documentation",
    IPv6Network("2002::/16"): "a tunnel (6to4)",
    IPv6Network("2620:4f:8000::/48"): "reserved",
    IPv6Network("3fff::/20"): "for documentation",
}
NAT64 = IPv6Network("64:ff9b::/96")


def read_address(text: str) -> Address:
    """Raises `ValueError`. A zone is refused: it names an interface of this machine."""
    if "%" in text:
        raise ValueError("an address with a zone")
    return ip_address(text)


def is_named(address: Address, named: Iterable[Network]) -> bool:
    """Whether it lies in a range that the operator named."""
    plain = _inside(address) or address
    return any(
        one in network for network in named for one in (address, plain) if one.version == network.version
    )


def why_closed(address: Address) -> str | None:
    """What kind of address it is, where nothing is sent to its kind; None for one of the open internet."""
    plain = _inside(address) or address
    if isinstance(plain, IPv4Address):
        return next((what for network, what in CLOSED_V4.items() if plain in network), None)
    if plain not in OPEN_V6:
        return _kind(plain)
    return next((what for network, what in CLOSED_V6.items() if plain in network), None)


def _inside(address: Address) -> IPv4Address | None:
    """The IPv4 address that really is meant: of `::ffff:a.b.c.d`, and of what a NAT64 translates."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in NAT64 else None


def _kind(address: IPv6Address) -> str:
    if address.is_loopback:
        return "loopback"
    if address.is_unspecified:
        return "unspecified"
    if address.is_multicast:
        return "multicast"
    if address.is_link_local:
        return "link-local"
    return "private or reserved"
