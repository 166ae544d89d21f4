"""How careful a document must be handled, and where it may go.

The class of a document can only rise: what a submitter or a tenant says is a floor, and nothing that is read in
the document itself, and nothing that a model answers, can lower it.
"""

from __future__ import annotations

from enum import StrEnum


class Sensitivity(StrEnum):
    """From the least to the most careful class. A provider's `boundary` is the highest class that it may see."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"

    @property
    def rank(self) -> int:
        """0 (public) to 3 (restricted)."""
        return _ORDER.index(self)

    def at_least(self, other: Sensitivity) -> Sensitivity:
        """The more careful of the two."""
        return self if self.rank >= other.rank else other


_ORDER = tuple(Sensitivity)


class Quality(StrEnum):
    """What quality the submitter asks for; the policy says what each level means for a model."""

    DRAFT = "draft"
    STANDARD = "standard"
    HIGH = "high"


class Lane(StrEnum):
    """Urgent work overtakes normal work, and normal work overtakes bulk."""

    URGENT = "urgent"
    NORMAL = "normal"
    BULK = "bulk"

    @property
    def rank(self) -> int:
        """0 is served first."""
        return tuple(Lane).index(self)
