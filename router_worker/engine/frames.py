"""What a job is decided within: the policy as its tier sees it, the candidates laid out under it, the policy's rules.

A policy without tiers has one frame for all jobs. Everything here depends on policy and catalog alone, so it is
worked out once for many jobs, and stays as loads move.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from router_worker.engine.candidates import Seat, lay_out
from router_worker.engine.constraints import Screen, screens
from router_worker.engine.rules import Ban, bans, known, tier_of, within
from router_worker.engine.scoring import Weighing
from schemas.catalog import Catalog
from schemas.decision import Refusal
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy


@dataclass(frozen=True, slots=True)
class Frame:
    policy: RoutingPolicy
    """With what the tier sets in place of the policy's own."""
    seats: tuple[Seat, ...]
    screens: tuple[Screen, ...]
    weighing: Weighing
    note: str = ""
    """Added to a decision's reason: which tier applies."""


@dataclass(frozen=True, slots=True)
class Frames:
    outside: Frame
    """For jobs in no tier."""
    tiers: dict[str, Frame]
    bans: tuple[Ban, ...]

    def of(self, features: JobFeatures) -> tuple[Frame, Iterable[tuple[int, Refusal]]]:
        """The job's frame, and whom the policy forbids for it: bits of seats, each with its refusal."""
        if not self.bans and not self.tiers:
            return self.outside, ()
        job = known(features)
        tier = tier_of(self.outside.policy, job)
        frame = self.tiers[tier.tier] if tier is not None and not isinstance(tier, Refusal) else self.outside
        everybody = (1 << len(frame.seats)) - 1
        found = [each for ban in self.bans for each in ban.refusals(job, everybody)]
        if isinstance(tier, Refusal):
            found.append((everybody, tier))
        return frame, found


def frames(policy: RoutingPolicy, catalog: Catalog) -> Frames:
    outside = _frame(policy, catalog)
    return Frames(
        outside=outside,
        tiers={tier.tier: _frame(within(policy, tier), catalog, tier.tier) for tier in policy.tiers},
        bans=bans(policy, outside.seats),
    )


def _frame(policy: RoutingPolicy, catalog: Catalog, tier: str = "") -> Frame:
    seats = lay_out(catalog, policy, tier=tier)
    note = f" Tier {tier!r} applies." if tier else ""
    return Frame(policy, seats, screens(seats), Weighing(policy), note)
