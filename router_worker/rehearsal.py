"""The providers' queues as they would fill and empty while a submission is served. Pure; `quote` plays it through.

A job is taken for as long as the engine estimates, and slots for always busy while something waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from router_worker.engine.candidates import ONE, ask
from router_worker.engine.decide import prepare
from router_worker.engine.estimates import expected_output
from router_worker.observe import TYPICAL_INPUT_TOKENS, TYPICAL_OUTPUT_TOKENS
from router_worker.spending import Purse, told
from schemas.budget import Account
from schemas.catalog import CatalogProvider
from schemas.decision import Decision, Outcome
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy
from schemas.snapshot import Assigned, ProviderLoad, ProviderSnapshot, ProviderStatus


@dataclass(slots=True)
class Line:
    """The work that waits at one provider; its slots take it from the front, all at one job together."""

    load: ProviderLoad
    pace: int
    """In millionths of what the catalog expects."""
    waiting: deque[tuple[int, int]] = field(default_factory=deque)
    """Milliseconds of each job, at the catalog's own speed, and its tokens."""
    tokens: int = 0
    """Of all that wait."""
    work_ms: int = 0
    """Likewise."""
    there_ms: int = 0
    """What was bound or in flight when the snapshot was taken, at today's pace, one after another."""

    @classmethod
    def of(cls, load: ProviderLoad, provider: CatalogProvider) -> Line:
        line = cls(load, load.pace_millionths or ONE)
        job_ms = load.job_ms_p50 or _typical_ms(provider)
        for _ in range(load.waiting_jobs):
            work_ms = load.waiting_work_ms // load.waiting_jobs or job_ms * ONE // line.pace
            line.takes(work_ms, load.waiting_tokens // load.waiting_jobs)
        in_flight_ms = load.in_flight_work_ms * line.pace // (2 * ONE) or load.in_flight * job_ms
        line.there_ms = line.work_ms * line.pace // ONE + in_flight_ms
        return line

    @property
    def slots(self) -> int:
        return max(1, self.load.slots)

    @property
    def is_moving(self) -> bool:
        return bool(self.waiting) and self.load.status is ProviderStatus.READY

    @property
    def next_ms(self) -> int:
        """Until the first is done."""
        return max(1, -(-self.waiting[0][0] * self.pace // (ONE * self.slots)))

    @property
    def assigned(self) -> Assigned:
        """Against the load of the snapshot; negative where more was done than came."""
        sized = self.load.job_ms_p50 is None or self.load.pace_millionths or self.load.waiting_work_ms
        return Assigned(
            len(self.waiting) - self.load.waiting_jobs,
            self.tokens - self.load.waiting_tokens,
            self.work_ms - self.load.waiting_work_ms if sized else 0,
        )

    def takes(self, work_ms: int, tokens: int) -> None:
        self.waiting.append((max(1, work_ms), tokens))
        self.tokens += tokens
        self.work_ms += max(1, work_ms)

    def passes(self, ms: int) -> bool:
        """Whether a job was done in that time."""
        left, before = ms * self.slots * ONE // self.pace, len(self.waiting)
        while self.waiting and left >= self.waiting[0][0]:
            done_ms, tokens = self.waiting.popleft()
            left, self.tokens, self.work_ms = left - done_ms, self.tokens - tokens, self.work_ms - done_ms
        if self.waiting and left:
            first_ms, tokens = self.waiting[0]
            self.waiting[0], self.work_ms = (first_ms - left, tokens), self.work_ms - left
        return len(self.waiting) < before

    def done_ms(self, call_ms: int) -> int:
        """When calls that take so long are done, after what is there already."""
        return -(-(self.there_ms + call_ms) // self.slots)


class Day:
    """The providers' queues as they fill and empty. Time passes only where something waits for room."""

    def __init__(
        self, policy: RoutingPolicy, snapshot: ProviderSnapshot, accounts: Iterable[Account] = ()
    ) -> None:
        """`accounts` are the budgets over the submission; each document takes what it is expected to cost."""
        self.policy, self._snapshot = policy, snapshot
        self._purse = Purse(tuple(accounts))
        self._prepared = prepare(policy, snapshot)
        self._providers = {provider.name: provider for provider in snapshot.catalog.providers}
        self.lines = {load.provider: Line.of(load, self._providers[load.provider]) for load in snapshot.loads}
        self._now_ms = 0

    def decided(self, features: JobFeatures) -> Decision:
        """On the load of this moment; bound where it is routed."""
        decision = self._prepared.decide(self.at_this_moment(features))
        if decision.chosen is not None:
            first = decision.chosen_candidate
            expected = first.estimate if first else None
            assert expected is not None
            self._purse.take("", expected.cost_usd_micros)
            provider, model = decision.chosen.provider, decision.chosen.model
            work_ms = self._prepared.work_ms(features, provider, model)
            self.lines[provider].takes(work_ms, features.tokens)
            self._move()
        return decision

    def at_this_moment(self, features: JobFeatures) -> JobFeatures:
        tightest = self._purse.tightest("")
        if tightest is not None:
            features = replace(features, budget_left_usd_micros=tightest[1], budget=told(tightest[0]))
        left = features.time_left_ms
        return features if left is None else replace(features, time_left_ms=left - self._now_ms)

    def room_at(self, providers: Iterable[str]) -> frozenset[str]:
        """Lets time pass until one of them has done a job; those that have. Empty where none ever will."""
        moving = {name: line for name, line in self.lines.items() if line.is_moving}
        wanted = [moving[name].next_ms for name in providers if name in moving]
        if not wanted:
            return frozenset()
        self._now_ms += min(wanted)
        freed = frozenset(name for name, line in moving.items() if line.passes(min(wanted)))
        self._move()
        return freed

    def tokens(self, decision: Decision, features: JobFeatures) -> tuple[int, int]:
        """Into the chosen model and expected out of it, in its own tokens."""
        assert decision.chosen is not None
        model = self._providers[decision.chosen.provider].model(decision.chosen.model)
        assert model is not None
        asked = ask(features, self.policy)
        return asked.tokens_into(model), expected_output(asked, model)

    def _move(self) -> None:
        assigned = {name: line.assigned for name, line in self.lines.items()}
        self._prepared = self._prepared.moved_to(self._snapshot.plus(assigned))


class Waiting:
    """Documents that found every queue full, by class: the providers that may serve them. First come, first bound."""

    def __init__(self) -> None:
        self._classes: dict[frozenset[str], deque[tuple[int, JobFeatures]]] = {}
        """Each document with its place in the submission."""

    def add(self, decision: Decision, number: int, features: JobFeatures) -> None:
        providers = frozenset(pair.partition("/")[0] for pair in decision.allowed)
        self._classes.setdefault(providers, deque()).append((number, features))

    def providers(self) -> frozenset[str]:
        """All that something waits for."""
        return frozenset().union(*self._classes)

    def bound(self, day: Day, freed: frozenset[str]) -> Iterator[tuple[JobFeatures, Decision]]:
        """What these providers' new room decides; a class stops at its first document that must wait on."""
        open_to = [providers for providers in self._classes if providers & freed]
        for providers in sorted(open_to, key=lambda each: self._classes[each][0][0]):
            line = self._classes[providers]
            while line and (decision := day.decided(line[0][1])).outcome is not Outcome.WAITING:
                yield line.popleft()[1], decision
            if not line:
                del self._classes[providers]

    def rest(self) -> Iterator[JobFeatures]:
        return (features for line in self._classes.values() for _, features in line)


def _typical_ms(provider: CatalogProvider) -> int:
    """For a provider with work and without observations."""
    return min(
        max(1, model.latency.expected_ms(TYPICAL_INPUT_TOKENS, TYPICAL_OUTPUT_TOKENS))
        for model in provider.models
    )
