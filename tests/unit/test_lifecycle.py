"""The life of a job is one table: walked here edge by edge, and everything made from it agrees with it."""

from __future__ import annotations

import re
from itertools import product

import pytest

from runtime.db.guards import INSTALL, STATES
from runtime.db.tables.jobs import OPEN, WAITING
from schemas.errors import IllegalTransition
from schemas.lifecycle import EDGES, FINAL, INITIAL, JobState, drawing, require_edge

ALL_PAIRS = list(product(JobState, JobState))


@pytest.mark.parametrize(("before", "after"), ALL_PAIRS, ids=lambda state: state.value)
def test_an_edge_is_allowed_exactly_where_the_table_has_it(before: JobState, after: JobState) -> None:
    if after in EDGES[before]:
        require_edge(before, after)
        return

    with pytest.raises(IllegalTransition, match=f"from '{before.value}' to '{after.value}'"):
        require_edge(before, after)


def test_every_state_is_in_the_table() -> None:
    assert set(EDGES) == set(JobState)


def test_the_final_states_are_those_without_a_way_out() -> None:
    assert {state.name for state in FINAL} == {"SUCCEEDED", "REFUSED", "FAILED", "EXPIRED", "CANCELLED"}


def test_every_state_can_be_reached_from_the_first_one() -> None:
    reached = {INITIAL}
    for _ in JobState:
        reached |= {after for state in reached for after in EDGES[state]}

    assert reached == set(JobState)


@pytest.mark.parametrize("state", [state for state in JobState if state not in FINAL])
def test_from_every_open_state_a_job_can_expire_and_be_cancelled(state: JobState) -> None:
    assert {JobState.EXPIRED, JobState.CANCELLED} <= EDGES[state]


def test_only_a_job_that_is_bound_served_or_reviewed_can_succeed() -> None:
    """A bound one by the answer of an earlier rung of its ladder."""
    before_success = {state for state in JobState if JobState.SUCCEEDED in EDGES[state]}

    assert before_success == {JobState.ROUTED, JobState.SERVING, JobState.IN_REVIEW}


def test_the_drawing_shows_every_edge_once_and_nothing_else() -> None:
    arrows = re.findall(r"^    (\S+) --> (\S+)$", drawing(), re.MULTILINE)

    edges = {(a.name, b.name) for a, b in ALL_PAIRS if b in EDGES[a]}
    ends = {(state.name, "[*]") for state in FINAL}
    assert set(arrows) == edges | ends | {("[*]", INITIAL.name)}
    assert len(arrows) == len(set(arrows))
    assert drawing().startswith("stateDiagram-v2\n")


def test_the_database_guard_holds_the_same_edges() -> None:
    found = set(re.findall(r"'([a-z_]+)>([a-z_]+)'", INSTALL))

    assert found == {(a.value, b.value) for a, b in ALL_PAIRS if b in EDGES[a]}


def test_the_database_guard_knows_the_same_states_and_the_same_final_ones() -> None:
    frozen = re.search(r"old\.state in \(([^)]*)\)", INSTALL)

    assert frozen is not None
    assert _names(frozen[1]) == {state.value for state in FINAL}
    assert _names(STATES) == {state.value for state in JobState}


def test_the_indexes_know_the_same_open_and_waiting_states() -> None:
    assert _names(OPEN) == {state.value for state in JobState if state not in FINAL}
    assert _names(WAITING) == {JobState.ACCEPTED.value, JobState.HELD.value}


def _names(sql: str) -> set[str]:
    return set(re.findall(r"'([a-z_]+)'", sql))
