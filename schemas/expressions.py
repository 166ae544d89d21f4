"""Conditions of a policy: text in CEL, the Common Expression Language, checked once and evaluated without effects.

The one module that knows the library behind it. What an expression may name is the closed list of `schemas.variables`;
a wrong name or type is found when the policy is read, never when a document is decided. CEL has no clock, no chance
and no I/O, and each evaluation has a budget of iterations. It lives on the ground because three floors need it: the
policy's own values refuse what does not compile, the engine evaluates, and lint asks what can ever be true.

Source: https://github.com/google/cel-spec/blob/master/doc/langdef.md, read 2026-11-23.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from schemas.variables import BY_NAME, OF_JOBS, VARIABLES, Facts

MAX_CHARACTERS = 2_000

_NAMES = re.compile(r"\b(job|provider|model)\s*\.\s*([A-Za-z_]\w*)")
_TOLD = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '\((.*)\)'")
_FAILED = (RuntimeError, ValueError, TypeError, OverflowError)
"""What the library raises for a spent budget of iterations and for a value that it cannot hold."""


class BadExpression(ValueError):
    """An expression that does not compile, with its place inside the text; lines and columns count from 1."""

    def __init__(self, sentence: str, *, line: int, column: int, lines: int) -> None:
        at = f"column {column}" if lines == 1 else f"line {line}, column {column}"
        super().__init__(f"at {at} of the expression: {sentence}")
        self.line, self.column = line, column


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A condition that is known to compile. Get one from `compiled`."""

    text: str
    names: frozenset[str]
    """The variables that it looks at; none outside these."""
    _program: Any

    @property
    def is_of_jobs(self) -> bool:
        """Whether it says the same of every provider and model."""
        return self.names <= OF_JOBS

    @property
    def is_of_pairs(self) -> bool:
        """Whether it says the same of every job."""
        return not self.names & OF_JOBS

    def holds(self, situation: Any) -> bool | None:
        """What it says of a `situation`; None where it cannot be evaluated: a division by zero, a spent budget."""
        try:
            value = self._program.eval(situation).value()
        except _FAILED:
            return None
        return value if value is True or value is False else None


def situation(facts: Facts) -> Any:
    """Facts in the form that expressions read; made once for all expressions that are asked of it."""
    return _language()[0].Activation(facts)


@lru_cache(maxsize=4_096)
def compiled(text: str) -> Expression:
    """The expression of a text; the same object for the same text. Raises `BadExpression`."""
    if len(text) > MAX_CHARACTERS:
        raise BadExpression(
            f"an expression has {MAX_CHARACTERS:,} characters at most", line=1, column=1, lines=1
        )
    named = frozenset(BY_NAME).intersection(f"{owner}.{name}" for owner, name in _NAMES.findall(text))
    try:
        program = _checked(text, named)
    except RuntimeError:
        named = frozenset(BY_NAME)  # a name written in some rare way: then it counts as looking at everything
        program = _checked_or_told(text, named)
    if program.return_type().name() != "BOOL":
        kind = program.return_type().name().lower()
        raise BadExpression(
            f"it must say true or false; it gives a value of type {kind}", line=1, column=1, lines=1
        )
    return Expression(text, named, program)


def _checked_or_told(text: str, names: frozenset[str]) -> Any:
    try:
        return _checked(text, names)
    except RuntimeError as error:
        raise _told(text, str(error)) from None


def _checked(text: str, names: frozenset[str]) -> Any:
    """Compiled where only the given variables are declared, so that it cannot look at others."""
    whole, type_of = _language()
    if names != BY_NAME.keys():
        type_of(names).compile(text)
    return whole.compile(text)


@lru_cache(maxsize=1)
def _language() -> tuple[Any, Callable[[frozenset[str]], Any]]:
    """The environment that declares every variable, and how to make one that declares a few."""
    from cel_expr_python import cel  # late: a yard without rules never loads it

    kinds = {
        "int": cel.Type.INT,
        "double": cel.Type.DOUBLE,
        "string": cel.Type.STRING,
        "bool": cel.Type.BOOL,
        "list(string)": cel.Type.List(cel.Type.STRING),
    }
    declared = {each.name: kinds[each.kind] for each in VARIABLES}

    def few(names: frozenset[str]) -> Any:
        return cel.NewEnv(variables={name: declared[name] for name in sorted(names)})

    return cel.NewEnv(variables=declared), few


# -- what the library says, as a person would


def _told(text: str, message: str) -> BadExpression:
    lines = text.count("\n") + 1
    found = list(_complaints(message))
    if not found:
        sentence = "it is nested too deep" if "recursion" in message else "it cannot be read"
        return BadExpression(sentence, line=1, column=1, lines=lines)
    line, column, complaint = found[0]
    if undeclared := _UNDECLARED.search(complaint):
        column = max(
            1, column - max(0, undeclared[1].rfind("."))
        )  # the library points at the last dot of a name
    return BadExpression(_sentence(text, line, column, complaint), line=line, column=column, lines=lines)


def _complaints(message: str) -> Iterator[tuple[int, int, str]]:
    """Wrong names first, since other complaints often follow from them; each with the place where it starts."""
    found = [(int(line), int(column), complaint) for line, column, complaint in _TOLD.findall(message)]
    yield from sorted(found, key=lambda each: (not _UNDECLARED.search(each[2]), each[0], each[1]))


def _sentence(text: str, line: int, column: int, complaint: str) -> str:
    if undeclared := _UNDECLARED.search(complaint):
        return _unknown(undeclared[1])
    if overload := _OVERLOAD.search(complaint):
        operation = overload[1].strip("_") or overload[1]
        return f"{operation!r} cannot be applied to ({overload[2]}); types must fit, as 0.5 to a double and 1 to an int"
    rest = text.split("\n")[line - 1][column - 1 :][:30]
    return f"it cannot be read from {rest!r} on" if rest else "it ends too early"


def _unknown(name: str) -> str:
    known = sorted(BY_NAME)
    near = get_close_matches(name, known, n=1, cutoff=0.6) or [
        each for each in known if each.partition(".")[2] == name
    ]
    if near:
        return f"{name!r} is not a variable; did you mean {near[0]!r}?"
    owner = name.partition(".")[0]
    listed = [each for each in known if each.startswith(f"{owner}.")]
    return f"{name!r} is not a variable; there are {', '.join(listed or known)}"
