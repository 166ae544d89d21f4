"""One error tree: each branch has its exit code, and each error is a sentence."""

from __future__ import annotations

import inspect
import re

import pytest

from schemas import errors
from schemas.errors import BadConfiguration, BadInput, ClassyardError

EVERY = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ClassyardError)]

BRANCHES = {
    errors.CallerMistake: 2,
    errors.ConfigurationError: 3,
    errors.SurroundingsFault: 4,
    errors.InternalError: 70,
}


@pytest.mark.parametrize(
    ("branch", "code"), BRANCHES.items(), ids=lambda value: getattr(value, "__name__", value)
)
def test_every_error_of_a_branch_has_the_exit_code_of_the_branch(
    branch: type[ClassyardError], code: int
) -> None:
    codes = {kind.__name__: kind.exit_code for kind in EVERY if issubclass(kind, branch)}

    assert set(codes.values()) == {code}


def test_no_error_ends_as_a_success() -> None:
    assert all(kind.exit_code for kind in EVERY)


@pytest.mark.parametrize("kind", [kind for kind in EVERY if kind is not ClassyardError])
def test_every_error_belongs_to_exactly_one_branch(kind: type[ClassyardError]) -> None:
    assert sum(issubclass(kind, branch) for branch in BRANCHES) == 1


def test_the_tree_at_the_top_of_the_module_is_the_tree() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))

    assert drawn == {kind.__name__ for kind in EVERY} - {"ClassyardError"}


def test_bad_input_says_where_and_what_and_has_a_word_for_programs() -> None:
    error = BadInput("It is not JSON.", where="jobs.jsonl, line 7", code="invalid_json_line")

    assert str(error) == "jobs.jsonl, line 7: It is not JSON."
    assert (error.where, error.sentence, error.code) == (
        "jobs.jsonl, line 7",
        "It is not JSON.",
        "invalid_json_line",
    )


def test_without_a_place_the_sentence_stands_alone() -> None:
    assert str(BadInput("It is empty.")) == "It is empty."
    assert str(BadConfiguration("It is empty.")) == "It is empty."
    assert str(BadConfiguration("It is empty.", where="a.yaml")) == "a.yaml: It is empty."
