"""How many jobs one slot takes at a time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from provider_workers.parcels import QUICK_JOBS, parcel_length
from runtime.doorbells import jobs_a_bell

backlogs = st.integers(0, 5_000)
ceilings = st.integers(1, 500)
speeds = st.none() | st.integers(1, 120_000)
mosts = st.integers(1, 256)
seconds = st.floats(0.1, 60)


@given(backlogs, ceilings, speeds, mosts, seconds)
@settings(max_examples=200)
def test_a_parcel_has_one_job_at_least_and_never_more_than_the_most(
    backlog: int, ceiling: int, job_ms: int | None, most: int, parcel_s: float
) -> None:
    assert 1 <= parcel_length(backlog, ceiling, job_ms, most=most, parcel_s=parcel_s) <= most


@given(backlogs, st.integers(0, 5_000), ceilings, speeds, mosts, seconds)
@settings(max_examples=100)
def test_a_deeper_backlog_never_makes_parcels_shorter(
    backlog: int, deeper: int, ceiling: int, job_ms: int | None, most: int, parcel_s: float
) -> None:
    shallow = parcel_length(backlog, ceiling, job_ms, most=most, parcel_s=parcel_s)

    assert shallow <= parcel_length(backlog + deeper, ceiling, job_ms, most=most, parcel_s=parcel_s)


@given(backlogs, ceilings, st.integers(1, 120_000), mosts, seconds)
@settings(max_examples=100)
def test_a_parcel_of_several_jobs_holds_no_more_than_its_seconds_of_work(
    backlog: int, ceiling: int, job_ms: int, most: int, parcel_s: float
) -> None:
    length = parcel_length(backlog, ceiling, job_ms, most=most, parcel_s=parcel_s)

    assert length == 1 or length * job_ms <= parcel_s * 1000


@given(backlogs, ceilings, speeds, mosts, seconds)
@settings(max_examples=100)
def test_every_slot_could_take_such_a_parcel_twice(
    backlog: int, ceiling: int, job_ms: int | None, most: int, parcel_s: float
) -> None:
    length = parcel_length(backlog, ceiling, job_ms, most=most, parcel_s=parcel_s)

    assert length * ceiling * 2 <= backlog or length == min(QUICK_JOBS, jobs_a_bell(job_ms, most))


def test_a_shallow_backlog_is_served_one_by_one_and_a_deep_one_in_runs() -> None:
    lengths = [
        parcel_length(backlog, 4, 100, most=16, parcel_s=5.0) for backlog in (1, 8, 16, 64, 128, 2_000)
    ]

    assert lengths == [1, 1, 2, 8, 16, 16]


def test_slow_jobs_make_short_parcels() -> None:
    assert parcel_length(2_000, 4, 1_000, most=16, parcel_s=5.0) == 5
    assert parcel_length(2_000, 4, 60_000, most=16, parcel_s=5.0) == 1


def test_while_nobody_knows_how_long_a_job_takes_a_slot_has_one() -> None:
    assert parcel_length(100_000, 64, None, most=16, parcel_s=1.0) == 1


def test_a_slot_takes_two_quick_jobs_however_few_there_are() -> None:
    lengths = [parcel_length(4, 64, job_ms, most=16, parcel_s=5.0) for job_ms in (0, 1, 5, 20, 40, 200, None)]

    assert lengths == [2, 2, 2, 2, 1, 1, 1]
