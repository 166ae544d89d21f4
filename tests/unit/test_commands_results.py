"""One job, one row: what a row of the results holds, and what is said beside the file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from classyard.commands.result_rows import harmless
from classyard.commands.results import Tally, _form, notes
from producer.exports import ExportFormat
from producer.result_rows import COLUMNS, result_row
from schemas.errors import BadInput

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

DONE: dict[str, Any] = {
    "job_id": "j1",
    "custom_id": "c1",
    "name": "contract.txt",
    "state": "succeeded",
    "reason_code": "best",
    "reason": "It has the best score.",
    "sensitivity": "internal",
    "attempts": 2,
    "cost_usd_micros": 1_234,
    "document_digest": "sha256:d",
    "review_digest": "sha256:e",
    "created_at": AT,
    "updated_at": AT,
    "provider": "sim-swift",
    "model": "swift-1",
    "model_version": "swift-1-2026",
    "model_reported": "swift-1-2026",
    "simulated": True,
    "output": {
        "summary": "Short.",
        "verdict": "acceptable",
        "confidence": 0.8,
        "findings": [
            {"id": "a", "severity": "low", "quote": "one", "explanation": "x"},
            {"id": "b", "severity": "high", "quote": "two", "explanation": "y"},
            {"id": "c", "severity": "high", "quote": "three", "explanation": "z"},
        ],
    },
    "checks": {
        "standing": "doubtful",
        "quotes": [
            {"finding": 2, "match": "normalised", "start": 30, "end": 35},
            {"finding": 0, "match": "exact", "start": 1, "end": 4},
            {"finding": 1, "match": "close", "start": 8, "end": 11},
        ],
    },
    "standing": "doubtful",
    "mean_logprob": None,
    "input_tokens": 900,
    "output_tokens": 120,
    "latency_ms": 850,
    "policy_digest": "sha256:p",
    "catalog_digest": "sha256:c",
    "snapshot_digest": "sha256:s",
    "decision_digest": "sha256:x",
    "policy_name": "default",
    "decision": {
        "candidates": [
            {
                "provider": "sim-swift",
                "model": "swift-1",
                "rank": 1,
                "refusals": [],
                "unavailable": None,
                "score": {"total": 863_571, "cost": 1},
            },
            {
                "provider": "own",
                "model": "small",
                "rank": None,
                "refusals": [],
                "unavailable": {"rule": "full", "sentence": "It is full."},
                "score": None,
            },
            {
                "provider": "far",
                "model": "big",
                "rank": None,
                "refusals": [{"rule": "boundary", "sentence": "It may not see it."}],
                "unavailable": None,
                "score": None,
            },
        ]
    },
}

WAITING = DONE | {
    "state": "accepted",
    **dict.fromkeys(
        ["provider", "model", "model_version", "model_reported", "simulated", "output", "checks", "standing"]
    ),
    **dict.fromkeys(
        ["input_tokens", "output_tokens", "latency_ms", "decision", "policy_name", "policy_digest"]
    ),
}


def test_every_row_has_exactly_the_columns() -> None:
    assert set(result_row(DONE)) == set(COLUMNS)
    assert set(result_row(WAITING)) == set(COLUMNS)


def test_findings_carry_what_the_checks_found_whatever_their_order() -> None:
    row = result_row(DONE)

    assert [one["quote_verified"] for one in row["findings"]] == [True, False, True]
    assert [(one["start"], one["end"]) for one in row["findings"]] == [(1, 4), (8, 11), (30, 35)]
    assert (row["quotes_verified"], row["quotes_total"]) == (2, 3)


def test_a_close_quote_is_not_counted_as_verified() -> None:
    assert result_row(DONE)["findings"][1]["quote_verified"] is False


def test_the_rationale_names_every_candidate_with_its_rank_or_its_reason() -> None:
    assert result_row(DONE)["rationale"] == [
        {"provider": "sim-swift", "model": "swift-1", "rank": 1, "score": 863_571},
        {"provider": "own", "model": "small", "unavailable": "It is full."},
        {"provider": "far", "model": "big", "refusals": {"boundary": "It may not see it."}},
    ]


def test_a_job_without_a_result_is_a_row_of_its_own() -> None:
    row = result_row(WAITING)

    assert row["findings"] is None
    assert row["rationale"] is None
    assert row["finished_at"] is None
    assert row["accepted_at"] == AT


@pytest.mark.parametrize("state", ["refused", "failed", "expired", "cancelled", "succeeded"])
def test_a_final_job_has_its_end(state: str) -> None:
    assert result_row(WAITING | {"state": state})["finished_at"] == AT


def test_on_a_terminal_control_characters_are_taken_out_everywhere_and_lines_stay() -> None:
    output = {"summary": "a\nb\x1b[31m", "findings": [{"id": "\x9b", "quote": "q\u202e"}]}

    row = harmless(result_row(DONE | {"output": output, "name": "\x1b]0;x\x07"}))

    text = orjson.dumps(row).decode()
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(text)
    assert "\\u001b" not in text
    assert row["summary"].startswith("a\nb")
    assert row["attempts"] == 2


def test_open_jobs_and_simulated_results_are_told_beside_the_file() -> None:
    tally = Tally()
    for row in (DONE, DONE, WAITING):
        tally.count(result_row(row))

    assert (tally.rows, tally.open, tally.simulated) == (3, 1, 2)
    assert notes(tally) == [
        "1 job is still open; write the results again when all are final.",
        "2 results come from simulated providers: such answers mean nothing.",
    ]
    assert notes(Tally(rows=3)) == []


def test_an_unknown_format_is_answered_with_the_known_ones() -> None:
    assert _form("csv") is ExportFormat.CSV
    with pytest.raises(BadInput, match="jsonl, csv"):
        _form("xml")
