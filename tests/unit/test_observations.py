"""What a worker remembers of its provider."""

from __future__ import annotations

from statistics import median

from hypothesis import given, settings
from hypothesis import strategies as st

from provider_workers.observations import KEPT, Observations


@given(st.lists(st.tuples(st.integers(0, 10**6), st.booleans()), max_size=150))
@settings(max_examples=50)
def test_the_median_is_of_the_last_calls_that_were_no_outage(calls: list[tuple[int, bool]]) -> None:
    seen = Observations()

    for latency_ms, outage in calls:
        seen.saw(latency_ms, outage=outage)

    kept = [max(1, ms) for ms, outage in calls if not outage][-KEPT:]
    assert seen.job_ms_p50 == (round(median(kept)) if kept else None)
    assert seen.answered == sum(not outage for _, outage in calls)


def test_before_the_first_answer_nothing_is_known() -> None:
    seen = Observations()
    seen.saw(5_000, outage=True)

    assert (seen.job_ms_p50, seen.answered) == (None, 0)


def test_an_instant_answer_counts_as_a_millisecond() -> None:
    seen = Observations()
    seen.saw(0, outage=False)

    assert seen.job_ms_p50 == 1
