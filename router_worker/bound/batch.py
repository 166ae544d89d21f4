"""The least that a finished batch could have cost, from what is recorded of it. Called by `router_worker.reports`.

Looking back, everything is known: which models each document was allowed, how long the answers were, how fast the
models were. A document at the model that answered it takes what it took; at any other, the same tokens at that model's
price and the catalog's speed, corrected by how that model did in this batch. The capacity is that of the providers'
ceilings and limits over the batch's own time, with nothing else to do.

Fifty thousand documents become some hundred classes: the same allowed models, the same cheapest one, sizes within a
fifth. The cost of the cheapest is added up exactly; what a class takes beyond it is the least of its members, so the
bound stays one, and without scarcity it is the sum of the cheapest to the cent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from router_worker.bound.program import solve
from router_worker.bound.values import Choice, NoSolution, Program, Resource, WorkClass
from schemas.catalog import Catalog, CatalogModel, CatalogProvider, Price

MOST_CLASSES = 3_000
STEPS = (4.0, 2.0, 1.0, 0.5)
"""Sizes a doubling, from fine to coarse; the finest that gives few enough classes is taken."""

LIMIT_BURST_S = 60.0
"""Limits are of a minute, and one minute of them may be used at once."""

Floats = NDArray[np.float64]


class Answered(NamedTuple):
    """One document that has its answer."""

    allowed: tuple[str, ...]
    """`provider/model` of all that might have served it."""
    model: str
    """`provider/model` that answered."""
    input_tokens: int
    """Of that call, in the model's own tokens; 0 where it was not told."""
    output_tokens: int
    latency_ms: int
    call_cost_usd_micros: int
    """Of that call."""
    cost_usd_micros: int
    """Of all calls for it."""
    expected_input_tokens: int
    """Document and prompt, in o200k tokens."""
    expected_output_tokens: int


@dataclass(frozen=True, slots=True)
class BatchBound:
    cost_usd_micros: int | None
    """Of all calls for the documents that have an answer; None where it was not looked at."""
    lp_lower_bound_usd_micros: int | None
    note: str
    """What it was computed over, or why it was not, as a sentence."""

    @property
    def gap(self) -> float | None:
        """How far the cost is above the bound, as a share of it; None where there is no bound above zero."""
        least = self.lp_lower_bound_usd_micros
        if least and self.cost_usd_micros is not None:
            return self.cost_usd_micros / least - 1
        return 0.0 if least == 0 == self.cost_usd_micros else None


@dataclass(frozen=True, slots=True)
class _Seat:
    name: str
    provider: CatalogProvider
    model: CatalogModel
    price: Price


def bound_of(answered: Sequence[Answered], catalog: Catalog, *, span_s: float) -> BatchBound:
    """`span_s` from the batch's beginning to its end."""
    cost = sum(one.cost_usd_micros for one in answered)
    seats = [
        _Seat(f"{provider.name}/{model.name}", provider, model, model.price)
        for provider in catalog.providers
        for model in provider.models
        if model.price is not None
    ]
    names = {seat.name for seat in seats}
    known = [one for one in answered if one.model in names]
    if not known:
        return BatchBound(
            cost, None, "No document was answered by a model of the catalog, so there is no bound."
        )
    if len(known) < len(answered):
        lost = len(answered) - len(known)
        return BatchBound(cost, None, f"{lost:,} documents were answered by models that left the catalog.")
    figures = _figures(known, seats)
    classes = _classes(known, seats, figures)
    least, base = figures.cost.min(axis=1), float(figures.cost.min(axis=1).sum())
    found = solve(Program(classes, _resources(catalog, span_s), base_usd_micros=base))
    about = f"{len(known):,} answered documents in {len(classes):,} classes over {span_s:,.0f} s."
    if isinstance(found, NoSolution):  # such as a ceiling that was raised in the middle of it
        return BatchBound(cost, int(least.sum() + 1e-3), f"Without capacity: {found.sentence} {about}")
    return BatchBound(cost, int(found.cost_usd_micros + 1e-3), about)


# -- what each document takes at each model


class _Figures(NamedTuple):
    """A row a document, a column a model; `inf` where it may not serve it."""

    cost: Floats
    seconds: Floats
    tokens: Floats
    """In o200k tokens, input and output; one column."""


def _figures(answered: Sequence[Answered], seats: Sequence[_Seat]) -> _Figures:
    column = {seat.name: index for index, seat in enumerate(seats)}
    rows = np.arange(len(answered))
    served = np.array([column[one.model] for one in answered])
    factor = np.array([seat.model.tokens_per_o200k for seat in seats])
    told = np.array([one.input_tokens > 0 for one in answered])
    read = np.where(
        told, _of(answered, "input_tokens") / factor[served], _of(answered, "expected_input_tokens")
    )
    written = np.where(
        told, _of(answered, "output_tokens") / factor[served], _of(answered, "expected_output_tokens")
    )
    cost = _at(seats, read, written, _rates) / 1_000_000
    seconds = _at(seats, read, written, _speeds) / 1000 + np.array(
        [seat.model.latency.base_ms / 1000 for seat in seats]
    )
    took = _of(answered, "latency_ms") / 1000
    seconds *= _pace(took, seconds[rows, served], served, len(seats))
    cost[rows, served] = _of(answered, "call_cost_usd_micros")
    seconds[rows, served] = took
    cost[~_may(answered, column)] = np.inf
    return _Figures(cost, seconds, read + written)


