"""Who may use Flower, as far as it goes without a broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from classyard.flower import read_people
from schemas.errors import BadConfiguration


def test_users_are_lines_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "auth").write_text("# who may\n\noperator:a:b c\n second:x \n")

    assert read_people(tmp_path / "auth") == ["operator:a:b c", "second:x"]


@pytest.mark.parametrize(
    "text", ["", "# nobody\n", "operator\n", "operator:\n", ":hunter2hunter2\n", "a:b\nhunter2hunter2\n"]
)
def test_a_file_that_would_let_anybody_in_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    (tmp_path / "auth").write_text(text)

    with pytest.raises(BadConfiguration) as refused:
        read_people(tmp_path / "auth")

    assert "hunter2" not in str(refused.value)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="cannot be read"):
        read_people(tmp_path / "nothing")
