"""What routing costs, over the least that it could: Azure's arrivals with CUAD's sizes, residency, sensitivity,
deadlines, ceilings and limits, on a virtual clock. The real engine decides every job.

    python -m benchmarks.routing.cost [--data DIR] [--quick]

The bound is the product's own program (`router_worker.bound`): every job a class of its own, in buckets of about 20 s,
with the same constraints and the same mean quality. *Offline* follows the prices of that program, which knows all jobs;
*online* knows only what came before, and asks a small program every ten seconds. Every decision is checked by plain
rules that import nothing of the engine, and every day for ceilings, limits and deadlines.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.routing.clock import Day
from benchmarks.routing.data import data_folder, missing
from benchmarks.routing.desks import (
    QUALITY,
    Chance,
    Online,
    Planned,
    Steady,
    Tracking,
    bucket_for,
    whole_program,
)
from benchmarks.routing.machine import machine
from benchmarks.routing.market import ARRIVALS, CONTRACTS, Job, Trace, jobs, market, read_trace
from benchmarks.routing.plan import Plan
from benchmarks.routing.rules import allowed, overdrawn, violations
from router_worker.bound.program import solve
from router_worker.bound.shadows import slot_prices
from router_worker.bound.values import Program, Solution

BUCKET_S = 20.0
PAST = 500
"""Arrivals before a window, which the online desk has seen."""

DECISIONS = 1_000_000
QUALITY_PRICES = (0.0, 40_000.0, 80_000.0, 160_000.0)
"""Of the days that are there for the number of decisions alone: from the cheapest to nearly the best."""

NAMES = {
    "offline": "offline: the plan's prices, all known",
    "online": "online: no future",
    "greedy": "greedy by deadline, same quality",
    "cheapest": "cheapest first",
    "chance": "any that may",
}


class Window(NamedTuple):
    """So many arrivals of the trace from `first` on, with what `seed` makes of them."""

    data: str
    first: int
    count: int
    seed: int


def figures(plan: Plan) -> dict[str, Any]:
    """`cost_over_lp_offline`, `cost_over_lp_online`, `policy_violations`, `decisions`, and what they come from."""
    if gaps := missing(plan.data, ARRIVALS, CONTRACTS):
        return {"left_out": {"cost": f"{gaps[0]} is not in the data folder"}}
    whole = windows(plan)
    measured, more = _all(plan, whole)
    return summed(measured, more) | {"left_out": {}}


def windows(plan: Plan) -> list[Window]:
    """One after another, as many as the trace has; a quick run takes a short one."""
    arrivals = len(_trace(str(plan.data)).arrives_s)
    past = min(PAST, arrivals // 4)
    count = min(400 if plan.quick else 3_000, arrivals - past)
    most = 1 if plan.quick else (arrivals - past) // count
    return [Window(str(plan.data), past + index * count, count, index + 1) for index in range(most)]


def _all(plan: Plan, whole: Sequence[Window]) -> tuple[list[dict[str, Any]], list[dict[str, int]]]:
    if plan.quick:
        return [measure(one) for one in whole], [repeat(whole[0]._replace(seed=101))]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        measured = list(pool.map(measure, whole))
        left = DECISIONS - sum(one["decisions"] for one in measured)
        again = [
            whole[index % len(whole)]._replace(seed=101 + index)
            for index in range(max(0, -(-left // whole[0].count)))
        ]
        return measured, list(pool.map(repeat, again, chunksize=4))


@lru_cache(maxsize=2)
def _trace(folder: str) -> Trace:
    return read_trace(Path(folder))


def measure(window: Window) -> dict[str, Any]:
    """The bound of one window, and what each desk makes of it."""
    catalog, work, past = market(), _work(window), _past(window)
    bucket_s = bucket_for(work, BUCKET_S)
    program = whole_program(work, catalog, bucket_s)
    bound = solve(program, most_seconds=600.0)
    if not isinstance(bound, Solution):
        raise RuntimeError(bound.sentence)
    pairs = sum(len(provider.models) for provider in catalog.providers) * len(work)
    found: dict[str, Any] = {
        "jobs": len(work),
        "forbidden": pairs - sum(len(allowed(job, catalog)) for job in work),
        "pairs": pairs,
        "lp_usd_micros": bound.cost_usd_micros,
        "lp_missed": bound.unserved,
        "decisions": 0,
        "violations": 0,
        "desks": {},
    }
    price = bound.quality_price
    for name, desk in {
        "offline": Planned(price, prices=_prices(bound, program), bucket_s=bucket_s),
        "online": Online(catalog=catalog, past=past),
        "greedy": Tracking(price),
        "cheapest": Steady(),
        "chance": Chance(seed=window.seed),
    }.items():
        day = _day(desk, work)
        found["decisions"] += len(day.decided)
        found["violations"] += faults(day)
        quality = sum(one.quality for one in day.done) / len(work)
        found["desks"][name] = {
            "usd_micros": sum(one.cost_usd_micros for one in day.done),
            "quality": quality,
            "lp_usd_micros": bound.cost_usd_micros - price * max(0.0, QUALITY - quality) * len(work),
            "late": sum(one.is_late for one in day.done),
        }
    return found


def repeat(window: Window) -> dict[str, int]:
    """Decisions alone: another draw of who may see what, at another price of quality."""
    price = QUALITY_PRICES[window.seed % len(QUALITY_PRICES)]
    day = _day(Steady(price), _work(window))
    return {"decisions": len(day.decided), "violations": faults(day)}


def faults(day: Day) -> int:
    return sum(1 for _ in violations(day.decided, day.catalog)) + sum(
        1 for _ in overdrawn(day.done, day.catalog)
    )


def _day(desk: Steady, work: Sequence[Job]) -> Day:
    day = Day(market(), desk)
    if isinstance(desk, Tracking):
        desk.day = day
    return day.run(work)


def _work(window: Window) -> list[Job]:
    return jobs(_trace(window.data), window.first, window.count, window.seed)


def _past(window: Window) -> list[Job]:
    trace = _trace(window.data)
    count = min(PAST, window.first)
    before = trace.arrives_s[window.first] - trace.arrives_s[window.first - count]
    return [
        replace(job, arrives_s=job.arrives_s - before)
        for job in jobs(trace, window.first - count, count, window.seed)
    ]


def _prices(bound: Solution, program: Program) -> dict[str, list[int]]:
    """Of each provider's slots, in each bucket."""
    names = [provider.name for provider in market().providers]
    buckets = [slot_prices(bound, program.classes, names, bucket) for bucket in range(program.buckets)]
    return {name: [prices.get(name, 0) for prices in buckets] for name in names}


