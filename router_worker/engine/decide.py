"""The decision itself. Called by the router for each job, by `replay` for each recorded one, by `quote` and `explain`.

`decide(features, policy, snapshot)` is all there is. `prepare` works out what does not depend on the job, for a chunk
of jobs; between two jobs of a chunk only loads move, and `Prepared.moved_to` works out no more than those.
All three ways give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from router_worker.engine.candidates import Ask, Place, Seat, ask
from router_worker.engine.constraints import is_late, often_fails, only_named, over_budget, screen, too_late
from router_worker.engine.estimates import estimate, prior_ms
from router_worker.engine.frames import Frame, Frames, frames
from router_worker.engine.ladders import Promises, climb, is_drawn, ladder_for, promises_of
from router_worker.engine.plan import lay_plan
from router_worker.engine.reasons import why
from router_worker.engine.rules import forbid
from router_worker.engine.standings import Standings, digest_of, places, standings
from schemas.canonical import digest
from schemas.catalog import Catalog
from schemas.changing import changed
from schemas.decision import Candidate, Decision, Estimate, Refusal, Step
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy
from schemas.snapshot import ProviderSnapshot


def decide(features: JobFeatures, policy: RoutingPolicy, snapshot: ProviderSnapshot) -> Decision:
    """Who serves the job, who may instead, and why nobody else. Same values, same bytes."""
    return prepare(policy, snapshot).decide(features)


def route_class(decision: Decision) -> str:
    """A short name for the set of allowed candidates, 16 hex digits: jobs with the same one may be served alike."""
    return digest(decision.allowed).removeprefix("sha256:")[:16]


@dataclass(frozen=True)
class Prepared:
    """Policy and snapshot with everything worked out that does not depend on the job."""

    policy: RoutingPolicy
    catalog: Catalog
    frames: Frames
    places: dict[str, Place]
    """By provider name; never changed."""
    standings: Standings
    """What `places` and the digest are made of."""
    policy_digest: str
    snapshot_digest: str
    promises: Promises

    def moved_to(self, snapshot: ProviderSnapshot) -> Prepared:
        """The same policy at another snapshot. Cheap where the catalog is the same object and few loads moved."""
        if snapshot.catalog is not self.catalog:
            return prepare(self.policy, snapshot)
        found = standings(snapshot, self.policy.objective, self.standings)
        return changed(
            self,
            places=places(snapshot, found),
            standings=found,
            snapshot_digest=digest_of(snapshot, found),
            promises=promises_of(snapshot),
        )

    def decide(self, features: JobFeatures) -> Decision:
        frame, forbidden = self.frames.of(features)
        asked = ask(features, frame.policy)
        found: list[list[Refusal]] = [[] for _ in frame.seats]
        if features.asked_model:
            only_named(features.asked_model, frame.seats, found)
        screen(asked, frame.screens, found)
        forbid(forbidden, found)
        judged = [self._judged(asked, frame, index, found[index]) for index in range(len(found))]
        ranked, aside = self._parted(judged, frame, features.time_left_ms)
        ladder, explores, rungs = self._climbed(features, ranked)
        outcome = why(asked, frame.seats, aside, ranked, ladder, rungs)
        return Decision(
            outcome=outcome.outcome,
            reason_code=outcome.code,
            reason=f"{outcome.sentence}{frame.note}",
            candidates=(*ranked, *aside),
            plan=lay_plan(
                ranked,
                max_steps=frame.policy.plan.max_steps,
                ceiling_usd_micros=features.max_cost_usd_micros,
                rungs=rungs,
                classes=frame.policy.fallbacks,
            ),
            allowed=_allowed(judged, frame),
            features_digest=digest(features),
            policy_digest=self.policy_digest,
            snapshot_digest=self.snapshot_digest,
            ladder=ladder,
            explores=explores,
        )

    def _climbed(
        self, features: JobFeatures, ranked: Sequence[Candidate]
    ) -> tuple[str, bool, tuple[Step, ...]]:
        """The ladder that the plan follows, whether it is walked whatever the evidence, and its steps."""
        ladder = ladder_for(features, self.policy) if ranked else None
        if ladder is None:
            return "", False, ()
        drawn, ceiling = is_drawn(features, self.policy), features.max_cost_usd_micros
        rungs = climb(ladder, ranked, self.promises, ceiling_usd_micros=ceiling, explores=drawn)
        if not rungs:
            return "", False, ()
        several = len({(step.provider, step.model) for step in rungs}) > 1
        return ladder.ladder, drawn and several, rungs

    def work_ms(self, features: JobFeatures, provider: str, model: str) -> int:
        """What a call is expected to take there at the catalog's own speed: what the job adds to that queue's work."""
        seat = next(each for each in self.frames.outside.seats if each.name == f"{provider}/{model}")
        return prior_ms(ask(features, self.policy), seat.model)

    def _parted(
        self, judged: Judged, frame: Frame, time_left_ms: int | None
    ) -> tuple[list[Candidate], list[Candidate]]:
        """Those that are ranked, best first, and the others by name. Late ones step aside while one in time is left,
        and after them those that often fail, while one is left that does not."""
        able = {index: each for index, each in enumerate(judged) if isinstance(each, Estimate)}
        in_time = {index for index, each in able.items() if not is_late(each, time_left_ms)} or set(able)
        well = {index for index in in_time if not self._fails(frame.seats[index])} or in_time
        aside = []
        for index, each in enumerate(judged):
            if not isinstance(each, Estimate):
                aside.append(each)
            elif index not in in_time:
                aside.append(_aside(frame, index, each, too_late(each, time_left_ms)))
            elif index not in well:
                aside.append(_aside(frame, index, each, often_fails(frame.seats[index])))
        return _ranked([(index, able[index]) for index in sorted(well)], frame), aside

    def _fails(self, seat: Seat) -> bool:
        return self.places[seat.provider.name].failing

    def _judged(self, asked: Ask, frame: Frame, index: int, found: list[Refusal]) -> Candidate | Estimate:
        """The candidate with every lasting refusal, or with why not now; one that can serve now as its estimate."""
        seat = frame.seats[index]
        at, price = self.places[seat.provider.name], seat.model.price
        if found or price is None or seat.standing or at.refusals:
            refusals = (*seat.standing, *at.refusals, *found)
            return Candidate(seat.provider.name, seat.model.name, None, refusals)
        expected = estimate(asked, seat, at, price)
        not_now = over_budget(asked, expected) or at.not_now(asked.job)
        if not_now is None:
            return expected
        return Candidate(seat.provider.name, seat.model.name, None, (), not_now, expected)


def prepare(policy: RoutingPolicy, snapshot: ProviderSnapshot) -> Prepared:
    found = standings(snapshot, policy.objective)
    return Prepared(
        policy=policy,
        catalog=snapshot.catalog,
        frames=frames(policy, snapshot.catalog),
        places=places(snapshot, found),
        standings=found,
        policy_digest=digest(policy),
        snapshot_digest=digest_of(snapshot, found),
        promises=promises_of(snapshot),
    )


Judged = Sequence[Candidate | Estimate]
"""In the order of the seats; who can serve now stands there as an estimate."""


def _allowed(judged: Judged, frame: Frame) -> tuple[str, ...]:
    return tuple(
        seat.name
        for seat, each in zip(frame.seats, judged, strict=True)
        if isinstance(each, Estimate) or not each.refusals
    )


def _ranked(able: Sequence[tuple[int, Estimate]], frame: Frame) -> list[Candidate]:
    """Best total first; equal totals by name, which is the order of the seats."""
    score = frame.weighing.score
    scored = [(score(expected), index, expected) for index, expected in able]
    scored.sort(key=lambda each: -each[0].total)
    return [
        Candidate(
            frame.seats[index].provider.name, frame.seats[index].model.name, rank, (), None, expected, points
        )
        for rank, (points, index, expected) in enumerate(scored, start=1)
    ]


def _aside(frame: Frame, index: int, expected: Estimate, why: Refusal) -> Candidate:
    seat = frame.seats[index]
    return Candidate(seat.provider.name, seat.model.name, None, (), why, expected)
