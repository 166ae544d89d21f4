"""The checker finds every fault that is put into a good history, and none in a good one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.lifecycle import EDGES, FINAL, INITIAL
from tests.faults.history import Event, JobHistory, Verdict, check, recoveries_s

SERVED = ("accepted", "routed", "serving", "succeeded")
TAKEN_BACK = ("accepted", "routed", "serving", "routed", "serving", "succeeded")


def history(name: str, *states: str, calls: int = 1) -> JobHistory:
    """A good one, that went through these states; every claim raises the token."""
    events: list[Event] = []
    token = 0
    for number, state in enumerate(states):
        before = states[number - 1] if number else None
        token += state == "serving" and before != "serving"
        reason = "worker_lost" if before == "serving" and state in ("routed", "failed") else ""
        events.append(Event(number + 1, before, state, token, float(number), reason))
    results = (token,) if states[-1] == "succeeded" else ()
    return JobHistory(
        name, states[-1], len(states), token, tuple(events), results, {f"{name}-1": calls} if calls else {}
    )


@st.composite
def good(draw: st.DrawFn) -> JobHistory:
    """A walk along the edges of the lifecycle, to a final state."""
    states = [INITIAL]
    while states[-1] not in FINAL:
        following = sorted(EDGES[states[-1]])
        ending = [state for state in following if state in FINAL]
        states.append(draw(st.sampled_from(ending if len(states) > 8 and ending else following)))
    name = draw(st.uuids()).hex
    return history(name, *(state.value for state in states), calls=draw(st.integers(1, 3)))


def test_a_kept_promise_is_seen_as_kept() -> None:
    verdict = check(["a", "b"], [history("a", *SERVED), history("b", *TAKEN_BACK, calls=2)])

    assert verdict.is_kept and verdict.told() == "kept"
    assert (verdict.jobs, verdict.completed, verdict.calls, verdict.repeated_calls) == (2, 2, 3, 1)
    assert verdict.states == {"succeeded": 2}


@given(st.lists(good(), max_size=8, unique_by=lambda one: one.id))
def test_any_walk_along_the_lifecycle_is_a_kept_promise(histories: list[JobHistory]) -> None:
    assert check([one.id for one in histories], histories).told() == "kept"


def _second_result(one: JobHistory) -> JobHistory:
    return replace(one, results=(*one.results, one.token))


def _older_result(one: JobHistory) -> JobHistory:
    return replace(one, results=(one.token - 1,))


def _no_result(one: JobHistory) -> JobHistory:
    return replace(one, results=())


def _left_open(one: JobHistory) -> JobHistory:
    return replace(one, state="routed", version=2, token=0, events=one.events[:2], results=())


def _gap(one: JobHistory) -> JobHistory:
    return replace(one, events=(*one.events[:2], *one.events[3:]))


def _falling_token(one: JobHistory) -> JobHistory:
    return replace(one, token=0, events=(*one.events[:-1], replace(one.events[-1], token=0)), results=(0,))


def _illegal_edge(one: JobHistory) -> JobHistory:
    return replace(one, events=(*one.events[:1], replace(one.events[1], to="succeeded"), *one.events[2:]))


def _never_called(one: JobHistory) -> JobHistory:
    return replace(one, calls={})


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_second_result, "double_results"),
        (_older_result, "stale_commits"),
        (_no_result, "missing_results"),
        (_left_open, "lost"),
        (_gap, "unaudited_transitions"),
        (_falling_token, "stale_commits"),
        (_illegal_edge, "unaudited_transitions"),
        (_never_called, "uncalled"),
    ],
)
@pytest.mark.parametrize("path", [SERVED, TAKEN_BACK])
def test_one_fault_among_many_jobs_is_found(
    spoil: Callable[[JobHistory], JobHistory], named: str, path: tuple[str, ...]
) -> None:
    among = [history(str(number), *SERVED) for number in range(20)]

    verdict = check(["x", *(one.id for one in among)], [*among, spoil(history("x", *path))])

    assert _named(verdict, named) == ("x",) and not verdict.is_kept
    assert named in verdict.told()


def test_a_job_without_a_row_is_lost() -> None:
    verdict = check(["a", "gone"], [history("a", *SERVED)])

    assert verdict.lost == ("gone",) and verdict.completed == 1


def test_a_job_that_brought_three_workers_down_is_counted_and_not_lost() -> None:
    path = ("accepted", "routed", *("serving", "routed") * 2, "serving", "failed")

    verdict = check(["a"], [history("a", *path)])

    assert verdict.is_kept and verdict.worker_lost == 1


def test_recovery_is_from_the_first_blow_after_the_claim_to_the_next_claim() -> None:
    taken_back = history("a", *TAKEN_BACK)  # claimed at 2, taken back at 3, claimed at 4

    assert recoveries_s([taken_back], [1.0, 2.5, 2.9]) == [1.5]
    assert recoveries_s([taken_back], []) == [2.0], "not known which blow it was: from the claim"
    assert recoveries_s([history("b", *SERVED)], [2.5]) == []


def _named(verdict: Verdict, name: str) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(verdict, name)
    return found
