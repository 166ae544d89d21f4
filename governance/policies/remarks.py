"""A remark of lint on a policy, and how it tells which documents it means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.decision import Decision
from schemas.features import JobFeatures
from schemas.sensitivity import Quality

Place = tuple[str | int, ...]

Tried = Sequence[tuple[JobFeatures, Decision]]
"""Representative documents, with what the policy decides of each while every provider is idle."""


class Remark(NamedTuple):
    code: str
    """A stable word: `never_fires`, `no_candidate`, …"""
    place: Place
    """Keys and indexes that lead to what is meant, as in the file; empty: the policy as a whole."""
    sentence: str


def told(found: Sequence[JobFeatures]) -> str:
    """Which residencies, qualities and sizes they have among them."""
    residencies = dict.fromkeys("+".join(job.residency) or "any" for job in found)
    qualities = [quality.value for quality in Quality if any(job.quality is quality for job in found)]
    sizes = (f"{tokens:,}" for tokens in sorted({job.tokens for job in found}))
    return f"residency {'/'.join(residencies)}, quality {'/'.join(qualities)}, {'/'.join(sizes)} tokens"
