"""What `classyard ladder` reads and says."""

from __future__ import annotations

from pathlib import Path

import pytest

from classyard.commands.ladder import told
from classyard.commands.outcomes import read
from router_worker.promises import rung_promise
from schemas.errors import BadInput
from schemas.ladder import Asked, Ladder, Rung
from schemas.policy import RoutingPolicy

ASKED = Rung(model="weak/one", promise=Asked(agreement=0.9, confidence=0.9))
LADDER = Ladder(ladder="cheap-first", rungs=(ASKED, Rung(model="strong/one")))
POLICY = RoutingPolicy(policy="p", version=1, ladders=(LADDER,))


def test_outcomes_are_read_from_both_kinds_of_files(tmp_path: Path) -> None:
    table, lines = tmp_path / "a.csv", tmp_path / "a.jsonl"
    table.write_text("ladder,model,score,agrees\ncheap-first,weak/one,0.25,yes\n")
    lines.write_text('{"ladder": "cheap-first", "model": "weak/one", "score": 0.25, "agrees": true}\n\n')

    assert read(table) == read(lines) == [("cheap-first", "weak/one", 250_000, True)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("cheap-first,weak/one,1.5,yes", "line 3: 'score' must be a number from 0 to 1."),
        ("cheap-first,weak/one,nan,yes", "line 3: 'score'"),
        ("cheap-first,weak/one,0.5,perhaps", "line 3: 'agrees' must be true or false."),
        ("cheap-first,weak,0.5,yes", "line 3: Value error, 'weak' is not the name of a model"),
        (",weak/one,0.5,yes", "line 3: 'ladder' is missing."),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"ladder,model,score,agrees\ncheap-first,weak/one,0.25,no\n{line}\n")

    with pytest.raises(BadInput, match=said.replace("(", r"\(")):
        read(file)


def test_a_rung_with_too_few_labels_says_how_many_it_needs() -> None:
    promised = rung_promise(LADDER, ASKED, [(900_000, True)] * 5)
    lines = "\n".join(told(POLICY, [promised], {}, {}))

    assert promised.keep_from is None
    assert "no promise yet, so it keeps nothing" in lines
    assert "needs at least 22 labels; there are 5" in lines


def test_a_rung_that_promises_says_what_it_keeps_and_saves() -> None:
    promised = rung_promise(LADDER, ASKED, [(900_000, True)] * 80 + [(100_000, False)] * 20)
    walked = {
        "weak/one": {"jobs": 100, "kept": 80, "cost": 1_000},
        "strong/one": {"jobs": 20, "kept": 20, "cost": 20_000},
    }
    labelled = {("cheap-first", "weak/one"): {"labels": 100, "unbiased": 100, "agreed": 80}}
    lines = "\n".join(told(POLICY, [promised], labelled, walked))

    assert promised.keep_from == 900_000
    assert "keeps from evidence 900,000 on, by its promise" in lines
    assert "at least 90% of all cases, with confidence 90%" in lines
    assert "it kept 80%" in lines
    assert "80 documents did not need the last rung; that saved $0.079" in lines
