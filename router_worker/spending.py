"""Budgets as the router sees them: what is left for a job, and what those wait for that had too little. Pure.

Jobs that a budget holds wait in a class that says which one, and how much the cheapest of their calls may cost. It is
opened when that much is left, and more than when its jobs were last looked at: so jobs behind a budget that is used up
are not looked at again and again, and whatever leaves more in it (a raise, a new day, a call that cost less than was
reserved) opens it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from router_worker.engine.wording import dollars
from schemas.budget import Account, call_cost_usd_micros, covers
from schemas.decision import Decision, Outcome

_MARK = "budget"


@dataclass(frozen=True, slots=True)
class Behind:
    """What a class of jobs waits for."""

    scope: str
    batch: str
    """Empty where the budget is not of a batch."""
    least_usd_micros: int

    @property
    def key(self) -> tuple[str, str]:
        return self.scope, self.batch

    def named(self, digest: str) -> str:
        """The class's name; jobs with other allowed candidates have another `digest`.

        >>> behind(Behind("day", "", 512).named("0f"))
        Behind(scope='day', batch='', least_usd_micros=512)
        """
        return "/".join((_MARK, self.scope, self.batch, str(self.least_usd_micros), digest))


def behind(route_class: str) -> Behind | None:
    """None for a class that no budget holds."""
    if not route_class.startswith(f"{_MARK}/"):
        return None
    _, scope, batch, least, _ = route_class.split("/")
    return Behind(scope, batch, int(least))


@dataclass(slots=True)
class Purse:
    """What the budgets over a chunk still allow; less with every job that is bound."""

    accounts: tuple[Account, ...] = ()
    bound: Mapping[str, int] = field(default_factory=dict)
    """By batch, the worst cost of calls that are bound and not reserved yet."""
    _left: dict[Account, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.accounts:
            left = one.left_usd_micros
            if left is not None:
                bound = sum(cost for batch, cost in self.bound.items() if covers(one, batch))
                self._left[one] = max(0, left - bound)

    def tightest(self, batch_id: str) -> tuple[Account, int] | None:
        """The budget with the least left over a job of the batch; None where none has a ceiling."""
        above = [(one, left) for one, left in self._left.items() if covers(one, batch_id)]
        return min(above, key=lambda pair: (pair[1], pair[0].scope)) if above else None

    def take(self, batch_id: str, cost_usd_micros: int) -> None:
        for one in self._left:
            if covers(one, batch_id):
                self._left[one] = max(0, self._left[one] - cost_usd_micros)

    def left(self, key: tuple[str, str]) -> int | None:
        """What a class waits for, by scope and batch; None: no ceiling any more."""
        scope, batch = key
        found = [left for one, left in self._left.items() if one.scope == scope and covers(one, batch)]
        return min(found) if found else None


def told(account: Account) -> str:
    """The budget's name with its figures, for a sentence."""
    limit, spent = dollars(account.limit_usd_micros or 0), dollars(account.spent_usd_micros)
    return f"{account.name} ({limit}; {spent} spent, {dollars(account.reserved_usd_micros)} reserved)"


def held_behind(
    decision: Decision, tightest: tuple[Account, int] | None, batch_id: str, attempts: int
) -> Behind | None:
    """What the job waits for, where a budget keeps it from candidates that could serve it now."""
    if tightest is None or decision.outcome not in (Outcome.HELD, Outcome.WAITING):
        return None
    costs = [
        call_cost_usd_micros(each.estimate.worst_cost_usd_micros, attempts)
        for each in decision.candidates
        if each.unavailable and each.unavailable.rule == "budget" and each.estimate
    ]
    if not costs:
        return None
    account = tightest[0]
    return Behind(account.scope, batch_id if account.scope == "batch" else "", rounded(min(costs)))


def rounded(cost_usd_micros: int) -> int:
    """Down to the power of two, so that there are few classes.

    >>> rounded(700), rounded(0)
    (512, 0)
    """
    return 1 << (cost_usd_micros.bit_length() - 1) if cost_usd_micros else 0
