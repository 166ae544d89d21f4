"""What other rooms know and this one may not import: handed in from the roof, as functions.

A router decides, quotes and explains; the API tells what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from producer.api.advised import Linted, Quoted
from schemas.policy import RoutingPolicy
from schemas.review import Review
from schemas.submission import Rejection, Requirements, SourceDocument

Documents = Sequence[SourceDocument | Rejection]


@dataclass(frozen=True, slots=True)
class Advice:
    told: Callable[[bytes], list[str]]
    """A stored decision in plain sentences."""
    quote: Callable[[Documents, Review, Requirements], Quoted]
    """Blocks, for seconds where there are many."""
    policy: Callable[[], RoutingPolicy]
    """As it is configured. Raises `BadConfiguration`."""
    lint: Callable[[bytes], Linted]
    """Of a policy's file. Blocks. Raises `BadInput` for what is no policy."""
