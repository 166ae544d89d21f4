"""Regions in which documents may be processed: what covers what, and what two rules leave together. Pure.

An allowed region covers itself and what lies within it: `eu` covers `eu` and `eu-central-1`.
"""

from __future__ import annotations

from collections.abc import Iterable

Regions = tuple[str, ...]
"""Empty: no rule."""

NOWHERE: Regions = ("nowhere",)
"""No provider processes there; only the operator's own machine satisfies it, as it does every rule."""


def covered(region: str, allowed: Iterable[str]) -> bool:
    """Whether one of the allowed regions is this one or contains it.

    >>> covered("eu-central-1", ("eu",)), covered("eu", ("eu-central-1",)), covered("europe", ("eu",))
    (True, False, False)
    """
    return any(region == outer or region.startswith(f"{outer}-") for outer in allowed)


def narrowed(one: Regions, other: Regions) -> Regions | None:
    """The regions that both rules allow, the first rule's order before the second's; None where there is none.

    >>> narrowed(("eu", "us"), ("eu-central-1",)), narrowed((), ("eu",)), narrowed(("us",), ("eu",))
    (('eu-central-1',), ('eu',), None)
    """
    if not one or not other:
        return one or other
    inside = [region for region in one if covered(region, other)]
    inside += [region for region in other if covered(region, one) and region not in inside]
    return tuple(inside) or None
