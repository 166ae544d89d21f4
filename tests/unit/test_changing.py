"""A changed copy is what `dataclasses.replace` gives, and the value itself stays as it was."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from schemas.changing import changed
from schemas.lifecycle import JobState
from tests.yard import a_job


def test_a_changed_copy_is_what_the_library_gives() -> None:
    job = a_job()

    assert changed(job) == job
    assert changed(job, state=JobState.ROUTED, plan=(), version=7) == replace(
        job, state=JobState.ROUTED, plan=(), version=7
    )
    assert job == a_job()


def test_a_field_that_there_is_not_is_refused() -> None:
    with pytest.raises(TypeError, match="Job has no field 'colour'"):
        changed(a_job(), colour="green")


def test_a_value_that_looks_at_its_fields_is_not_copied_past_that_look() -> None:
    @dataclass(frozen=True)
    class Positive:
        number: int

        def __post_init__(self) -> None:
            assert self.number > 0

    with pytest.raises(TypeError, match="Positive"):
        changed(Positive(1), number=-1)


def test_a_value_with_slots_is_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Slotted:
        number: int

    with pytest.raises(TypeError, match="Slotted"):
        changed(Slotted(1), number=2)
