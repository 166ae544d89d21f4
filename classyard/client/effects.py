"""What an operation asks of the one who carries it out. Values only: this is the seam between thinking and sending.

An operation is a generator. It yields effects, is sent what came of each, and gives its values with `Give`. A transport
that carries effects out, blocking or not, is all that two clients differ in.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from classyard.client.bodies import Body

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    """Below the API's address, such as `/reviews`."""
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    is_repeatable: bool = True
    """Whether sending it twice does no more than sending it once."""
    timeout_s: float | None = None
    """For each wait on the network; None: the client's."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Send:
    """Answered with the whole `Reply`. A `ConnectionFault` is thrown in where none came."""

    request: Request


@dataclass(frozen=True, slots=True)
class Open:
    """Answered with a `Reply`. Its body is empty where it is a success: that is to be had with `Read`.

    The stream that was open before is closed.
    """

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """Answered with the next bytes of the open stream; empty at its end."""


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Give(Generic[T]):
    """A value for the caller."""

    value: T


Effect = Send | Open | Read | Pause
Operation = Generator[Effect | Give[T], Any, None]
"""The last value that it gives is its outcome."""


def advance(operation: Operation[T], outcome: Any) -> Effect | Give[T] | None:
    """Hands in what came of an effect (a fault is thrown in) and gives the next one; None at the end."""
    try:
        return operation.throw(outcome) if isinstance(outcome, Exception) else operation.send(outcome)
    except StopIteration:
        return None
