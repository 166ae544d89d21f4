"""Conditions over pairs of job and candidate, split so that each part is evaluated as seldom as possible.

    job.language == 'de' && provider.regions.exists(r, r.startsWith('us'))
    ────────────────────    ──────────────────────────────────────────────
    once a job              once a catalog

What a part gives for all candidates is one integer, a bit for each in the order of the seats, so that `&&`, `||` and
`!` are one operation for a hundred candidates. A part that looks at both is evaluated once for each distinct value of
what it looks at, and only where the other parts leave the answer open.

Failures count as the language counts them: `false && failed` is false, `true || failed` is true, whatever the order.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from router_worker.engine.splitting import split
from schemas.expressions import Expression, compiled, situation
from schemas.variables import Facts


class Weighed(NamedTuple):
    """For which candidates a condition is true, and for which it could not be evaluated; a bit for each."""

    true: int
    failed: int


NOBODY = Weighed(0, 0)


class Known(NamedTuple):
    """A job as conditions see it."""

    facts: Facts
    situation: Any
    said: dict[str, bool | None]
    """What conditions have said of this job already, by their text: rules repeat each other's parts."""
    beside: dict[tuple[frozenset[str], int], Any]
    """Its situations beside groups of candidates, by the names that are looked at and the bits of the group."""

    @classmethod
    def of(cls, facts: Facts) -> Known:
        return cls(facts, situation(facts), {}, {})

    def says(self, expression: Expression) -> bool | None:
        text = expression.text
        if text not in self.said:
            self.said[text] = expression.holds(self.situation)
        return self.said[text]


class Clause(Protocol):
    """A condition that is ready to be asked of every candidate at once."""

    @property
    def cost(self) -> int:
        """Of weighing it; cheap ones are asked first."""

    def weigh(self, job: Known, among: int) -> Weighed:
        """For the candidates whose bits are set in `among`, and for no others."""


@dataclass(frozen=True, slots=True)
class OfCandidates:
    """Says the same of every job: known beforehand."""

    known: Weighed
    cost: ClassVar[int] = 0

    def weigh(self, job: Known, among: int) -> Weighed:
        return Weighed(self.known.true & among, self.known.failed & among)


@dataclass(frozen=True, slots=True)
class OfJob:
    """Says the same of every candidate: evaluated once a job."""

    expression: Expression
    cost: ClassVar[int] = 1

    def weigh(self, job: Known, among: int) -> Weighed:
        holds = job.says(self.expression)
        if holds is None:
            return Weighed(0, among)
        return Weighed(among, 0) if holds else NOBODY


@dataclass(frozen=True, slots=True)
class OfPairs:
    """Evaluated for each group of candidates that look the same to it."""

    expression: Expression
    job_names: tuple[str, ...]
    groups: tuple[tuple[Facts, int], ...]
    cost: ClassVar[int] = 2

    def weigh(self, job: Known, among: int) -> Weighed:
        names, known = self.expression.names, job.beside
        true = failed = 0
        for facts, members in self.groups:
            if not members & among:
                continue
            if (names, members) not in known:
                of_job = {name: job.facts[name] for name in self.job_names}
                known[names, members] = situation({**of_job, **facts})
            holds = self.expression.holds(known[names, members])
            if holds is None:
                failed |= members
            elif holds:
                true |= members
        return Weighed(true & among, failed & among)


@dataclass(frozen=True, slots=True)
class Opposite:
    part: Clause
    cost: ClassVar[int] = 3

    def weigh(self, job: Known, among: int) -> Weighed:
        true, failed = self.part.weigh(job, among)
        return Weighed(among & ~true & ~failed, failed)


@dataclass(frozen=True, slots=True)
class Every:
    parts: tuple[Clause, ...]
    cost: ClassVar[int] = 3

    def weigh(self, job: Known, among: int) -> Weighed:
        left, failed = among, 0
        for part in self.parts:
            if not left:
                break
            true, broken = part.weigh(job, left)
            left &= true | broken
            failed = (failed | broken) & left
        return Weighed(left & ~failed, failed)


@dataclass(frozen=True, slots=True)
class Some:
    parts: tuple[Clause, ...]
    cost: ClassVar[int] = 3

    def weigh(self, job: Known, among: int) -> Weighed:
        left, failed = among, 0
        for part in self.parts:
            if not left:
                break
            true, broken = part.weigh(job, left)
            left &= ~true
            failed = (failed | broken) & left
        return Weighed(among & ~left, failed)


class Panel:
    """The candidates of a catalog as conditions see them, in the order of their seats."""

    def __init__(self, candidates: Iterable[Facts]) -> None:
        self.facts = tuple(candidates)
        self.situations = tuple(situation(facts) for facts in self.facts)
        self._values = [{name: _hashable(value) for name, value in facts.items()} for facts in self.facts]

    def groups(self, names: Iterable[str]) -> Iterator[tuple[int, int]]:
        """Candidates that have the same values under these names: the index of one, and the bits of all."""
        _, looked_at = _parted(names)
        members: dict[Hashable, int] = {}
        first: dict[Hashable, int] = {}
        for index, values in enumerate(self._values):
            key = tuple(values[name] for name in looked_at)
            first.setdefault(key, index)
            members[key] = members.get(key, 0) | 1 << index
        return ((first[key], bits) for key, bits in members.items())


def clause(text: str, panel: Panel) -> Clause:
    """The condition, ready for these candidates."""
    expression = compiled(text)
    if expression.is_of_pairs:
        return OfCandidates(_weighed(expression, panel))
    if expression.is_of_jobs:
        return OfJob(expression)
    parted = split(text)
    if parted is None:
        return _of_pairs(expression, panel)
    parts = sorted((clause(part, panel) for part in parted.parts), key=lambda part: part.cost)
    if parted.operator == "!":
        return Opposite(parts[0])
    return Every(tuple(parts)) if parted.operator == "&&" else Some(tuple(parts))


def _weighed(expression: Expression, panel: Panel) -> Weighed:
    true = failed = 0
    for one, members in panel.groups(expression.names):
        holds = expression.holds(panel.situations[one])
        failed |= members if holds is None else 0
        true |= members if holds else 0
    return Weighed(true, failed)


def _of_pairs(expression: Expression, panel: Panel) -> OfPairs:
    of_job, of_pair = _parted(expression.names)
    groups = tuple(
        ({name: panel.facts[one][name] for name in of_pair}, members)
        for one, members in panel.groups(of_pair)
    )
    return OfPairs(expression, of_job, groups)


def _parted(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of the job, and the others."""
    of_job = sorted(name for name in names if name.startswith("job."))
    return tuple(of_job), tuple(sorted(set(names) - set(of_job)))


def _hashable(value: Any) -> Hashable:
    return tuple(value) if isinstance(value, list) else value
