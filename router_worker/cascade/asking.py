"""Whom to ask next, or whose answer to keep, when the answers of several models can be compared.

    answers so far → who agrees with whom → chance that each is right → ask one more, or stop

**Learned.** From cases whose outcome is known for every model: how often each was right, for each set of models that
were asked and each way in which they agree (`agreement`). What an answer says does not count, only who says the same.
Rare ways borrow: the chance is pulled towards the mean of what the same evidence says with one answer less.

**Planned.** For a price of one unit of cost in chance of a right answer, backwards from the longest evidence: stop
with the likeliest answer, or pay for the model after which most is expected. So a plan that is followed on the cases
it was learned from is worth at least what the best single model is; on others a table of few cases promises too much,
and who uses it compares it with the single models on cases held back.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

MOST = 3
"""Answers to one case. With four, plans learned from 600 cases were worse on others than those with three."""

PULL = 20.0
"""Cases that what is known with one answer less counts for."""


class Case(NamedTuple):
    """What every model answered, and how right it was."""

    answers: Sequence[Hashable]
    scores: Sequence[float]
    """0..1, one for each answer."""


class Place(NamedTuple):
    """What is known of a case: who was asked, and who agrees with whom."""

    asked: tuple[int, ...] = ()
    """Models by number, ascending."""
    pattern: tuple[int, ...] = ()
    """The `agreement` of their answers."""


class Step(NamedTuple):
    model: int
    is_last: bool
    """Whether its answer, which is there already, is kept; otherwise it is to be asked."""
    worth: float
    """Expected from here on: chance of a right answer less the price of what is still asked."""


class Further(NamedTuple):
    """One answer further."""

    settled: float
    """Chance of a right answer over the places where nobody more is asked, whatever the price."""
    open: tuple[tuple[float, Place], ...]
    """The others, each with its share of the cases."""


class Seen(NamedTuple):
    """The cases of one place."""

    weight: float
    """How many."""
    chances: tuple[float, ...]
    """That the answer is right, one for each of the asked."""
    stop: Step | None
    """Keeping the likeliest of them; None where nobody was asked."""
    after: Mapping[int, Further]
    """Where asking one more model leads; none after the last answer."""


@dataclass(frozen=True, slots=True)
class Learned:
    costs: tuple[float, ...]
    """Of one answer of each model."""
    places: dict[Place, Seen]
    """Longer evidence after shorter."""

    def chances(self, place: Place) -> tuple[float, ...]:
        """Of each of the asked; where the models never agreed so, what the same evidence says with one less."""
        if place in self.places:
            return self.places[place].chances
        return _before(place, self.chances)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do at every place that it may lead to, at one price."""

    learned: Learned
    price: float
    steps: Mapping[Place, Step]
    """Where one more may be asked."""

    def step(self, place: Place) -> Step:
        """After the last answer, and where the models never agreed so, the likeliest answer is kept."""
        return self.steps.get(place) or _stop(place, self.learned.chances(place))


def agreement(answers: Iterable[Hashable]) -> tuple[int, ...]:
    """For each answer the number of the first one that says the same.

    >>> agreement(["B", "A", "B"])
    (0, 1, 0)
    """
    first: dict[Hashable, int] = {}
    return tuple(first.setdefault(answer, number) for number, answer in enumerate(answers))


def place_of(asked: Iterable[int], answers: Sequence[Hashable] | Mapping[int, Hashable]) -> Place:
    """Where a case stands once these models have answered; `answers` by the model's number."""
    known = tuple(sorted(asked))
    return Place(known, agreement(answers[model] for model in known))


def learn(cases: Sequence[Case], costs: Sequence[float], *, most: int = MOST, pull: float = PULL) -> Learned:
    """`most`: answers to one case at most. Cost: cases × sets of that many models.

    Raises:
        ValueError: there is no case, or one has not as many answers and scores as there are costs.
    """
    if not cases or not costs or any(len(each) != len(costs) for case in cases for each in case):
        msg = (
            "A policy of asking is learned from cases that each have one answer and one score for every cost."
        )
        raise ValueError(msg)
    places: dict[Place, Seen] = {}
    todo = [(Place(), list(cases))]
    for place, members in todo:  # grows as it goes, so shorter evidence comes before longer
        places[place] = _seen(place, members, places, pull)
        if len(place.asked) < most:
            todo.extend(_longer(place, members, len(costs)))
    return Learned(tuple(costs), _linked(places))


