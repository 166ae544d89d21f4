"""Scores in millionths, on the scales that the policy fixes. Never min-max over the candidates that are present.

What the time of a slot is worth to other work is weighed as cost, which it is to them.

Only + - * / of IEEE doubles and integers, in a fixed order: the same bytes on every machine. Each step is monotone, so
a figure that gets worse never raises a score.
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.decision import Estimate, Score
from schemas.policy import RoutingPolicy

ONE = 1_000_000
_EXACT = 2**53
"""The largest range of integers that a double holds exactly; a larger figure is beyond every scale's worst."""


class Shares(NamedTuple):
    """The policy's weights, brought to a sum of 1."""

    cost: float
    latency: float
    quality: float
    load: float


def shares(policy: RoutingPolicy) -> Shares:
    weights = policy.weights
    parts = (weights.cost, weights.latency, weights.quality, weights.load)
    largest = max(parts)
    cost, latency, quality, load = (part / largest for part in parts)
    total = cost + latency + quality + load
    return Shares(cost / total, latency / total, quality / total, load / total)


class Weighing:
    """A policy's weights and scales, ready to be used on many candidates."""

    __slots__ = ("_scales", "_share")

    def __init__(self, policy: RoutingPolicy) -> None:
        scales = policy.scales
        self._share = shares(policy)
        self._scales = tuple(
            (scale.worst, scale.worst - scale.best)
            for scale in (scales.cost_usd_micros, scales.latency_ms, scales.quality, scales.delay_ms)
        )

    def score(self, estimate: Estimate) -> Score:
        (cost_at, cost_span), (ms_at, ms_span), (quality_at, quality_span), (delay_at, delay_span) = (
            self._scales
        )
        by_cost, by_latency, by_quality, by_load = self._share
        cost = _millionths(cost_at, cost_span, estimate.cost_usd_micros + estimate.shadow_usd_micros)
        latency = _millionths(ms_at, ms_span, estimate.latency_ms)
        quality = _millionths(quality_at, quality_span, estimate.quality)
        load = _millionths(delay_at, delay_span, estimate.delay_ms)
        total = cost * by_cost + latency * by_latency + quality * by_quality + load * by_load
        return Score(min(ONE, int(total + 0.5)), cost, latency, quality, load)


def _millionths(worst: float, span: float, raw: float) -> int:
    """As `Scale.place` has it, in millionths."""
    share = (worst - min(raw, _EXACT)) / span
    if share <= 0.0:
        return 0
    return ONE if share >= 1.0 else int(share * ONE + 0.5)