def _of(answered: Sequence[Answered], name: str) -> Floats:
    return np.array([getattr(one, name) for one in answered], dtype=float)


def _at(
    seats: Sequence[_Seat], read: Floats, written: Floats, rates: Callable[[_Seat], tuple[float, float]]
) -> Floats:
    """What grows with the tokens, in each model's own."""
    factor = np.array([seat.model.tokens_per_o200k for seat in seats])
    by_input, by_output = np.array([rates(seat) for seat in seats], dtype=float).T
    return np.outer(read, factor * by_input) + np.outer(written, factor * by_output)


def _rates(seat: _Seat) -> tuple[float, float]:
    return seat.price.input_usd_micros_per_mtok, seat.price.output_usd_micros_per_mtok


def _speeds(seat: _Seat) -> tuple[float, float]:
    return seat.model.latency.ms_per_input_token, seat.model.latency.ms_per_output_token


def _pace(took: Floats, expected: Floats, served: NDArray[np.int64], models: int) -> Floats:
    """How much longer than the catalog says each model took; 1 for those that answered nothing."""
    real = np.bincount(served, took, models)
    told = np.bincount(served, expected, models)
    return np.where((real > 0) & (told > 0), real / np.maximum(told, 1e-9), 1.0)


def _may(answered: Sequence[Answered], column: dict[str, int]) -> NDArray[np.bool_]:
    """The model that did answer is allowed, whatever is written."""
    masks: dict[tuple[str, ...], NDArray[np.bool_]] = {}
    found = np.zeros((len(answered), len(column)), dtype=bool)
    for row, one in enumerate(answered):
        if one.allowed not in masks:
            mask = np.zeros(len(column), dtype=bool)
            mask[[column[name] for name in one.allowed if name in column]] = True
            masks[one.allowed] = mask
        found[row] = masks[one.allowed]
        found[row, column[one.model]] = True
    return found


# -- classes and capacity


def _classes(
    answered: Sequence[Answered], seats: Sequence[_Seat], figures: _Figures
) -> tuple[WorkClass, ...]:
    may = np.isfinite(figures.cost)
    _, allowed = np.unique(np.packbits(may, axis=1), axis=0, return_inverse=True)
    least = figures.cost.min(axis=1, keepdims=True)
    extra = np.where(may, figures.cost - np.where(np.isfinite(least), least, 0.0), np.inf)
    for step in STEPS:
        size = np.floor(np.log2(np.maximum(figures.tokens, 1)) * step)
        keys = np.column_stack([allowed.ravel(), extra.argmin(axis=1), size])
        _, member = np.unique(keys, axis=0, return_inverse=True)
        member = member.ravel()
        if member.max() < MOST_CLASSES:
            break
    order = np.argsort(member, kind="stable")
    starts = np.searchsorted(member[order], np.arange(member.max() + 1))
    counts = np.bincount(member)
    cost, seconds = (np.minimum.reduceat(table[order], starts) for table in (extra, figures.seconds))
    tokens = np.minimum.reduceat(figures.tokens[order], starts)
    return tuple(
        WorkClass(float(counts[row]), tuple(_choices(seats, cost[row], seconds[row], float(tokens[row]))))
        for row in range(len(counts))
    )


def _choices(seats: Sequence[_Seat], cost: Floats, seconds: Floats, tokens: float) -> Iterator[Choice]:
    for column, seat in enumerate(seats):
        if np.isfinite(cost[column]):
            name = seat.provider.name
            uses = ((slots(name), float(seconds[column])), (requests(name), 1.0), (tokens_at(name), tokens))
            yield Choice(seat.name, float(cost[column]), uses)


def _resources(catalog: Catalog, span_s: float) -> tuple[Resource, ...]:
    found = []
    minutes = (span_s + LIMIT_BURST_S) / 60
    for provider in catalog.providers:
        limits = provider.limits
        found.append(Resource(slots(provider.name), (provider.ceiling * span_s,)))
        if limits.requests_per_minute is not None:
            found.append(Resource(requests(provider.name), (limits.requests_per_minute * minutes,)))
        if limits.tokens_per_minute is not None:
            found.append(Resource(tokens_at(provider.name), (limits.tokens_per_minute * minutes,)))
    return tuple(found)


def slots(provider: str) -> str:
    """The resource of a provider's slots, in seconds."""
    return f"slots {provider}"


def requests(provider: str) -> str:
    return f"requests {provider}"


def tokens_at(provider: str) -> str:
    return f"tokens {provider}"
