"""What a process holds while lines pass does not grow with them, but for what tells a repeated id. `make memory` is the
long form: a million lines.

Measured in the processes themselves, by the kernel's high-water marks: the command line's, and the API's.
"""

from __future__ import annotations

import pytest

from benchmarks.throughput.memory import LIMIT_MB, measure

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]

FEW, MANY = 60_000, 120_000
"""56 and 112 MB: buffers and the allocator have all that they ever take before the first, and twice as many ids stand
at the same place between two doublings of their tables."""

PER_LINE_BYTES = 160
"""A million of them are 160 MB, and the rest of a process, its buffers full, some 140."""


def test_sixty_thousand_lines_more_take_little_more_memory() -> None:
    few, many = measure(FEW), measure(MANY)

    assert many["bytes"] > 100_000_000
    for name, peak_mb in many["peak_mb"].items():
        growth = (peak_mb - few["peak_mb"][name]) * 1024 * 1024 / (MANY - FEW)
        assert growth < PER_LINE_BYTES, f"{name}: {growth:.0f} bytes a line"
        assert peak_mb + (1_000_000 - MANY) * max(growth, 60) / 1024 / 1024 < LIMIT_MB, name
