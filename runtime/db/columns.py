"""Column types used by every table, so that a kind of fact is stored in one way."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID


def key(**extra: Any) -> Column[Any]:
    return Column(Text, primary_key=True, **extra)


def uuid_key() -> Column[Any]:
    return Column(UUID(as_uuid=False), primary_key=True)


def uuid(**extra: Any) -> Column[Any]:
    return Column(UUID(as_uuid=False), nullable=extra.pop("nullable", False), **extra)


def words(**extra: Any) -> Column[Any]:
    return Column(Text, nullable=extra.pop("nullable", False), **extra)


def word_list() -> Column[Any]:
    return Column(ARRAY(Text), nullable=False, server_default=text("'{}'"))


def number(**extra: Any) -> Column[Any]:
    return Column(Integer, nullable=extra.pop("nullable", False), **extra)


def small_number(**extra: Any) -> Column[Any]:
    return Column(SmallInteger, nullable=extra.pop("nullable", False), **extra)


def big_number(**extra: Any) -> Column[Any]:
    """Micro-dollars, tokens in sums, lease tokens."""
    return Column(BigInteger, nullable=extra.pop("nullable", False), **extra)


def yes_no(**extra: Any) -> Column[Any]:
    return Column(Boolean, nullable=False, **extra)


def instant(**extra: Any) -> Column[Any]:
    """With time zone; written from the database's clock."""
    return Column(DateTime(timezone=True), nullable=extra.pop("nullable", False), **extra)


def written_at() -> Column[Any]:
    return instant(server_default=func.now())


def json(**extra: Any) -> Column[Any]:
    """For reading and searching; what is hashed is stored as bytes."""
    return Column(JSONB, nullable=extra.pop("nullable", False), **extra)


def raw(**extra: Any) -> Column[Any]:
    """Exact bytes: canonical JSON, hashes, texts."""
    return Column(LargeBinary, nullable=extra.pop("nullable", False), **extra)
