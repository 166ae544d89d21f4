"""What is stored of a decision is enough: values come back equal, and decided again they give the same bytes."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from router_worker.engine.decide import prepare
from router_worker.replay import decided_again, first_difference, flaw_of
from router_worker.shelf import Recorded, Shelf, assigned_of, features_of
from schemas.canonical import canonical, digest
from schemas.decision import Outcome
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy
from schemas.snapshot import Assigned, ProviderSnapshot
from tests.strategies import PROVIDERS, features, policies, snapshots

law = settings(deadline=None)  # a busy machine breaks no law

assignments = st.dictionaries(
    st.sampled_from(PROVIDERS), st.builds(Assigned, st.integers(0, 300), st.integers(0, 10**9)), max_size=3
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)


def stored(
    job: JobFeatures, policy: RoutingPolicy, snapshot: ProviderSnapshot, assigned: dict[str, Assigned]
) -> Recorded:
    """The row of the decision, as the stage would write it."""
    body = canonical(prepare(policy, snapshot.plus(assigned)).decide(job))
    return Recorded(
        job_id="one",
        number=2,
        outcome=orjson.loads(body)["outcome"],
        policy_digest=digest(policy),
        catalog_digest=digest(snapshot.catalog),
        snapshot_digest=digest(snapshot.facts()),
        assigned=orjson.loads(orjson.dumps(assigned)),
        features=canonical(job),
        digest=digest(body),
        body=body,
        named=digest(body),
    )


def artifacts(policy: RoutingPolicy, snapshot: ProviderSnapshot) -> dict[str, Any]:
    """As the store gives them: parsed from the canonical bytes, by their digest."""
    bodies = [canonical(value) for value in (policy, snapshot.catalog, snapshot.facts())]
    return {digest(body): orjson.loads(body) for body in bodies}


@law
@given(policies(), snapshots(), st.lists(st.tuples(features(), assignments), min_size=1, max_size=4))
def test_what_is_stored_gives_equal_values_and_the_same_bytes(
    policy: RoutingPolicy, snapshot: ProviderSnapshot, chunk: list[tuple[JobFeatures, dict[str, Assigned]]]
) -> None:
    page = [stored(job, policy, snapshot, assigned) for job, assigned in chunk]
    shelf = Shelf()
    assert set(shelf.turn(page)) == set(artifacts(policy, snapshot))
    shelf.put(artifacts(policy, snapshot))

    for one, (job, assigned) in zip(page, chunk, strict=True):
        assert features_of(one.features) == job
        assert assigned_of(one.assigned) == assigned
        assert shelf.policy(one) == policy
        assert shelf.snapshot(one) == snapshot.plus(assigned)
        assert flaw_of(one, shelf) is None


@law
@given(policies(), snapshots(), st.lists(features(), min_size=2, max_size=12))
def test_a_chunk_that_fills_the_queues_as_it_goes_is_decided_again_job_by_job(
    policy: RoutingPolicy, snapshot: ProviderSnapshot, chunk: list[JobFeatures]
) -> None:
    """What a decision records as assigned is what was assigned before it, and never its own job."""
    assigned: dict[str, Assigned] = {}
    page, shelf = [], Shelf()
    for job in chunk:
        page.append(stored(job, policy, snapshot, assigned))
        decision = prepare(policy, snapshot.plus(assigned)).decide(job)
        if decision.outcome is Outcome.ROUTED:
            name = decision.plan[0].provider
            before = assigned.get(name, Assigned())
            assigned = {**assigned, name: Assigned(before.jobs + 1, before.tokens + job.tokens)}
    shelf.turn(page)
    shelf.put(artifacts(policy, snapshot))

    assert [flaw_of(one, shelf) for one in page] == [None] * len(page)


@law
@given(policies(), policies(), snapshots(), features())
def test_another_policy_is_asked_on_the_very_same_inputs(
    policy: RoutingPolicy, other: RoutingPolicy, snapshot: ProviderSnapshot, job: JobFeatures
) -> None:
    one, shelf = stored(job, policy, snapshot, {}), Shelf()
    shelf.turn([one])
    shelf.put(artifacts(policy, snapshot))

    assert decided_again(one, shelf, other) == prepare(other, snapshot).decide(job)
    assert flaw_of(one, shelf) is None, "and the recorded policy is still there"


@law
@given(snapshots(), snapshots(), policies(), features())
def test_pages_may_name_other_values_and_come_back_to_earlier_ones(
    one: ProviderSnapshot, other: ProviderSnapshot, policy: RoutingPolicy, job: JobFeatures
) -> None:
    shelf = Shelf()
    for snapshot in (one, other, one):
        page = [stored(job, policy, snapshot, {})]
        known = artifacts(policy, snapshot)
        shelf.put({name: known[name] for name in shelf.turn(page)})

        assert flaw_of(page[0], shelf) is None


@law
@given(json_values, json_values)
def test_there_is_a_first_difference_where_two_values_differ_and_only_there(was: Any, now: Any) -> None:
    assert first_difference(was, was) is None
    assert (first_difference(was, now) is None) == (was == now)


def test_the_first_difference_says_where_it_is_and_what_was_there() -> None:
    was = {"plan": [{"provider": "alpha"}], "reason": "x"}

    assert first_difference(was, {"plan": [{"provider": "beta"}], "reason": "y"}) == (
        "plan[0].provider is 'beta', and was 'alpha'"
    )
    assert first_difference(was, {"plan": [], "reason": "x"}) == "plan is 0 items, and was 1 item"
    assert first_difference([], {}) == "it is 0 fields, and was 0 items"
