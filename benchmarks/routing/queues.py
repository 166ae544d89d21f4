"""Time to completion on unequal endpoints, and how soon a provider that is not what it was is seen.

Eight endpoints of one slot, at speeds 1, 1, 1, 1, ½, ½, ¼ and ¼. Lengths are those of a recorded trace, in an order
drawn by seed; calls arrive by chance (Poisson) at nine tenths of what all endpoints can do. Lengths of answers are not
known beforehand: the engine is told the mean of the latest earlier calls of about the same input. Nor does it know the
speeds: the catalog says that all are alike.
"""

from __future__ import annotations

import csv
import gzip
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, inf, log
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any, TypeVar

import numpy as np

from benchmarks.routing.data import missing
from benchmarks.routing.endpoints import (
    PRIOR,
    SPEEDS,
    Call,
    Engine,
    at_random,
    least_busy,
    lowest_latency,
    picked,
    pooled,
    round_robin,
    two_choices,
)
from benchmarks.routing.peers import Alarm, PeerMissing, adwin, version
from benchmarks.routing.plan import Plan, spread
from governance.drift.faults import Faults
from governance.drift.pace import Pace

TRACE = "load/AzureLLMInferenceTrace_conv.csv.gz"
LOAD = 0.9
BINS, REMEMBERED = 40, 200
"""Classes of input length, and the calls of a class that its mean is of, about."""

SPREAD = 0.5
"""Of the logarithm of what a call takes, where detectors are measured: half of all calls are off by a third or more."""

FAULT_SHARES = (0.02, 0.05)
SETTLING = 500
"""Calls before a change."""

WATCHED = 3_000
"""Calls after it, in which a peer may notice."""


State = TypeVar("State", Pace, Faults)


def figures(plan: Plan) -> dict[str, Any]:
    if missing(plan.data, TRACE):
        return {"queues": None, "left_out": {"queues": f"{TRACE} is not in the data folder"}}
    lengths = read_trace(plan.data / TRACE)
    lengths = lengths[:3_000] if plan.quick else lengths
    runs = [_compared(lengths, seed) for seed in range(plan.splits)]
    names = runs[0].keys()
    table = {
        name: {
            "mean_s": spread([run[name].mean for run in runs]),
            "p99_s": spread([run[name].p99 for run in runs]),
        }
        for name in names
    }
    ours = [run["engine"].p99 for run in runs]
    ratios = {
        "over_least_busy": spread([p99 / run["least busy"].p99 for p99, run in zip(ours, runs, strict=True)]),
        "over_bound": spread([p99 / run["bound"].p99 for p99, run in zip(ours, runs, strict=True)]),
        "bound_over_least_busy": spread([run["bound"].p99 / run["least busy"].p99 for run in runs]),
    }
    return {
        "queues": table,
        "calls": len(lengths),
        "p99": ratios,
        "p99_over_least_busy": ratios["over_least_busy"]["median"],
        "p99_over_bound": ratios["over_bound"]["median"],
        **detected(plan),
    }


@dataclass(frozen=True, slots=True)
class Took:
    mean: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Took:
        return cls(fmean(seconds), float(np.percentile(seconds, 99)))


