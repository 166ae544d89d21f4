"""A quote: what a submission is expected to cost and when it would be done, before anything is sent. Pure.

The documents are decided one after another by the engine itself, each on the load that those before it have made.
Providers' queues are bounded, so where all that may serve a document are full, it waits with others of its class (the
same allowed candidates), as it would in the yard, until time has made room; a deadline runs meanwhile. Everything here
is an estimate: of answers nobody has seen, at speeds that change. Called by `classyard quote`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from router_worker.engine.constraints import is_late
from router_worker.observe import snapshot_of
from router_worker.rehearsal import Day, Waiting
from schemas.budget import Account
from schemas.canonical import digest
from schemas.catalog import Catalog
from schemas.decision import Decision, Estimate, Outcome
from schemas.features import JobFeatures
from schemas.policy import RoutingPolicy
from schemas.snapshot import ProviderSnapshot


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


def quote(
    documents: Iterable[JobFeatures],
    policy: RoutingPolicy,
    snapshot: ProviderSnapshot,
    accounts: Iterable[Account] = (),
) -> Quote:
    """In the order given, which is that of a submission. What the budgets in `accounts` do not carry is held."""
    found, day, waiting = Quote(), Day(policy, snapshot, accounts), Waiting()
    for features in documents:
        found.documents += 1
        decision = day.decided(features)
        if decision.outcome is Outcome.WAITING:
            waiting.add(decision, found.documents, features)
        else:
            _count(found, decision, features, day)
    while freed := day.room_at(waiting.providers()):
        for features, decision in waiting.bound(day, freed):
            _count(found, decision, features, day)
    for features in waiting.rest():
        _count(found, day.decided(features), features, day)
    for name, part in found.parts.items():
        part.finish_ms = max(part.longest_ms, day.lines[name].done_ms(part.work_ms))
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


# -- counting


def _count(found: Quote, decision: Decision, features: JobFeatures, day: Day) -> None:
    if decision.outcome is not Outcome.ROUTED:
        tally = found.refused if decision.outcome is Outcome.REFUSED else found.held
        tally[decision.reason_code] += 1
        found.sentences.setdefault(decision.reason_code, decision.reason)
        return
    first = decision.chosen_candidate
    assert first is not None and first.estimate is not None
    part = found.parts.setdefault(first.provider, Part())
    part.add(first.estimate, day.tokens(decision, features))
    found.worst_cost_usd_micros += sum(step.worst_cost_usd_micros for step in decision.plan)
    found.late += is_late(first.estimate, day.at_this_moment(features).time_left_ms)
