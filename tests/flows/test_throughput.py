"""The throughput benchmark in its smallest form: a yard serves, everything is checked, and nothing is left running."""

from __future__ import annotations

import time

import psutil
import pytest

from benchmarks.throughput import serving
from benchmarks.throughput.ground import ground

pytestmark = [pytest.mark.services, pytest.mark.flows, pytest.mark.xdist_group("flows-throughput")]


def test_a_yard_is_measured_and_nothing_is_left() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}

    with ground(seed=3) as stood_on:
        run = serving.warmed(stood_on, jobs=40, warm=10)
        seen = stood_on.pretend.seen()

    assert seen["calls"] == 40
    assert seen["peak"] <= 64
    assert run.per_s > 0
    assert run.spent.of("router") > 0
    assert run.cpu_ms > run.cpu_ms_python > 0
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert not [child for child in left if child.status() != psutil.STATUS_ZOMBIE]


def test_a_yard_that_is_held_does_nothing_until_it_goes_on_and_one_beside_it_is_another() -> None:
    with ground(seed=3) as first:
        other = first.beside("other")
        for yard in (first, other):
            yard.fresh()
        assert first.database != other.database
        assert first.broker_url != other.broker_url
        other.start_yard()
        other.hold()

        batch = other.accept(other.documents(20))
        time.sleep(1)
        assert first.pretend.seen()["calls"] == 0
        assert first.one("select count(*) from jobs") == 0

        other.go_on()
        other.wait(batch)
        assert first.pretend.seen()["calls"] == 20
        other.require_sound(batch, 20)
        other.stop_roles()
        other.drop()
