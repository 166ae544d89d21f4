"""What may be spent, what is spent, and what is reserved for calls that are under way."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlmodel import Field, SQLModel

from runtime.db import columns


class BudgetRow(SQLModel, table=True):
    """One budget: of a batch, a day or the tenant. There are rows only where a budget applies.

    A batch and a day with an empty subject stand for all of them: they hold the ceiling of those without one of their
    own, and count nothing.
    """

    __tablename__ = "budgets"

    tenant_id: str = Field(sa_column=columns.key())
    scope: str = Field(sa_column=columns.key())
    """`batch`, `day` or `tenant`; every transaction locks rows in this order."""
    subject: str = Field(sa_column=columns.key())
    """A batch's id, a day such as 2026-11-28, or empty."""
    own: bool = Field(sa_column=columns.yes_no(server_default=text("false")))
    """An operator set it: the limit stands in place of the policy's."""
    limit_usd_micros: int | None = Field(sa_column=columns.big_number(nullable=True))
    """Of an operator; null: no ceiling."""
    policy_usd_micros: int | None = Field(sa_column=columns.big_number(nullable=True))
    """Of the policy that the router published last."""
    spent_usd_micros: int = Field(sa_column=columns.big_number(server_default=text("0")))
    reserved_usd_micros: int = Field(sa_column=columns.big_number(server_default=text("0")))
    updated_at: datetime = Field(sa_column=columns.written_at())
