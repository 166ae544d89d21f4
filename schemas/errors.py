"""One error tree. Blame decides who sees an error and whether trying again can help.

    ClassyardError
    ├── CallerMistake            the submitter can mend it; never retried; exit code 2
    │   ├── BadInput             a file, a line or a field is not what it should be
    │   ├── UnknownName          a review, batch, job or provider that does not exist
    │   └── KeyConflict          a key that was used before, for other content
    ├── ConfigurationError       the operator can mend it; the role refuses to start
    │   ├── BadConfiguration     a catalog, policy or review file is wrong: file, line, field
    │   ├── MissingKey           a provider's credential reference leads nowhere
    │   └── PortInUse            an address that the operator chose is taken
    ├── SurroundingsFault        the machine or a service is at fault; trying later can help
    │   ├── YardNotRunning       no yard answers under this home
    │   ├── ServiceUnreachable   the database or the broker does not answer
    │   └── NoSpaceLeft          a disk is full
    └── InternalError            our bug; reported, never hidden
        └── IllegalTransition    a job was asked to take an edge that the lifecycle does not have

What a provider does wrong is not an exception but a value: `schemas.attempt.Fault`.
Every message is a sentence that a person can act on, and never carries document text or a key.
"""

from __future__ import annotations


class ClassyardError(Exception):
    """Base of everything Classyard raises on purpose; `str(error)` is a sentence to show."""

    exit_code = 1


class CallerMistake(ClassyardError):
    exit_code = 2


class BadInput(CallerMistake):
    """A file, a line or a field is not what it should be."""

    def __init__(self, sentence: str, *, where: str = "", code: str = "bad_input") -> None:
        super().__init__(f"{where}: {sentence}" if where else sentence)
        self.sentence = sentence
        self.where = where
        """File, and line where there is one, as a person would write it: `jobs.jsonl, line 7`."""
        self.code = code
        """A stable word for programs, such as `empty_file` or `duplicate_custom_id`."""


class UnknownName(CallerMistake):
    pass


class KeyConflict(CallerMistake):
    """An idempotency key names one submission for good; with other content it is a mistake of somebody's."""


class ConfigurationError(ClassyardError):
    exit_code = 3


class BadConfiguration(ConfigurationError):
    def __init__(self, sentence: str, *, where: str = "") -> None:
        super().__init__(f"{where}: {sentence}" if where else sentence)
        self.where = where


class MissingKey(ConfigurationError):
    pass


class PortInUse(ConfigurationError):
    pass


class SurroundingsFault(ClassyardError):
    exit_code = 4


class YardNotRunning(SurroundingsFault):
    pass


class ServiceUnreachable(SurroundingsFault):
    pass


class NoSpaceLeft(SurroundingsFault):
    pass


class InternalError(ClassyardError):
    exit_code = 70


class IllegalTransition(InternalError):
    pass
