"""The decision itself. Called by the router for each job, by `replay` for each recorded one, by `quote` and `explain`.

`decide(features, policy, snapshot)` is all there is. `prepare` works out what does not depend on the job, for a chunk
of jobs; between two jobs of a chunk only loads move, and `Prepared.moved_to` works out no more than those.
All three ways give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from router_worker.engine.candidates import Ask, Place, Seat, ask, lay_out, place
from router_worker.engine.constraints import is_late, refusals_of, too_late
from router_worker.engine.estimates import estimate
from router_worker.engine.plan import lay_plan
from router_worker.engine.reasons import why
from router_worker.engine.scoring import Shares, score, shares
from schemas.canonical import digest
from schemas.catalog import Catalog
from schemas.decision import Candidate, Decision, Step
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy
from schemas.snapshot import ProviderSnapshot


def decide(features: JobFeatures, policy: RoutingPolicy, snapshot: ProviderSnapshot) -> Decision:
    """Who serves the job, who may instead, and why nobody else. Same values, same bytes."""
    return prepare(policy, snapshot).decide(features)


def route_class(decision: Decision) -> str:
    """A short name for the set of allowed candidates, 16 hex digits: jobs with the same one may be served alike."""
    return digest(decision.allowed).removeprefix("sha256:")[:16]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Policy and snapshot with everything worked out that does not depend on the job."""

    policy: RoutingPolicy
    catalog: Catalog
    seats: tuple[Seat, ...]
    places: dict[str, Place]
    """By provider name; never changed."""
    weight: Shares
    policy_digest: str
    snapshot_digest: str

    def moved_to(self, snapshot: ProviderSnapshot) -> Prepared:
        """The same policy at another snapshot. Cheap where the catalog is the same object."""
        if snapshot.catalog is not self.catalog:
            return prepare(self.policy, snapshot)
        return replace(self, places=_places(snapshot), snapshot_digest=digest(snapshot.facts()))

    def decide(self, features: JobFeatures) -> Decision:
        asked = ask(features, self.policy)
        judged = [self._judged(asked, seat) for seat in self.seats]
        able, aside = _parted(judged, features.time_left_ms)
        ranked = self._ranked(able)
        allowed = tuple(f"{each.provider}/{each.model}" for each in judged if not each.refusals)
        outcome = why(asked, self.seats, judged, ranked)
        return Decision(
            outcome=outcome.outcome,
            reason_code=outcome.code,
            reason=outcome.sentence,
            candidates=(*ranked, *aside),
            plan=self._plan(ranked, features),
            allowed=allowed,
            features_digest=digest(features),
            policy_digest=self.policy_digest,
            snapshot_digest=self.snapshot_digest,
        )

    def _judged(self, asked: Ask, seat: Seat) -> Candidate:
        """The candidate with every lasting refusal; without any, with its estimate, and why not now."""
        at, price = self.places[seat.provider.name], seat.model.price
        refusals = refusals_of(asked, seat, at)
        if refusals or price is None:
            return Candidate(seat.provider.name, seat.model.name, None, refusals)
        expected = estimate(asked, seat, at, price)
        return Candidate(seat.provider.name, seat.model.name, None, (), at.unavailable, expected)

    def _ranked(self, able: Sequence[Candidate]) -> list[Candidate]:
        """Best total first; equal totals by name."""
        scored = [
            (score(each.estimate, self.policy, self.weight), each)
            for each in able
            if each.estimate is not None
        ]
        scored.sort(key=lambda pair: (-pair[0].total, pair[1].provider, pair[1].model))
        return [
            Candidate(each.provider, each.model, rank, (), None, each.estimate, points)
            for rank, (points, each) in enumerate(scored, start=1)
        ]

    def _plan(self, ranked: Sequence[Candidate], features: JobFeatures) -> tuple[Step, ...]:
        steps, ceiling = self.policy.plan.max_steps, features.max_cost_usd_micros
        return lay_plan(ranked, max_steps=steps, ceiling_usd_micros=ceiling)


def prepare(policy: RoutingPolicy, snapshot: ProviderSnapshot) -> Prepared:
    return Prepared(
        policy=policy,
        catalog=snapshot.catalog,
        seats=lay_out(snapshot.catalog, policy),
        places=_places(snapshot),
        weight=shares(policy),
        policy_digest=digest(policy),
        snapshot_digest=digest(snapshot.facts()),
    )


def _places(snapshot: ProviderSnapshot) -> dict[str, Place]:
    loads = {load.provider: load for load in snapshot.loads}
    names = (provider.name for provider in snapshot.catalog.providers)
    return {name: place(name, loads.get(name)) for name in names}


def _parted(judged: Sequence[Candidate], time_left_ms: int | None) -> tuple[list[Candidate], list[Candidate]]:
    """Those that can be ranked, and the others by name. Late ones step aside while one that is in time is left."""
    able = [each for each in judged if each.estimate is not None and each.unavailable is None]
    in_time = [
        each for each in able if each.estimate is not None and not is_late(each.estimate, time_left_ms)
    ]
    if in_time:
        able = in_time
    kept = {id(each) for each in able}
    return able, [_aside(each, time_left_ms) for each in judged if id(each) not in kept]


def _aside(candidate: Candidate, time_left_ms: int | None) -> Candidate:
    if candidate.refusals or candidate.unavailable or candidate.estimate is None:
        return candidate
    return replace(candidate, unavailable=too_late(candidate.estimate, time_left_ms))