def over(rows: Sequence[dict[str, Any]]) -> float | None:
    """Cost over the bound of a plan of the same quality: where quality was missed, the bound less what its price says
    that the rest would have cost. That is a bound too (the least cost is convex in the quality), and it is lower, so
    nobody looks cheap for what was left out. None where so much is missing that it says nothing."""
    least = sum(row["lp_usd_micros"] for row in rows)
    short = any(row["quality"] < QUALITY - 0.01 for row in rows)
    return None if short or least <= 0 else round(sum(row["usd_micros"] for row in rows) / least, 4)


def summed(measured: Sequence[dict[str, Any]], more: Sequence[dict[str, int]]) -> dict[str, Any]:
    least = sum(one["lp_usd_micros"] for one in measured)
    everybody = sum(one["jobs"] for one in measured)
    desks = {
        name: {
            "cost_over_lp": over([one["desks"][name] for one in measured]),
            "worst_window": max((over([one["desks"][name]]) or 0.0 for one in measured), default=0.0) or None,
            "quality": round(
                sum(one["desks"][name]["quality"] * one["jobs"] for one in measured) / everybody, 4
            ),
            "late": sum(one["desks"][name]["late"] for one in measured),
        }
        for name in NAMES
    }
    runs = [*measured, *more]
    return {
        "cost_over_lp_offline": desks["offline"]["cost_over_lp"],
        "cost_over_lp_online": desks["online"]["cost_over_lp"],
        "policy_violations": sum(one["violations"] for one in runs),
        "decisions": sum(one["decisions"] for one in runs),
        "cost": {
            "desks": desks,
            "windows": len(measured),
            "jobs": everybody,
            "lp_usd_micros_a_job": round(least / everybody, 1),
            "lp_missed": round(sum(one["lp_missed"] for one in measured), 2),
            "quality_asked": QUALITY,
            "pairs_forbidden": round(
                sum(one["forbidden"] for one in measured) / sum(one["pairs"] for one in measured), 3
            ),
        },
    }


# -- the page


def page(found: dict[str, Any]) -> str:
    """The section on cost, as Markdown; empty where it was not measured."""
    return "\n".join(_lines(found)) if "cost" in found else ""


def _lines(found: dict[str, Any]) -> Iterator[str]:
    cost = found["cost"]
    yield (
        f"**Cost.** {cost['jobs']:,} arrivals of the Azure trace in {cost['windows']} windows, CUAD's sizes, five "
        f"providers and eleven models at list prices, {100 * cost['pairs_forbidden']:.0f} % of pairs forbidden by "
        f"sensitivity, residency and quality; deadlines of 30 s to 5 min, ceilings, requests and tokens a minute; mean "
        f"quality {cost['quality_asked']:g} or more. The least possible is ${cost['lp_usd_micros_a_job'] / 1000:.3f} a "
        f"thousand documents; it misses {cost['lp_missed']:g} deadlines."
    )
    yield ""
    yield "| who decides | cost / LP bound | worst window | mean quality | deadlines missed |"
    yield "|---|---|---|---|---|"
    for name, told in NAMES.items():
        row = cost["desks"][name]
        yield (
            f"| {told} | {_told(row['cost_over_lp'])} | {_told(row['worst_window'])} | {row['quality']:.4f} | "
            f"{row['late']:,} |"
        )
    yield ""
    yield (
        "Anchor (another market): greedy by deadline 1.057; reach ≤ 1.03 offline, ≤ 1.10 online. Where quality is "
        "missed the bound is that of the quality reached. "
        f"{found['policy_violations']:,} violations in {found['decisions']:,} "
        "decisions of the engine, by plain rules (anchor: 0 in 1,000,000)."
    )


def _told(ratio: float | None) -> str:
    return "quality missed" if ratio is None else f"{ratio:.3f}"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.routing.cost", description=__doc__)
    parser.add_argument("--data", help="a folder laid out like CLASSYARD_DATA, which is the default")
    parser.add_argument("--quick", action="store_true", help="one short window: to see that it works")
    asked = parser.parse_args(arguments)
    found = figures(Plan(data_folder(asked.data), quick=asked.quick))
    print(json.dumps(found | {"run": machine()}, indent=2, sort_keys=True))
    print(page(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
