"""How many bells a provider's workers are worth."""

from __future__ import annotations

from typing import Any

import pytest

from router_worker.bells import bells_for
from tests.engine_values import a_load


@pytest.mark.parametrize(
    ("load", "bound", "bells"),
    [
        ({"slots": 8, "in_flight": 0}, 5, 5),
        ({"slots": 8, "in_flight": 0}, 50, 8),
        ({"slots": 8, "in_flight": 6}, 50, 2),
        ({"slots": 8, "in_flight": 8}, 50, 1),  # the others go on by themselves
        ({"slots": 8, "in_flight": 90}, 50, 1),
        ({"slots": 0, "in_flight": 0}, 5, 1),  # a worker may just have come up
        ({"slots": 64, "in_flight": 0, "job_ms_p50": 3}, 160, 10),
        ({"slots": 64, "in_flight": 0, "job_ms_p50": 2_000}, 160, 64),
    ],
)
def test_one_for_each_idle_slot_that_is_of_use(load: dict[str, Any], bound: int, bells: int) -> None:
    assert bells_for(a_load("alpha", **load), bound, most=16) == bells
