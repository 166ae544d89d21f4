"""Scores in millionths, on the scales that the policy fixes. Never min-max over the candidates that are present.

Only + - * / of IEEE doubles and integers, in a fixed order: the same bytes on every machine. Each step is monotone, so
a figure that gets worse never raises a score.
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.decision import Estimate, Score
from schemas.policy import RoutingPolicy, Scale

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


def score(estimate: Estimate, policy: RoutingPolicy, weight: Shares) -> Score:
    scales = policy.scales
    cost = _millionths(scales.cost_usd_micros, estimate.cost_usd_micros)
    latency = _millionths(scales.latency_ms, estimate.latency_ms)
    quality = _millionths(scales.quality, estimate.quality)
    load = _millionths(scales.delay_ms, estimate.delay_ms)
    total = cost * weight.cost + latency * weight.latency + quality * weight.quality + load * weight.load
    return Score(min(ONE, int(total + 0.5)), cost, latency, quality, load)


def _millionths(scale: Scale, raw: float) -> int:
    return int(scale.place(min(raw, _EXACT)) * ONE + 0.5)
