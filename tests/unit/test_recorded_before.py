"""A decision that an earlier version recorded, before features had kinds, findings and draws, still replays."""

from __future__ import annotations

from pathlib import Path

import orjson

from router_worker.replay import flaw_of
from router_worker.shelf import Recorded, Shelf, features_of
from schemas.canonical import canonical
from schemas.features import JobFeatures

KEPT = orjson.loads(
    (Path(__file__).parents[1] / "golden" / "decisions" / "before-features.json").read_bytes()
)
"""Written by the version of 2026-11-28 that had none of the later fields."""


def recorded() -> Recorded:
    return Recorded(
        job_id="one",
        number=2,
        outcome=KEPT["outcome"],
        policy_digest=KEPT["policy"],
        catalog_digest=KEPT["catalog"],
        snapshot_digest=KEPT["snapshot"],
        assigned=KEPT["assigned"],
        features=KEPT["features"].encode(),
        digest=KEPT["digest"],
        body=KEPT["body"].encode(),
        named=KEPT["digest"],
    )


def test_it_replays_to_the_same_bytes() -> None:
    one, shelf = recorded(), Shelf()
    assert set(shelf.turn([one])) == set(KEPT["artifacts"])
    shelf.put(KEPT["artifacts"])

    assert flaw_of(one, shelf) is None


def test_its_features_are_read_with_what_came_later_at_its_default_and_written_as_they_were() -> None:
    found = features_of(KEPT["features"].encode())

    assert isinstance(found, JobFeatures)
    assert (found.kind, found.difficulty, found.personal_data, found.raised_by, found.draw) == (
        "",
        0.0,
        (),
        (),
        0,
    )
    assert canonical(found).decode() == KEPT["features"]
