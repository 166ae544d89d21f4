"""Laws of the quote, over drawn documents, policies and snapshots."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from router_worker.engine.decide import decide
from router_worker.quote import ceilings, quote
from schemas.decision import Outcome
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy
from schemas.snapshot import ProviderSnapshot
from tests.strategies import features, policies, snapshots

law = settings(deadline=None)


@law
@given(st.lists(features(), max_size=30), policies(), snapshots())
def test_every_document_is_in_one_figure_and_the_worst_is_never_less_than_what_is_expected(
    documents: list[JobFeatures], policy: RoutingPolicy, snapshot: ProviderSnapshot
) -> None:
    found = quote(documents, policy, snapshot)

    assert found.documents == len(documents)
    assert found.served + found.refused.total() + found.held.total() == len(documents)
    assert found.cost_usd_micros <= found.worst_cost_usd_micros
    assert found.late <= found.served
    assert all(part.documents and part.finish_ms >= part.longest_ms for part in found.parts.values())


@law
@given(features(), policies(), snapshots())
def test_a_first_document_that_need_not_wait_is_quoted_as_it_would_be_decided(
    job: JobFeatures, policy: RoutingPolicy, snapshot: ProviderSnapshot
) -> None:
    decision, found = decide(job, policy, snapshot), quote([job], policy, snapshot)

    if decision.outcome is Outcome.ROUTED:
        assert decision.candidates[0].estimate is not None
        assert found.cost_usd_micros == decision.candidates[0].estimate.cost_usd_micros
        assert list(found.parts) == [decision.plan[0].provider]
    if decision.outcome is Outcome.REFUSED:
        assert found.refused == {decision.reason_code: 1}
    if decision.outcome is Outcome.HELD:
        assert found.held == {decision.reason_code: 1}


@law
@given(st.lists(st.integers(0, 10**8), max_size=50), st.integers(0, 10**9))
def test_shares_never_add_up_to_more_than_the_whole(sizes: list[int], whole: int) -> None:
    shares = [share or 0 for share in ceilings(sizes, whole)]

    assert whole - len(sizes) < sum(shares) <= whole or not sum(sizes)
