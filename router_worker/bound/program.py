"""The linear program itself, by HiGHS: the least cost of serving all classes with what there is.

One column for each class, choice and bucket of time: how many documents, fractions included. One row for each class
(all of it is served), for each bucket of a resource, for the mean quality, and for each budget. Every real plan is a
point of this program, so its optimum is never above the cost of one; what it leaves out (whole documents, order,
chance, the future) only makes it lower. The only module that knows the solver.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from router_worker.bound.values import NoSolution, Program, Solution

Floats = NDArray[np.float64]

MOST_COLUMNS = 2_000_000
NOTHING = 1e-9
"""Documents and prices below this are the solver's rounding."""


def solve(program: Program, *, most_seconds: float = 60.0) -> Solution | NoSolution:
    """The least cost, where it was found within the time; the same program gives the same answer."""
    if not program.classes:
        return Solution(program.base_usd_micros)
    columns = _Columns(program)
    if len(columns) > MOST_COLUMNS:
        return NoSolution(f"It would take {len(columns):,} columns; {MOST_COLUMNS:,} are the most.")
    solver: Any = _Quiet()  # type: ignore[no-untyped-call]
    for name, value in _OPTIONS.items():
        solver.setOptionValue(name, value)
    solver.setOptionValue("time_limit", most_seconds)
    solver.passModel(_model(program, columns))
    solver.run()
    status = solver.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        return NoSolution(f"{_SENTENCES.get(status, 'The solver found no optimum.')}")
    found = solver.getSolution()
    return _read(program, columns, np.array(found.col_value), np.array(found.row_dual))


class _Quiet(highspy.Highs):
    """Without the two lines that making one prints: they come with its callbacks, before any option can be set."""

    def enableCallbacks(self) -> None:  # noqa: N802
        self.setOptionValue("output_flag", False)
        super().enableCallbacks()  # type: ignore[no-untyped-call]


_OPTIONS = {"output_flag": False, "threads": 1, "random_seed": 0}
"""Quiet, and the same way every time; one thread, since a router has other things to do."""

_SENTENCES = {
    highspy.HighsModelStatus.kInfeasible: "What there is does not suffice for all of the work.",
    highspy.HighsModelStatus.kTimeLimit: "The solver was not done in time.",
}


class _Columns:
    """The columns in order, as arrays: class, choice (-1: left out), bucket; and the rows by number."""

    def __init__(self, program: Program) -> None:
        self.keys = list(_keys(program))
        self.rows = _Rows(program)

    def __len__(self) -> int:
        return len(self.keys)


class _Rows:
    """Where the rows of each kind begin."""

    def __init__(self, program: Program) -> None:
        self.resource = {
            each.name: len(program.classes) + index * program.buckets
            for index, each in enumerate(program.resources)
        }
        self.quality = len(program.classes) + len(program.resources) * program.buckets
        self.spending = self.quality + 1
        self.count = self.spending + len(program.spendings)


def _keys(program: Program) -> Iterator[tuple[int, int, int]]:
    for number, each in enumerate(program.classes):
        for choice in range(len(each.choices)):
            for bucket in range(each.first, each.last + 1):
                yield number, choice, bucket
        if program.unserved_usd_micros is not None:
            yield number, -1, 0


def _model(program: Program, columns: _Columns) -> highspy.HighsLp:
    costs, starts, rows, values = _matrix(program, columns)
    lower, upper = _limits(program, columns.rows)
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(columns), columns.rows.count
    model.col_cost_ = np.array(costs)
    model.col_lower_ = np.zeros(len(columns))
    model.col_upper_ = np.full(len(columns), highspy.kHighsInf)
    model.row_lower_, model.row_upper_ = lower, upper
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = np.array(starts, dtype=np.int32)
    model.a_matrix_.index_ = np.array(rows, dtype=np.int32)
    model.a_matrix_.value_ = np.array(values)
    return model


def _matrix(program: Program, columns: _Columns) -> tuple[list[float], list[int], list[int], list[float]]:
    costs: list[float] = []
    starts, rows, values = [0], [], []
    at = columns.rows
    cumulative = {each.name for each in program.resources if each.is_cumulative}
    limited_in = _spent_on(program)
    for number, choice, bucket in columns.keys:
        rows.append(number)
        values.append(1.0)
        if choice < 0:
            costs.append(program.unserved_usd_micros or 0.0)
            starts.append(len(rows))
            continue
        chosen = program.classes[number].choices[choice]
        costs.append(chosen.cost_usd_micros)
        for name, amount in chosen.uses:
            if (first := at.resource.get(name)) is None or not amount:
                continue
            counted = range(bucket, program.buckets) if name in cumulative else (bucket,)
            rows.extend(first + each for each in counted)
            values.extend(amount for _ in counted)
        rows.append(at.quality)
        values.append(chosen.quality - program.mean_quality)
        for spending in limited_in.get(number, ()):
            rows.append(at.spending + spending)
            values.append(chosen.cost_usd_micros)
        starts.append(len(rows))
    return costs, starts, rows, values


def _spent_on(program: Program) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for number, each in enumerate(program.spendings):
        for one in each.classes:
            found.setdefault(one, []).append(number)
    return found


def _limits(program: Program, rows: _Rows) -> tuple[Floats, Floats]:
    lower = np.full(rows.count, -highspy.kHighsInf)
    upper = np.full(rows.count, highspy.kHighsInf)
    demand = [each.documents for each in program.classes]
    lower[: len(demand)] = upper[: len(demand)] = demand
    for each in program.resources:
        first = rows.resource[each.name]
        upper[first : first + program.buckets] = each.amounts
    lower[rows.quality] = 0.0
    upper[rows.spending :] = [each.most_usd_micros for each in program.spendings]
    return lower, upper


# -- the answer


def _read(program: Program, columns: _Columns, amounts: Floats, duals: Floats) -> Solution:
    placed, cost, unserved = {}, program.base_usd_micros, 0.0
    for index in np.flatnonzero(amounts > NOTHING):
        number, choice, bucket = columns.keys[index]
        amount = float(amounts[index])
        if choice < 0:
            unserved += amount
            continue
        placed[number, choice, bucket] = amount
        cost += amount * program.classes[number].choices[choice].cost_usd_micros
    rows = columns.rows
    prices = {
        each.name: _prices(duals[rows.resource[each.name] :][: program.buckets], each.is_cumulative)
        for each in program.resources
    }
    return Solution(cost, unserved, placed, prices, max(0.0, float(duals[rows.quality])))


def _prices(duals: Floats, is_cumulative: bool) -> tuple[float, ...]:
    """Of a row that binds the dual is what one more unit lowers the cost by, so it is below zero. What is used in a
    bucket is missing in every later row of a resource that is counted from the beginning."""
    worth = np.maximum(0.0, -duals)
    if is_cumulative:
        worth = np.cumsum(worth[::-1])[::-1]
    return tuple(float(each) if each > NOTHING else 0.0 for each in worth)
