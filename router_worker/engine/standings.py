"""How the providers of a snapshot stand, as a decision reads them; between two jobs of a chunk few of them move.

What is made of a load is kept beside it, and made anew only where the load is another one. So a snapshot that differs
from the last in one load costs one load, and its digest is over the very bytes that `ProviderSnapshot.facts` gives.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import Any, NamedTuple

from router_worker.engine.candidates import Place, place
from schemas.canonical import digest, piece
from schemas.policy import Objective
from schemas.snapshot import ProviderLoad, ProviderSnapshot


class Standing(NamedTuple):
    load: ProviderLoad
    place: Place
    written: Any
    """Its canonical bytes, as a piece."""


Standings = tuple[Standing, ...]
"""In the order of the snapshot's loads."""


def standings(
    snapshot: ProviderSnapshot, objective: Objective = Objective.EACH, before: Standings = ()
) -> Standings:
    """`before` are those of the snapshot before this one, under the same objective; what did not move is kept."""
    known = chain(before, repeat(None))
    return tuple(
        last if last is not None and (last.load is load or last.load == load) else _read(load, objective)
        for load, last in zip(snapshot.loads, known, strict=False)
    )


def places(snapshot: ProviderSnapshot, found: Standings) -> dict[str, Place]:
    """By provider name, one for each provider of the catalog."""
    told = {each.load.provider: each.place for each in found}
    names = (provider.name for provider in snapshot.catalog.providers)
    return {name: told.get(name) or place(name, None) for name in names}


def digest_of(snapshot: ProviderSnapshot, found: Standings) -> str:
    """`digest(snapshot.facts())`."""
    return digest({**snapshot.facts(), "loads": [each.written for each in found]})


def _read(load: ProviderLoad, objective: Objective) -> Standing:
    return Standing(load, place(load.provider, load, objective), piece(load))
