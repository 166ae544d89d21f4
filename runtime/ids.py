"""Ids are UUIDv7: unique without asking anyone, and in the order of their making."""

from __future__ import annotations

from collections.abc import Callable

from uuid_utils import uuid7

NewId = Callable[[], str]


def new_id() -> str:
    return str(uuid7())
