"""Budgets of a policy: what may be spent, on one document, one batch, in one day, and by a tenant in all.

In micro-dollars. Money is reserved before a call and settled after it; where a budget is reached work is held, and
goes on when the budget is raised. `classyard budget` sets other ceilings than the policy's for a batch, a day or the
tenant.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from schemas.part import Part


class Budgets(Part):
    job_usd_micros: int | None = Field(default=None, ge=1)
    """The most that one document may cost, beside the ceiling that its submitter gave."""
    batch_usd_micros: int | None = Field(default=None, ge=1)
    """The most that one batch may cost."""
    day_usd_micros: int | None = Field(default=None, ge=1)
    """The most that the tenant's work may cost in one day, by UTC."""
    tenant_usd_micros: int | None = Field(default=None, ge=1)
    """The most that the tenant's work may cost in all."""


@dataclass(frozen=True, slots=True)
class Account:
    """One budget, as it stands."""

    scope: str
    """`batch`, `day` or `tenant`."""
    subject: str
    """A batch's id, a day by UTC, or empty."""
    limit_usd_micros: int | None
    """None: no ceiling; what is spent is counted all the same."""
    spent_usd_micros: int
    reserved_usd_micros: int

    @property
    def left_usd_micros(self) -> int | None:
        """What may still be reserved, 0 or more; None: no ceiling."""
        if self.limit_usd_micros is None:
            return None
        return max(0, self.limit_usd_micros - self.spent_usd_micros - self.reserved_usd_micros)

    @property
    def name(self) -> str:
        """As a person would say it.

        >>> Account("day", "2026-11-28", None, 0, 0).name
        'day 2026-11-28'
        """
        return f"{self.scope} {self.subject}".strip()


def covers(account: Account, batch_id: str) -> bool:
    """Whether a job of the batch is spent from it; of days only today's is ever asked for."""
    return account.scope != "batch" or account.subject == batch_id


def call_cost_usd_micros(worst_usd_micros: int, attempts: int) -> int:
    """One call of a step, with the longest answer: what is reserved for it. Rounded up.

    `worst_usd_micros` is the step's, of so many attempts.

    >>> call_cost_usd_micros(1_001, 2)
    501
    """
    return -(-worst_usd_micros // max(1, attempts))
