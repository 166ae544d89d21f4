"""The benchmark of guardrails: how it scores, and that it still gives the figures that it tells."""

from __future__ import annotations

import pytest

from benchmarks.guardrails import Score, contracts, datafog, found_in, found_in_contracts, presidio, scored
from tests.data import data_file


def test_a_span_is_right_where_it_overlaps_one_of_its_kind() -> None:
    labelled = [("email", 0, 5), ("card", 10, 20), ("card", 30, 40)]
    found = [("email", 1, 9), ("phone", 10, 20), ("card", 39, 50), ("card", 60, 70)]

    assert scored(labelled, found) == {
        "email": Score(hit=1),
        "card": Score(hit=1, missed=1, false=1),
        "phone": Score(false=1),
    }


def test_recall_counts_four_times_in_f2() -> None:
    told = Score(hit=8, missed=2, false=8).told()

    assert (told["precision"], told["recall"], told["f2"]) == (0.5, 0.8, pytest.approx(0.714))
    assert Score().told()["f2"] == 0.0


def test_the_figures_that_it_tells_are_held() -> None:
    folder = data_file("guardrails", "presidio_synth.json.gz").parents[1]

    assert found_in(presidio(folder))["all"]["f2"] >= 0.98
    assert found_in(datafog(folder))["all"]["f2"] >= 0.95


def test_contracts_hold_no_false_findings_and_none_is_raised() -> None:
    folder = data_file("documents", "cuad", "contracts_txt.zip").parents[2]

    found = found_in_contracts(contracts(folder))

    assert (found["false_personal_data"], found["false_keys"], found["raised_above_internal"]) == (0, 0, 0)
