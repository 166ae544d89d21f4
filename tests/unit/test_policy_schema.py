"""The policy's values: scales that place a figure, limits that end, and no number that is none."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.policy import BindLate, PlanLimits, RoutingPolicy, Scale, Weights

_figures = st.floats(-1e9, 1e9)


@given(_figures, _figures, _figures)
@settings(max_examples=100)
def test_a_figure_is_placed_between_0_and_1(best: float, worst: float, raw: float) -> None:
    if best == worst:
        return

    assert 0.0 <= Scale(best=best, worst=worst).place(raw) <= 1.0


@given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.integers(-2000, 2000), st.integers(-2000, 2000))
@settings(max_examples=100)
def test_a_figure_nearer_to_the_best_is_placed_no_lower(best: int, worst: int, a: int, b: int) -> None:
    if best == worst:
        return
    better, other = (max(a, b), min(a, b)) if best > worst else (min(a, b), max(a, b))
    scale = Scale(best=best, worst=worst)

    assert scale.place(better) >= scale.place(other)


def test_a_scale_is_1_at_its_best_and_0_at_its_worst_and_straight_between() -> None:
    scale = Scale(best=0, worst=50_000)

    assert [scale.place(raw) for raw in (-1, 0, 25_000, 50_000, 60_000)] == [1.0, 1.0, 0.5, 0.0, 0.0]


def test_a_scale_may_run_the_other_way() -> None:
    scale = Scale(best=1.0, worst=0.0)

    assert [scale.place(raw) for raw in (1.0, 0.75, 0.0)] == [1.0, 0.75, 0.0]


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Scale, {"best": 1, "worst": 1}),
        (Scale, {"best": math.nan, "worst": 1}),
        (Scale, {"best": 0, "worst": math.inf}),
        (Weights, {"cost": -0.1}),
        (Weights, {"cost": 0, "latency": 0, "quality": 0, "load": 0}),
        (Weights, {"cost": math.inf}),
        (Weights, {"cost": math.nan}),
        (PlanLimits, {"max_steps": 0}),
        (PlanLimits, {"attempts_per_step": 0}),
        (PlanLimits, {"max_plans": 0}),
        (PlanLimits, {"max_attempts": 0}),
        (BindLate, {"seconds": 0}),
        (BindLate, {"max_jobs": 0}),
        (RoutingPolicy, {"policy": "p", "version": 0}),
        (RoutingPolicy, {"policy": "P", "version": 1}),
        (RoutingPolicy, {"policy": "p", "version": 1, "wieghts": {}}),
        (RoutingPolicy, {"policy": "p", "version": 1, "quality_floors": {"high": math.nan}}),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_no_decision_could_be_made_by_is_refused(kind: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        kind(**wrong)


def test_a_policy_needs_only_a_name_and_a_version() -> None:
    policy = RoutingPolicy(policy="mine", version=3)

    assert policy.plan.max_attempts >= policy.plan.max_steps * policy.plan.attempts_per_step
    assert not policy.allow_training
