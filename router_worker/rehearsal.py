"""The providers' queues as they would fill and empty while a submission is served. Pure; `quote` plays it through.

A job is taken for as long as the engine estimates, and slots for always busy while something waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from router_worker.engine.candidates import ask
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
    job_ms: int
    """What a job takes there that is waiting already."""
    waiting: deque[tuple[int, int]] = field(default_factory=deque)
    """Milliseconds and tokens of each job."""
    tokens: int = 0
    """Of all that wait."""

    @classmethod
    def of(cls, load: ProviderLoad, provider: CatalogProvider) -> Line:
        line = cls(load, load.job_ms_p50 or _typical_ms(provider))
        for _ in range(load.waiting_jobs):
            line.takes(line.job_ms, load.waiting_tokens // load.waiting_jobs)
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
        return -(-self.waiting[0][0] // self.slots)

    @property
    def assigned(self) -> Assigned:
        """Against the load of the snapshot; negative where more was done than came."""
        return Assigned(len(self.waiting) - self.load.waiting_jobs, self.tokens - self.load.waiting_tokens)

    def takes(self, ms: int, tokens: int) -> None:
        self.waiting.append((max(1, ms), tokens))
        self.tokens += tokens

    def passes(self, ms: int) -> bool:
        """Whether a job was done in that time."""
        left, before = ms * self.slots, len(self.waiting)
        while self.waiting and left >= self.waiting[0][0]:
            done_ms, tokens = self.waiting.popleft()
            left, self.tokens = left - done_ms, self.tokens - tokens
        if self.waiting and left:
            first_ms, tokens = self.waiting[0]
            self.waiting[0] = (first_ms - left, tokens)
        return len(self.waiting) < before

    def done_ms(self, work_ms: int) -> int:
        """When so much work is done, after what is there already."""
        there_ms = (self.load.waiting_jobs + self.load.in_flight) * self.job_ms
        return -(-(there_ms + work_ms) // self.slots)


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
            self.lines[decision.chosen.provider].takes(expected.latency_ms, features.tokens)
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
