"""Budgets of a policy: what may be spent, on one document, one batch, in one day, and by a tenant in all.

In micro-dollars. Money is reserved before a call and settled after it; where a budget is reached work is held, and
goes on when the budget is raised. `classyard budget` sets other ceilings than the policy's for a batch, a day or the
tenant.
"""

from __future__ import annotations

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
