"""The measuring program: every scale names every size, guards see an empty run, and the page says what was found."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.faults import __main__ as command
from benchmarks.faults import report
from benchmarks.faults.outcome import _vacuous, percentile
from benchmarks.faults.scale import SCALES
from tests.faults.history import check
from tests.faults.test_history import SERVED, history


def row(**changes: Any) -> dict[str, Any]:
    figures: dict[str, Any] = dict.fromkeys(command.SUMMED, 0)
    return {
        **figures,
        "jobs": 1_000,
        "calls": 1_000,
        "recovery_p99_s": None,
        "broken": [],
        "vacuous": [],
        **changes,
    }


def found(
    rows: dict[str, dict[str, Any]], controls: dict[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    summed = command._summed(rows, controls or {}, SCALES["quick"], 7, 1.0)
    summed["run"]["command"] = "python -m benchmarks.faults"
    return summed


def test_the_figures_of_all_scenarios_are_added() -> None:
    whole = found(
        {"kills": row(repeated_calls=3, recovery_p99_s=2.0), "points": row(lost=1, recovery_p99_s=4.0)}
    )

    assert (whole["jobs"], whole["lost"], whole["repeated_calls"], whole["recovery_p99_s"]) == (
        2_000,
        1,
        3,
        4.0,
    )


def test_nothing_lost_is_said_with_its_bound() -> None:
    assert "below 1.5e-03 (3/N, 95 %)" in report.page(found({"kills": row(), "points": row()}))


def test_what_was_lost_is_said_without_one() -> None:
    page = report.page(found({"kills": row(lost=2, broken=["lost: 2"])}))

    assert (
        "**2 lost and 0 double results of 1,000" in page and "- kills: lost: 2" in page and "3/N" not in page
    )


def test_a_scenario_that_did_not_end_has_its_row() -> None:
    broken = {"error": "StandsStill: 3 of 4", "broken": ["kills did not end"], "vacuous": []}

    assert "did not end: StandsStill: 3 of 4" in report.page(found({"kills": broken}))


def test_controls_have_a_table() -> None:
    one = {"jobs": 10, "kills": 2, "lost": 5, "double_results": 1, "repeated_calls": 3}

    assert "| celery acks late | 10 | 2 | 5 | 1 | 3 |" in report.page(found({}, {"celery_acks_late": one}))


def test_too_few_faults_and_too_few_jobs_show_too_little() -> None:
    done = [history(str(number), *SERVED) for number in range(19)]
    whole, half = check([one.id for one in done], done), check([*(one.id for one in done), "a", "b"], done)

    assert list(_vacuous(whole, planned=3, fired=3)) == []
    assert list(_vacuous(whole, planned=3, fired=2)) == ["only 2 of 3 faults fired"]
    assert list(_vacuous(half, planned=0, fired=0)) == ["only 19 of 21 jobs came to an end"]
    assert list(_vacuous(check([], []), planned=0, fired=0)) == ["only 0 of 0 jobs came to an end"]


@pytest.mark.parametrize(
    ("values", "share", "expected"), [([], 0.99, None), ([1.0], 0.99, 1.0), (range(100), 0.99, 98)]
)
def test_a_percentile_is_one_of_the_values(values: list[float], share: float, expected: float | None) -> None:
    assert percentile(list(values), share) == expected


def test_larger_scales_break_more() -> None:
    quick, usual, full = SCALES.values()

    for name in (
        "kill_jobs",
        "kills",
        "pauses",
        "wipes",
        "commit_jobs",
        "bell_jobs",
        "ceilings",
        "control_kills",
    ):
        assert getattr(quick, name) < getattr(usual, name) < getattr(full, name)
