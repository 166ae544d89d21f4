"""What may be promised of the rungs of a policy, from the newest labelled outcomes. Read by the router now and then,
put into its snapshot, and so recorded with every decision that used it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from router_worker.cascade.promise import Label, NoPromise, Promise, promise
from runtime.db.session import Connection
from runtime.db.stores import labels
from schemas.ladder import Ladder, Rung
from schemas.policy import RoutingPolicy
from schemas.snapshot import RungPromise

FRESH_S = 30.0
"""A promise is used for so long before its labels are looked at again."""


def asked(policy: RoutingPolicy) -> Iterator[tuple[Ladder, Rung]]:
    """The rungs that are to promise; of those that stand twice in a ladder, the first."""
    for ladder in policy.ladders:
        models = set()
        for rung in ladder.rungs:
            if rung.model not in models and rung.promise is not None:
                yield ladder, rung
            models.add(rung.model)


async def promises(connection: Connection, tenant_id: str, policy: RoutingPolicy) -> tuple[RungPromise, ...]:
    """One for each rung that is to promise; one query each, and none where no rung is."""
    return tuple(
        [
            rung_promise(ladder, rung, await labels.newest(connection, tenant_id, ladder.ladder, rung.model))
            for ladder, rung in asked(policy)
        ]
    )


def rung_promise(ladder: Ladder, rung: Rung, found: Sequence[tuple[int, bool]]) -> RungPromise:
    """`found` are scores in millionths with whether the answer agreed. Pure."""
    said = promised(rung, found)
    keep_from = round(said.threshold) if isinstance(said, Promise) else None
    return RungPromise(ladder.ladder, rung.model, keep_from, len(found), sentence(said))


def promised(rung: Rung, found: Sequence[tuple[int, bool]]) -> Promise | NoPromise:
    assert rung.promise is not None
    seen = [Label(score, agrees) for score, agrees in found]
    return promise(seen, rung.promise.agreement, 1 - rung.promise.confidence)


def sentence(said: Promise | NoPromise) -> str:
    if isinstance(said, NoPromise):
        return said.reason
    return (
        f"Agrees with the last rung in at least {said.T:.0%} of all cases, with confidence {1 - said.delta:.0%}: "
        f"of {said.labels} labels it keeps {said.kept_share:.0%}, and at most {said.bound:.1%} are kept and disagree."
    )