def plan(learned: Learned, price: float) -> Plan:
    """`price`: of one unit of cost, in chance of a right answer; 0 or more."""
    steps: dict[Place, Step] = {}
    for place in reversed(learned.places):
        seen = learned.places[place]
        if seen.after:
            steps[place] = _best(seen, learned, price, steps)
    return Plan(learned, price, steps)


# -- learning


def _seen(place: Place, members: Sequence[Case], places: Mapping[Place, Seen], pull: float) -> Seen:
    """A single answer is as often right as it was; with more, what is known with one less pulls."""
    right = [sum(case.scores[model] for case in members) for model in place.asked]
    weight = float(len(members))
    if len(place.asked) < 2:
        chances = tuple(total / weight for total in right)
    else:
        both = zip(right, _before(place, lambda shorter: places[shorter].chances), strict=True)
        chances = tuple((total + pull * known) / (weight + pull) for total, known in both)
    return Seen(weight, chances, _stop(place, chances) if chances else None, {})


def _before(place: Place, chances: Callable[[Place], tuple[float, ...]]) -> tuple[float, ...]:
    """For each answer, the mean of its chances where one of the others was not asked."""
    told: list[list[float]] = [[] for _ in place.asked]
    for left_out in range(len(place.asked)):
        known = iter(chances(_without(place, left_out)))
        for position, values in enumerate(told):
            if position != left_out:
                values.append(next(known))
    return tuple(sum(values) / len(values) for values in told)


def _without(place: Place, left_out: int) -> Place:
    asked, pattern = place
    rest = pattern[:left_out] + pattern[left_out + 1 :]
    return Place(asked[:left_out] + asked[left_out + 1 :], agreement(rest))


def _longer(place: Place, members: Sequence[Case], models: int) -> Iterator[tuple[Place, list[Case]]]:
    """With one model more, of a higher number than those before: so each set of models is met once."""
    asked, pattern = place
    for model in range(asked[-1] + 1 if asked else 0, models):
        groups: dict[int, list[Case]] = {}
        for case in members:
            groups.setdefault(_like(case.answers, model, asked), []).append(case)
        for like in sorted(groups):
            yield Place((*asked, model), (*pattern, like)), groups[like]


def _like(answers: Sequence[Hashable], model: int, asked: Sequence[int]) -> int:
    answer = answers[model]
    for position, other in enumerate(asked):
        if answers[other] == answer:
            return position
    return len(asked)


def _linked(places: dict[Place, Seen]) -> dict[Place, Seen]:
    """Each with the places that lie one answer further."""
    after: dict[Place, dict[int, list[Place]]] = {place: {} for place in places}
    for place in places:
        for position, model in enumerate(place.asked):
            after[_without(place, position)].setdefault(model, []).append(place)
    linked: dict[Place, Seen] = {}
    for place in reversed(places):
        further = {
            model: _further(places[place], after[place][model], linked) for model in sorted(after[place])
        }
        linked[place] = places[place]._replace(after=further)
    return {place: linked[place] for place in places}


def _further(seen: Seen, places: Sequence[Place], linked: Mapping[Place, Seen]) -> Further:
    shares = [(linked[place].weight / seen.weight, place) for place in places]
    settled = [share * max(linked[place].chances) for share, place in shares if not linked[place].after]
    return Further(sum(settled), tuple(pair for pair in shares if linked[pair[1]].after))


# -- planning


def _best(seen: Seen, learned: Learned, price: float, known: Mapping[Place, Step]) -> Step:
    """Stopping wins where asking is worth no more; else the first of those that are worth most."""
    best = seen.stop
    for model, further in seen.after.items():
        rest = sum(share * known[place].worth for share, place in further.open)
        worth = further.settled + rest - price * learned.costs[model]
        if best is None or worth > best.worth:
            best = Step(model, is_last=False, worth=worth)
    assert best is not None, "a place that is planned has places after it"
    return best


def _stop(place: Place, chances: Sequence[float]) -> Step:
    """The first of the likeliest."""
    position = max(range(len(chances)), key=lambda one: (chances[one], -one))
    return Step(place.asked[position], is_last=True, worth=chances[position])
