"""What is made of a value that stays the same object for as long as a worker runs, such as a review, made once."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from threading import Lock
from typing import Concatenate, ParamSpec, TypeVar

V = TypeVar("V")
P = ParamSpec("P")
T = TypeVar("T")

MOST = 64
"""Values; a yard has a few reviews. Those that are made for one document push each other out."""


def remembered(make: Callable[Concatenate[V, P], T]) -> Callable[Concatenate[V, P], T]:
    """By which object it is and not by what it holds, which would cost as much as many a thing that is made of it. So
    nobody may change it, nor what was made.

    >>> @remembered
    ... def doubled(numbers: list[int]) -> list[int]:
    ...     return [2 * each for each in numbers]
    >>> three = [1, 2, 3]
    >>> doubled(three) is doubled(three), doubled(three) is doubled([1, 2, 3])
    (True, False)
    """
    known: dict[tuple[object, ...], tuple[V, T]] = {}
    writing = Lock()

    def made(value: V, /, *args: P.args, **more: P.kwargs) -> T:
        key = (id(value), *args, *more.values())
        there = known.get(key)
        if there is not None:
            return there[1]
        new = make(value, *args, **more)
        with writing:
            while len(known) >= MOST:
                del known[next(iter(known))]
            known[key] = value, new  # the value too, so that its id stays its own
        return new

    update_wrapper(made, make)
    return made