def read_trace(path: Path) -> list[tuple[int, int]]:
    """Tokens into and out of each call."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return [(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in csv.DictReader(lines)]


def calls_of(lengths: Sequence[tuple[int, int]], seed: int, *, load: float = LOAD) -> list[Call]:
    chance = Random(seed)
    drawn = chance.sample(lengths, len(lengths))
    mean_s = fmean(PRIOR.expected_ms(*each) for each in drawn) / 1000
    a_second = load * sum(SPEEDS) / mean_s
    now_s, calls = 0.0, []
    for (read, written), guess in zip(drawn, guesses(drawn), strict=True):
        now_s += chance.expovariate(a_second)
        calls.append(Call(now_s, read, written, guess))
    return calls


def guesses(lengths: Sequence[tuple[int, int]]) -> list[int]:
    """For each call, the mean answer of earlier ones of about its input; before there are any, of all earlier ones."""
    ordered = sorted(read for read, _ in lengths)
    cuts = [ordered[len(ordered) * part // BINS] for part in range(1, BINS)]
    means, counts = [0.0] * BINS, [0] * BINS
    mean, found = 0.0, []
    for number, (read, written) in enumerate(lengths):
        place = bisect_right(cuts, read)
        found.append(round(means[place] if counts[place] else mean))
        counts[place] += 1
        means[place] += (written - means[place]) / min(REMEMBERED, counts[place])
        mean += (written - mean) / (number + 1)
    return found


def _compared(lengths: Sequence[tuple[int, int]], seed: int) -> dict[str, Took]:
    calls = calls_of(lengths, seed)
    known = [
        Call(each.arrives_s, each.input_tokens, each.output_tokens, each.output_tokens) for each in calls
    ]
    picks = {
        "random": at_random,
        "round-robin": round_robin(),
        "least busy": least_busy,
        "power of two choices": two_choices,
        "lowest latency": lowest_latency,
    }
    took = {"bound": pooled(calls)}
    took |= {name: picked(calls, pick, Random(seed)) for name, pick in picks.items()}
    took["engine"] = Engine().run(calls)
    took["engine, lengths known"] = Engine().run(known)
    return {name: Took.of(seconds) for name, seconds in took.items()}


# -- detectors


def detected(plan: Plan) -> dict[str, Any]:
    """Calls from the change to the alarm, in the mean; false alarms in 10,000 calls without a change, of whichever
    detector raises more. `detectors` has all of it, and river's ADWIN on streams drawn by the same seeds."""
    times = 20 if plan.quick else 1_000
    quiet = 20_000 if plan.quick else 2_000_000
    slow = [_slow_after(Random(seed)) for seed in range(times)]
    failing = {
        share: [_failing_after(Random(seed), share) for seed in range(times)] for share in FAULT_SHARES
    }
    alarms = {"pace": _false_slow(Random(0), quiet)}
    alarms |= {f"faults at {share}": _false_failing(Random(0), quiet, share) for share in FAULT_SHARES}
    rates = {name: round(count / quiet * 10_000, 2) for name, count in alarms.items()}
    theirs, left_out = _adwin(20 if plan.quick else 200)
    return {
        "slow_detected_after": round(fmean(slow), 1),
        "failing_detected_after": round(fmean(failing[max(FAULT_SHARES)]), 1),
        "false_alarms_per_10k": max(rates.values()),
        "detectors": {
            "slow": {**spread(slow), "mean": round(fmean(slow), 1)},
            "failing": {
                f"{share:.0%} to 10%": {**spread(found), "mean": round(fmean(found), 1)}
                for share, found in failing.items()
            },
            "false_alarms_per_10k": rates,
            "adwin": theirs,
        },
        "left_out": left_out,
    }


def _adwin(times: int) -> tuple[dict[str, dict[str, float]] | None, dict[str, str]]:
    """What river's ADWIN makes of the same changes: on the logarithm of what calls take, and on faults as 0 and 1."""
    streams = {
        "slow": [
            _drawn(Random(seed), lambda chance: chance.gauss(0, SPREAD), log(3.0)) for seed in range(times)
        ],
        "failing": [_faults(Random(seed), max(FAULT_SHARES)) for seed in range(times)],
    }
    try:
        found = adwin(streams, change_at=SETTLING)
    except PeerMissing as reason:
        return None, {"adwin": str(reason)}
    return {name: _told(alarms) for name, alarms in found.items()}, {}


def _told(alarms: Sequence[Alarm]) -> dict[str, float]:
    seen = [each.after for each in alarms if each.after is not None]
    return {
        "mean": round(fmean(seen), 1) if seen else inf,
        "missed_share": round(1 - len(seen) / len(alarms), 3),
        "false_alarms_per_10k": round(
            sum(each.false_alarms for each in alarms) / (len(alarms) * SETTLING) * 10_000, 2
        ),
    }


def _drawn(chance: Random, draw: Callable[[Random], float], shift: float) -> list[float]:
    usual = [draw(chance) for _ in range(SETTLING)]
    return usual + [draw(chance) + shift for _ in range(WATCHED)]


def _faults(chance: Random, usual: float, share: float = 0.10) -> list[float]:
    shares = [usual] * SETTLING + [share] * WATCHED
    return [float(chance.random() < each) for each in shares]


