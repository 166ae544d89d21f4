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
        seen.saw(latency_ms, outage=outage, ended_s=0.0)

    kept = [max(1, ms) for ms, outage in calls if not outage][-KEPT:]
    assert seen.job_ms_p50 == (round(median(kept)) if kept else None)
    assert seen.answered == sum(not outage for _, outage in calls)


def test_outages_are_counted_in_a_row_and_one_answer_ends_the_row() -> None:
    seen = Observations()

    for second in (1.0, 2.0, 3.0):
        seen.saw(500, outage=True, ended_s=second)
    assert seen.outages_in_a_row == 3

    seen.saw(100, outage=False, ended_s=4.0)
    assert seen.outages_in_a_row == 0


def test_calls_that_failed_together_count_as_one_outage() -> None:
    """Eight calls in flight at a provider that hiccups once are one hiccup."""
    seen = Observations()

    for slot in range(8):
        seen.saw(1_000, outage=True, ended_s=1.0 + slot / 100)
    assert seen.outages_in_a_row == 1

    seen.saw(500, outage=True, ended_s=9.0)
    assert seen.outages_in_a_row == 2


def test_before_the_first_answer_nothing_is_known() -> None:
    seen = Observations()
    seen.saw(5_000, outage=True, ended_s=5.0)

    assert (seen.job_ms_p50, seen.answered) == (None, 0)


def test_an_instant_answer_counts_as_a_millisecond() -> None:
    seen = Observations()
    seen.saw(0, outage=False, ended_s=0.0)

    assert seen.job_ms_p50 == 1
