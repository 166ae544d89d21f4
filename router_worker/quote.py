"""A quote: what a submission is expected to cost and when it would be done, before anything is sent. Pure.

The documents are decided one after another by the engine itself, each on the load that those before it have made.
Providers' queues are bounded, so where all that may serve a document are full, time passes until one has room, as it
would in the yard; a deadline runs meanwhile. Everything here is an estimate: of answers nobody has seen, at speeds
that change. Called by `classyard quote`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from router_worker.engine.candidates import ask
from router_worker.engine.constraints import is_late
from router_worker.engine.decide import prepare
from router_worker.engine.estimates import expected_output
from router_worker.observe import TYPICAL_INPUT_TOKENS, TYPICAL_OUTPUT_TOKENS, snapshot_of
from schemas.canonical import digest
from schemas.catalog import Catalog, CatalogProvider
from schemas.decision import Decision, Estimate, Outcome
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy
from schemas.snapshot import Assigned, ProviderLoad, ProviderSnapshot


@dataclass(slots=True)
class Part:
    """What one provider would be given."""

    documents: int = 0
    input_tokens: int = 0
    """In its models' own tokens, prompts included."""
    output_tokens: int = 0
    """Expected."""
    cost_usd_micros: int = 0
    work_ms: int = 0
    """Of all calls, one after another."""
    longest_ms: int = 0
    finish_ms: int = 0
    """From now: what is there already and this, over its slots; never less than its longest call."""

    def add(self, expected: Estimate, tokens: tuple[int, int]) -> None:
        self.documents += 1
        self.input_tokens += tokens[0]
        self.output_tokens += tokens[1]
        self.cost_usd_micros += expected.cost_usd_micros
        self.work_ms += expected.latency_ms
        self.longest_ms = max(self.longest_ms, expected.latency_ms)


@dataclass(slots=True)
class Quote:
    documents: int = 0
    parts: dict[str, Part] = field(default_factory=dict)
    """By provider; those that would be given nothing are not there."""
    refused: Counter[str] = field(default_factory=Counter)
    """By rule."""
    held: Counter[str] = field(default_factory=Counter)
    """By reason: no provider that may serve it is up, or would ever have room."""
    sentences: dict[str, str] = field(default_factory=dict)
    """For each rule and reason, what was said of the first document."""
    late: int = 0
    """Expected to miss their deadline, of those that would be served."""
    worst_cost_usd_micros: int = 0
    """All attempts of every step of every plan, each with the longest answer."""

    @property
    def cost_usd_micros(self) -> int:
        return sum(part.cost_usd_micros for part in self.parts.values())

    @property
    def finish_ms(self) -> int:
        return max((part.finish_ms for part in self.parts.values()), default=0)

    @property
    def served(self) -> int:
        return sum(part.documents for part in self.parts.values())