def _slow_after(chance: Random, slower: float = 3.0) -> int:
    state = _settled(lambda pace: pace.after(exp(chance.gauss(0, SPREAD))), Pace())
    return _until(lambda pace: pace.after(slower * exp(chance.gauss(0, SPREAD))), state)


def _failing_after(chance: Random, usual: float, share: float = 0.10) -> int:
    state = _settled(lambda faults: faults.after(fault=chance.random() < usual), Faults())
    return _until(lambda faults: faults.after(fault=chance.random() < share), state)


def _settled(step: Callable[[State], State], fresh: State) -> State:
    """After calls without a change; drawn anew where that ends in a false alarm."""
    state = fresh
    for _ in range(SETTLING):
        state = step(state)
    return state if not state.raised else _settled(step, fresh)


def _until(step: Callable[[State], State], state: State) -> int:
    count = 0
    while not state.raised:
        state, count = step(state), count + 1
    return count


def _false_slow(chance: Random, calls: int) -> int:
    return _raised(lambda pace: pace.after(exp(chance.gauss(0, SPREAD))), Pace(), calls)


def _false_failing(chance: Random, calls: int, share: float) -> int:
    return _raised(lambda faults: faults.after(fault=chance.random() < share), Faults(), calls)


def _raised(step: Callable[[State], State], state: State, calls: int) -> int:
    count = 0
    for _ in range(calls):
        before, state = state, step(state)
        count += state.raised and not before.raised
    return count


def page(found: dict[str, Any]) -> str:
    """For `benchmarks/RESULTS.md`."""
    table = found.get("queues")
    if not table:
        return "**Queues.** Not measured: the trace is not there."
    lines = ["| eight unequal endpoints, load .9 | mean, s | 99 of 100 within, s |", "|---|---|---|"]
    lines += [
        f"| {name} | {_figure(row['mean_s'])} | {_figure(row['p99_s'])} |" for name, row in table.items()
    ]
    seen, p99 = found["detectors"], {name: _figure(row, 2) for name, row in found["p99"].items()}
    failing = "; ".join(
        f"{name}: {row['mean']:g} (median {row['median']:g})" for name, row in seen["failing"].items()
    )
    alarms = ", ".join(f"{name} {count:g}" for name, count in seen["false_alarms_per_10k"].items())
    slow = seen["slow"]
    return (
        f"**Queues.** {found['calls']:,} calls of a recorded trace on one-slot endpoints at speeds "
        f"{', '.join(f'{speed:g}' for speed in SPEEDS)}. The engine knows neither the speeds nor the lengths of "
        "answers. *Bound*: one queue at the sum of all speeds, and each call then served at speed 1; no first-come "
        "order over these endpoints does better. Random and round-robin give the slow ones more than they can do, "
        "so their figures only grow with the trace.\n\n"
        + "\n".join(lines)
        + f"\n\np99 over least busy **{p99['over_least_busy']}** (anchor ≤ .50; the bound itself "
        f"{p99['bound_over_least_busy']}), over the bound **{p99['over_bound']}** (anchor ≤ 1.3).\n\n"
        f"**Detectors.** Three times as slow, at a spread of {SPREAD} on the log scale: seen after "
        f"**{slow['mean']:g}** calls (median {slow['median']:g}, most {slow['max']:g}; anchor ≤ 20). Faults from "
        f"{failing} calls (anchor ≤ 180). False alarms in 10,000 calls: {alarms} (anchor ≤ 1). {_peer(seen['adwin'])}"
    )


def _peer(found: dict[str, dict[str, float]] | None) -> str:
    if found is None:
        return "river's ADWIN could not be run."
    slow, failing = found["slow"], found["failing"]
    return (
        f"river {version('river')}'s ADWIN, with its defaults, on streams of the same seeds: three times as slow after "
        f"{slow['mean']:g}; from 5% to 10% after {failing['mean']:g} where it was seen at all within {WATCHED:,} calls "
        f"({failing['missed_share']:.0%} were missed)."
    )


def _figure(found: dict[str, float], digits: int = 1) -> str:
    return f"{found['median']:.{digits}f} [{found['min']:.{digits}f}, {found['max']:.{digits}f}]"
