"""A pretend provider that keeps a journal counts its calls by the key that each came with, however they ended."""

from __future__ import annotations

import pytest

from simulator import stats
from simulator.stats import Stats


def test_calls_are_counted_by_key_and_a_reset_forgets_none() -> None:
    seen = Stats()

    for key in ("a-1", "b-1", "a-1"):
        seen.note(key)
    seen.reset()

    assert (seen.journal, seen.unjournaled) == ({"a-1": 2, "b-1": 1}, 0)


def test_its_memory_is_bounded_and_what_did_not_fit_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "REMEMBERED", 1)
    seen = Stats()

    for key in ("a-1", "b-1", "a-1"):
        seen.note(key)

    assert (seen.journal, seen.unjournaled) == ({"a-1": 2}, 1)
