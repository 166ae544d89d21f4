"""Prices of scarce slots: who gets the cheap ones, and that together documents cost less than each by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from router_worker.bound.shadows import Kind, priced, shadows
from router_worker.engine.decide import prepare
from schemas.features import JobFeatures
from schemas.policy import Objective, RoutingPolicy, Weights
from schemas.sensitivity import Sensitivity
from schemas.snapshot import Assigned, ProviderSnapshot, ProviderStatus
from tests.engine_values import a_job, a_load, a_model, a_policy, a_price, a_provider, a_snapshot

PUBLIC, CLOSED = a_job(), a_job(sensitivity=Sensitivity.INTERNAL)
COST = Weights(cost=1, quality=0, latency=0, load=0)
JOINT = a_policy(objective=Objective.JOINT, weights=COST)
EACH = a_policy(weights=COST)

CHEAP = a_provider("cheap", a_model(price=a_price(100_000, 400_000)))
DEAR = a_provider("dear", a_model(price=a_price(9_000_000, 9_000_000)))
NEAR = a_provider("near", a_model(price=a_price(120_000, 480_000)), boundary=Sensitivity.PUBLIC)


def a_yard(slots: int = 1, **cheap: int | ProviderStatus) -> ProviderSnapshot:
    """One cheap provider for all, with few slots; a dear one for all; one nearly as cheap for what is public."""
    loads = (
        a_load("cheap", slots=slots, headroom_jobs=10)
        if not cheap
        else a_load("cheap", slots=slots, **cheap),
        a_load("dear", slots=20),
        a_load("near", slots=20),
    )
    return a_snapshot(CHEAP, DEAR, NEAR, loads=loads)


def prices(snapshot: ProviderSnapshot, *kinds: Kind) -> dict[str, int]:
    return shadows(kinds, prepare(JOINT, snapshot), snapshot)


def test_the_scarce_slot_has_a_price_and_no_other() -> None:
    found = prices(a_yard(), Kind(20, 4, PUBLIC), Kind(20, 4, CLOSED))

    assert set(found) == {"cheap"}
    assert (
        found["cheap"] > 46
    )  # what a public document saves there: (288 - 240) micro-dollars in its one second


def test_where_there_is_enough_nothing_has_a_price() -> None:
    assert prices(a_yard(slots=20_000), Kind(20, 4, PUBLIC), Kind(20, 4, CLOSED)) == {}
    assert prices(a_yard()) == {}


def test_who_does_not_serve_now_has_no_price() -> None:
    yard = a_yard(status=ProviderStatus.DOWN)

    assert "cheap" not in prices(yard, Kind(20, 4, PUBLIC), Kind(20, 4, CLOSED))


def test_work_that_is_bound_already_makes_slots_scarcer() -> None:
    kinds = (Kind(30, 4, PUBLIC), Kind(3, 4, CLOSED))
    free, busy = a_yard(slots=4), a_yard(slots=4, waiting_jobs=200, job_ms_p50=1_000)

    assert prices(free, *kinds).get("cheap", 0) <= prices(busy, *kinds).get("cheap", 0)


def test_a_hasty_kind_that_cannot_be_done_in_time_does_not_break_it() -> None:
    assert prices(a_yard(), Kind(100_000, 0, CLOSED), Kind(10, 4, PUBLIC))


def test_without_prices_the_snapshot_stays_the_same_object() -> None:
    yard = a_yard()

    assert priced(yard, {}) is yard
    assert [load.shadow_usd_micros_per_s for load in priced(yard, {"cheap": 7}).loads] == [7, 0, 0]


@pytest.mark.parametrize("first", [PUBLIC, CLOSED])
def test_together_it_costs_less_than_each_by_itself(first: JobFeatures) -> None:
    """Ten places at the cheap provider, ten documents that may go to the near one and ten that else must pay dearly."""
    second = CLOSED if first is PUBLIC else PUBLIC
    found = prices(a_yard(), Kind(10, 4, PUBLIC), Kind(10, 4, CLOSED))

    each = spent(EACH, a_yard(), [first] * 10 + [second] * 10)
    joint = spent(JOINT, priced(a_yard(), found), [first] * 10 + [second] * 10)

    assert joint <= each
    assert joint == pytest.approx(10 * 241 + 10 * 289)
    if first is PUBLIC:  # who comes first takes the cheap places, and the others pay
        assert each > 5 * joint


def spent(policy: RoutingPolicy, snapshot: ProviderSnapshot, work: list[JobFeatures]) -> int:
    """Every document decided on what those before it left."""
    prepared, assigned, total = prepare(policy, snapshot), {}, 0
    for job in work:
        decision = prepared.decide(replace(job))
        first = decision.candidates[0]
        assert first.estimate is not None
        total += first.estimate.cost_usd_micros
        assigned[first.provider] = Assigned(assigned.get(first.provider, Assigned()).jobs + 1, 0)
        prepared = prepared.moved_to(snapshot.plus(assigned))
    return total