def quote(documents: Iterable[JobFeatures], policy: RoutingPolicy, snapshot: ProviderSnapshot) -> Quote:
    """In the order given, which is that of a submission."""
    found, day = Quote(), _Day(policy, snapshot)
    for features in documents:
        found.documents += 1
        _count(found, day.decided(features), features, day)
    for name, part in found.parts.items():
        line = day.lines[name]
        there_ms = (line.load.waiting_jobs + line.load.in_flight) * line.job_ms
        part.finish_ms = max(part.longest_ms, -(-(there_ms + part.work_ms) // line.slots))
    return found


def idle(catalog: Catalog, policy: RoutingPolicy, *, at: datetime) -> ProviderSnapshot:
    """The yard with every provider up, at its ceiling, and nothing to do."""
    rows = [
        {
            "name": provider.name,
            "ceiling": provider.ceiling,
            "slots": provider.ceiling,
            "workers": 1,
            "keyless": 0,
            "paused": False,
            "resting": False,
        }
        for provider in catalog.providers
    ]
    return snapshot_of(catalog, digest(catalog), rows, policy.bind_late, taken_at=at)


def ceilings(sizes: Sequence[int], max_cost_usd_micros: int | None) -> list[int | None]:
    """Each document's share of what all may cost, by size in bytes and rounded down, as intake gives it.

    >>> ceilings([100, 300], 1_001)
    [250, 750]
    """
    whole = max(1, sum(sizes))
    return [None if max_cost_usd_micros is None else max_cost_usd_micros * size // whole for size in sizes]


# -- the day on which they would be served


@dataclass(slots=True)
class _Line:
    """The work that waits at one provider; its slots take it from the front, all at one job together."""

    load: ProviderLoad
    job_ms: int
    """What a job takes there that is waiting already."""
    waiting: deque[tuple[int, int]] = field(default_factory=deque)
    """Milliseconds and tokens of each job."""
    tokens: int = 0
    """Of all that wait."""

    @classmethod
    def of(cls, load: ProviderLoad, provider: CatalogProvider) -> _Line:
        line = cls(load, load.job_ms_p50 or _typical_ms(provider))
        for _ in range(load.waiting_jobs):
            line.takes(line.job_ms, load.waiting_tokens // load.waiting_jobs)
        return line

    @property
    def slots(self) -> int:
        return max(1, self.load.slots)

    @property
    def assigned(self) -> Assigned:
        """Against the load of the snapshot; negative where more was done than came."""
        return Assigned(len(self.waiting) - self.load.waiting_jobs, self.tokens - self.load.waiting_tokens)

    def takes(self, ms: int, tokens: int) -> None:
        self.waiting.append((max(1, ms), tokens))
        self.tokens += tokens

    @property
    def next_ms(self) -> int:
        """Until the first is done."""
        return -(-self.waiting[0][0] // self.slots)

    def passes(self, ms: int) -> None:
        left = ms * self.slots
        while self.waiting and left >= self.waiting[0][0]:
            done_ms, tokens = self.waiting.popleft()
            left, self.tokens = left - done_ms, self.tokens - tokens
        if self.waiting and left:
            first_ms, tokens = self.waiting[0]
            self.waiting[0] = (first_ms - left, tokens)


class _Day:
    """The providers' queues as they fill and empty. Only waiting for room makes time pass."""

    def __init__(self, policy: RoutingPolicy, snapshot: ProviderSnapshot) -> None:
        self.policy, self._snapshot = policy, snapshot
        self._prepared = prepare(policy, snapshot)
        self._providers = {provider.name: provider for provider in snapshot.catalog.providers}
        self.lines = {
            load.provider: _Line.of(load, self._providers[load.provider]) for load in snapshot.loads
        }
        self.now_ms = 0

    def decided(self, features: JobFeatures) -> Decision:
        """Bound where it is routed; else it is refused, held, or waits for what will never have room."""
        decision = self._prepared.decide(self.at_this_moment(features))
        while decision.outcome is Outcome.WAITING and (full := self._full(decision)):
            self._pass(min(line.next_ms for line in full))
            decision = self._prepared.decide(self.at_this_moment(features))
        if decision.chosen is not None:
            expected = decision.candidates[0].estimate
            assert expected is not None
            self.lines[decision.chosen.provider].takes(expected.latency_ms, features.tokens)
            self._move()
        return decision

    def at_this_moment(self, features: JobFeatures) -> JobFeatures:
        left = features.time_left_ms
        return features if left is None else replace(features, time_left_ms=left - self.now_ms)

    def tokens(self, decision: Decision, features: JobFeatures) -> tuple[int, int]:
        """Into the chosen model and expected out of it, in its own tokens."""
        assert decision.chosen is not None
        model = self._providers[decision.chosen.provider].model(decision.chosen.model)
        assert model is not None
        asked = ask(features, self.policy)
        return model.own_tokens(asked.input_tokens), expected_output(asked, model)

    def _full(self, decision: Decision) -> list[_Line]:
        names = {
            one.provider for one in decision.candidates if one.unavailable and one.unavailable.rule == "full"
        }
        return [self.lines[name] for name in sorted(names) if self.lines[name].waiting]

    def _pass(self, ms: int) -> None:
        self.now_ms += ms
        for line in self.lines.values():
            line.passes(ms)
        self._move()

    def _move(self) -> None:
        assigned = {name: line.assigned for name, line in self.lines.items()}
        self._prepared = self._prepared.moved_to(self._snapshot.plus(assigned))


# -- counting


def _count(found: Quote, decision: Decision, features: JobFeatures, day: _Day) -> None:
    if decision.outcome is not Outcome.ROUTED:
        tally = found.refused if decision.outcome is Outcome.REFUSED else found.held
        tally[decision.reason_code] += 1
        found.sentences.setdefault(decision.reason_code, decision.reason)
        return
    first = decision.candidates[0]
    assert first.estimate is not None
    part = found.parts.setdefault(first.provider, Part())
    part.add(first.estimate, day.tokens(decision, features))
    found.worst_cost_usd_micros += sum(step.worst_cost_usd_micros for step in decision.plan)
    found.late += is_late(first.estimate, day.at_this_moment(features).time_left_ms)


def _typical_ms(provider: CatalogProvider) -> int:
    """For a provider with work and without observations."""
    return min(
        max(1, model.latency.expected_ms(TYPICAL_INPUT_TOKENS, TYPICAL_OUTPUT_TOKENS))
        for model in provider.models
    )
