"""The command line, as far as it goes without listening."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from simulator.__main__ import main
from simulator.documents import ANSWERS_FILE


def test_documents_are_written_with_their_answers(tmp_path: Path) -> None:
    code = main(["--documents", "5", "--out", str(tmp_path / "out"), "--seed", "3"])

    answers = [orjson.loads(line) for line in (tmp_path / "out" / ANSWERS_FILE).read_bytes().splitlines()]
    assert code == 0
    assert len(answers) == 5
    for answer in answers:
        text = (tmp_path / "out" / answer["name"]).read_text(encoding="utf-8")
        assert all(text[f["start"] :].startswith(f["quote"]) for f in answer["findings"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "No provider is given"),
        (["--provider", "fast=rapid"], "no profile 'rapid'"),
        (["--provider", "a=instant", "--provider", "a=flaky"], "given twice"),
        (["--provider", "_stats=instant"], "cannot name a pretend provider"),
        (["--provider", "a=instant", "--host", "999.0.0.1"], "cannot listen"),
    ],
)
def test_a_wrong_command_line_ends_with_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(arguments)

    assert code == 3
    assert sentence in capsys.readouterr().err
