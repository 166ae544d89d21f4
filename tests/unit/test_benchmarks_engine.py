"""The benchmarks of the engine itself: what they replay can be seen to be broken, and what they time is decided."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from benchmarks.routing import deciding, replayed
from benchmarks.routing.made import a_catalog, a_job, a_policy, a_snapshot
from router_worker.engine.decide import decide
from router_worker.shelf import Shelf
from schemas.decision import Outcome


def test_decisions_read_back_from_their_bytes_are_decided_again_to_the_byte() -> None:
    told = replayed.replayed(3 * replayed.PAGE)

    assert told.verified.decisions == 3 * replayed.PAGE
    assert told.verified.is_sound
    assert told.verified.identical == told.verified.decisions
    assert set(told.outcomes) == {"routed", "refused", "held"}
    assert told.moved > replayed.PAGE, "loads move within chunks"


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (b'\\"time_left_ms\\":null', b'\\"time_left_ms\\":null,\\"x\\":1'),
        (b'\\"tokens\\":', b'\\"tokens\\":1'),
        (b'"assigned":{}', b'"assigned":{"provider-00":{"jobs":1,"tokens":5,"work_ms":0}}'),
        (b"the best score", b"the worst score"),
    ],
    ids=["a field", "a figure of the features", "what was assigned", "the body"],
)
def test_a_byte_that_was_changed_is_seen(was: bytes, now: bytes) -> None:
    page = next(replayed.pages())
    place = next(place for place, row in enumerate(page.rows) if was in row)
    broken = [*page.rows]
    broken[place] = broken[place].replace(was, now, 1)
    told = replayed.Told()

    replayed.verify(replace(page, rows=tuple(broken)), Shelf(), told)

    assert told.verified.identical == len(broken) - 1
    assert len(told.verified.flaws) == 1


def test_the_same_yards_are_made_every_time() -> None:
    one, other = (next(replayed.pages()) for _ in range(2))

    assert one == other


def test_every_job_that_is_timed_is_decided_and_most_are_routed() -> None:
    found = {
        name: deciding.summary(yard, deciding.timed(yard, jobs=60)) for name, yard in deciding.yards().items()
    }

    small, large = found["20_models"], found["100_models_50_rules"]
    assert (small["models"], large["models"], large["rules"]) == (20, 100, 50)
    assert small["jobs"] == large["jobs"] == 60
    assert min(small["routed"], large["routed"]) > 0.4
    assert 0 < small["p50_us"] <= small["p99_us"] <= small["max_us"]
    assert "| 100 models, 50 rules, 3 tiers |" in deciding.page({"deciding": found})


def test_made_up_yards_try_every_end_and_every_rule_of_the_engine() -> None:
    chance = Random(5)
    outcomes, rules = set(), set()
    for _ in range(300):
        catalog = a_catalog(chance, 6, of_each=2)
        policy = a_policy(chance, catalog, rules=2, tiers=2)
        decision = decide(a_job(chance), policy, a_snapshot(chance, catalog, second=1))
        outcomes.add(decision.outcome)
        for each in decision.candidates:
            rules |= {refusal.rule for refusal in each.refusals}
            rules |= {each.unavailable.rule} if each.unavailable else set()

    assert outcomes == set(Outcome)
    assert rules >= {
        "boundary",
        "context",
        "output_length",
        "json_schema",
        "language",
        "quality",
        "cost_ceiling",
    }
    assert rules >= {
        "residency",
        "training",
        "unpriced",
        "no_key",
        "deadline",
        "full",
        "down",
        "paused",
        "no_worker",
    }
