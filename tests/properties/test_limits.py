"""Requests and tokens a minute: the laws of the two buckets."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.limits import Bucket, draw

FULL = None
asks = st.lists(
    st.tuples(st.floats(0, 30, allow_nan=False), st.lists(st.integers(0, 5_000), max_size=12)),
    min_size=1,
    max_size=60,
)
"""Seconds since the draw before, and the jobs that want to go."""


def _granted(requests: int | None, tokens: int | None, asked: list) -> list[tuple[float, int, int, int]]:
    """(time, jobs, tokens, largest) of every draw."""
    left = (Bucket(requests, 0.0), Bucket(tokens, 0.0))
    elapsed: float | None = FULL
    times = list(accumulate(pause for pause, _ in asked))
    found = []
    for at, (pause, sizes) in zip(times, asked, strict=True):
        step = None if elapsed is FULL else pause
        drawn = draw(left[0].refilled(step), left[1].refilled(step), sizes)
        left, elapsed = (drawn.requests, drawn.tokens), pause
        went = sizes[: drawn.jobs]
        found.append((at, drawn.jobs, sum(went), max(went, default=0)))
    return found


@given(st.integers(20, 5_000), asks)
@settings(max_examples=150)
def test_in_no_minute_more_requests_go_than_the_limit(limit: int, asked: list) -> None:
    found = _granted(limit, None, asked)

    for start, *_ in found:
        assert sum(jobs for at, jobs, *_ in found if start <= at < start + 60) <= limit


@given(st.integers(2_000, 500_000), asks)
@settings(max_examples=150)
def test_in_no_minute_more_tokens_go_than_the_limit_but_for_one_job(limit: int, asked: list) -> None:
    """A job larger than a whole bucket goes when the bucket is full, and its debt is paid before the next."""
    found = _granted(None, limit, asked)

    for start, *_ in found:
        minute = [row for row in found if start <= row[0] < start + 60]
        assert sum(tokens for _, _, tokens, _ in minute) <= limit + max(row[3] for row in minute)


@given(st.lists(st.integers(0, 10**9), max_size=30))
def test_without_a_limit_everything_goes(sizes: list[int]) -> None:
    assert draw(Bucket(None, 0.0), Bucket(None, 0.0), sizes).jobs == len(sizes)


@given(st.integers(1, 10**6), st.integers(0, 10**9))
def test_no_job_is_too_large_for_ever(limit: int, size: int) -> None:
    full = Bucket(limit, 0.0).refilled(None)

    assert draw(Bucket(None, 0.0), full, [size]).jobs == 1


def test_steady_work_flows_at_nearly_the_limit() -> None:
    """600 a minute, asked for every second over ten minutes: 95 % of it, and the burst."""
    found = _granted(600, None, [(1.0, [1] * 50)] * 600)

    assert 0.94 * 6_000 <= sum(jobs for _, jobs, *_ in found) <= 6_000
