"""What a job is decided within: the policy as its tier sees it, the candidates laid out under it, the policy's rules.

A policy without tiers has one frame for all jobs. Everything here depends on policy and catalog alone, so it is
worked out once for many jobs, and stays as loads move.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from router_worker.engine.candidates import Seat, lay_out
from router_worker.engine.constraints import Screen, screens
from router_worker.engine.rules import TIER_NAMED, Ban, bans, both, known, tier_of, within
from router_worker.engine.scoring import Weighing
from schemas.catalog import Catalog
from schemas.decision import Refusal
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy, Tier


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
    catalog: Catalog
    asked: dict[tuple[str, str], Frame] = field(default_factory=dict)
    """By the tier that a document is in, and the one that was named: made when it is first wanted, and then kept."""

    def of(self, features: JobFeatures) -> tuple[Frame, Iterable[tuple[int, Refusal]]]:
        """The job's frame, and whom the policy forbids for it: bits of seats, each with its refusal."""
        if not self.bans and not self.tiers and not features.asked_tier:
            return self.outside, ()
        job = known(features)
        tier = tier_of(self.outside.policy, job)
        frame = self.tiers[tier.tier] if tier is not None and not isinstance(tier, Refusal) else self.outside
        everybody = (1 << len(frame.seats)) - 1
        asked = self._asked(features.asked_tier, tier) if features.asked_tier else frame
        found = [each for ban in self.bans for each in ban.refusals(job, everybody)]
        if isinstance(tier, Refusal):
            found.append((everybody, tier))
        if asked is None:
            sentence = f"Tier {features.asked_tier!r} was asked for, and the policy has none of that name."
            found.append((everybody, Refusal(TIER_NAMED, sentence)))
        return asked or frame, found

    def _asked(self, name: str, tier: Tier | Refusal | None) -> Frame | None:
        """The frame of a document in this tier for which another one was named; None where there is none such."""
        named = next((each for each in self.outside.policy.tiers if each.tier == name), None)
        if named is None:
            return None
        own = tier if isinstance(tier, Tier) else None
        pair = (own.tier if own else "", name)
        if pair not in self.asked:
            self.asked[pair] = _asked_frame(self.outside.policy, self.catalog, own, named)
        return self.asked[pair]


def frames(policy: RoutingPolicy, catalog: Catalog) -> Frames:
    outside = _frame(policy, catalog)
    return Frames(
        outside=outside,
        tiers={tier.tier: _frame(within(policy, tier), catalog, tier.tier) for tier in policy.tiers},
        bans=bans(policy, outside.seats),
        catalog=catalog,
    )


def _frame(policy: RoutingPolicy, catalog: Catalog, tier: str = "") -> Frame:
    seats = lay_out(catalog, policy, tier=tier)
    note = f" Tier {tier!r} applies." if tier else ""
    return Frame(policy, seats, screens(seats), Weighing(policy), note)


def _asked_frame(policy: RoutingPolicy, catalog: Catalog, own: Tier | None, named: Tier) -> Frame:
    """Who may serve is who both tiers use; the rest is as the named one has it, within the document's own."""
    frame = _frame(both(policy, own, named), catalog, named.tier)
    note = f" Tier {named.tier!r} was asked for."
    if own is None or own == named:
        return replace(frame, note=note)
    outer = lay_out(catalog, within(policy, own), tier=own.tier)
    seats = tuple(_narrowed(seat, one) for seat, one in zip(frame.seats, outer, strict=True))
    return replace(frame, seats=seats, screens=screens(seats), note=f" Tier {own.tier!r} applies.{note}")


def _narrowed(seat: Seat, other: Seat) -> Seat:
    """With what stands against it in either tier, each rule told once."""
    told = {refusal.rule for refusal in seat.standing}
    more = tuple(refusal for refusal in other.standing if refusal.rule not in told)
    return replace(seat, standing=(*seat.standing, *more))
