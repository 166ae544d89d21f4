"""Classes of waiting jobs: the set of providers that may serve a job, as a short digest, and which sets are open now.

Pure. A full provider closes the classes that it alone could serve, and no other work stands behind them.
"""

from __future__ import annotations

from collections.abc import Mapping

from router_worker.engine.decide import route_class
from router_worker.rules import Rules
from runtime.db.stores import waiting
from schemas.canonical import digest
from schemas.decision import Decision, Outcome
from schemas.snapshot import ProviderSnapshot, ProviderStatus


def open_classes(
    known: Mapping[str, tuple[str, tuple[str, ...]]],
    rules_digest: str,
    snapshot: ProviderSnapshot,
    *,
    most: int,
) -> dict[str, int]:
    """The classes from which to claim now, with how many of each.

    Jobs that nobody has looked at, and those that were classed under other rules, are always looked at. Of the
    others, a class is open while a provider that it allows is ready and has headroom.
    """
    room = {
        load.provider: load.headroom_jobs
        for load in snapshot.loads
        if load.status is ProviderStatus.READY and load.headroom_jobs > 0
    }
    limits = {waiting.UNSEEN: most}
    for name, (formed_by, providers) in known.items():
        headroom = sum(room.get(provider, 0) for provider in providers)
        if formed_by != rules_digest:
            headroom = most
        if headroom:
            limits[name] = headroom
    return limits


def formed_by(rules: Rules, snapshot: ProviderSnapshot) -> str:
    """What classes are formed under: the rules, and which providers have no key. When a key comes or goes, waiting
    jobs are looked at anew."""
    keyless = sorted(load.provider for load in snapshot.loads if load.status is ProviderStatus.NO_KEY)
    return digest([rules.digest, keyless])


def route_class_of(decision: Decision, rules_digest: str) -> str:
    """Short, and different for the same providers under different rules."""
    return digest([rules_digest, route_class(decision)]).removeprefix("sha256:")[:16]


def providers_of(decision: Decision) -> tuple[str, ...]:
    """Of the allowed ones, those that no budget stands in the way of: a budget is not theirs to lift."""
    dear = {
        f"{each.provider}/{each.model}"
        for each in decision.candidates
        if each.unavailable and each.unavailable.rule == "budget"
    }
    held = decision.outcome is not Outcome.ROUTED
    return tuple(sorted({pair.partition("/")[0] for pair in decision.allowed if not (held and pair in dear)}))
