"""Whether a job costs more, and whether processes grow, when very many jobs are in the tables.

Half of them are finished, with all that is written of a finished job; half wait to be routed. Both are copies, made in
the database, of jobs that a yard accepted and served: ids, documents and names differ, all else is as it was, and ids
are in the order in which the rows were written, as those of accepted jobs are.

There are two such yards on the same servers, with ten thousand jobs and with all. They go on with what waits by turns,
each for half a second while the roles of the other are stopped, and the spans that follow each other are compared: a
machine that others use may be a third slower a minute later, which is more than what is looked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import reduce
from typing import Any, NamedTuple

import psycopg

from benchmarks.throughput.bench import Bench, by_round, rounded, rounded_each, spread
from benchmarks.throughput.ground import Ground
from benchmarks.throughput.report import ranged
from benchmarks.throughput.serving import NEIGHBOURS
from benchmarks.throughput.spent import Spent
from tests.flows.yards import until

FEW = 10_000
QUICK, USUAL = 20_000, 1_000_000
"""Where no other number was asked for: what fits into the time."""
MODELS = 500
"""Jobs that are copied, of each kind."""
SETTLE = 600
"""Jobs that are served before: the first snapshots, connections and plans."""
QUICK_REST_S, REST_S = 1, 10
"""For the server, after rows were written that fast: its writer goes on as though there were more of them to come."""
LONGEST_S = 120.0
TABLES = ("documents", "jobs", "decisions", "attempts", "results", "audit_events")
SPANS, SPAN_JOBS, LEAD = 6, 450, 50
"""Compared; of so many jobs each, after some that are not counted, since whatever was due meanwhile is done first."""
AS_HEX = "replace({0}::text, '-', '')"
ID = f"(lpad(to_hex(('x' || left({AS_HEX}, 12))::bit(48)::bigint + 1000 * k), 12, '0') || substr({AS_HEX}, 13))::uuid"
"""Of a copy: that of its model, so many seconds later as the number of the copy says. Ids begin with a time in ms."""
CHANGED = {
    ("documents", "digest"): "m.digest || '/' || k",
    ("jobs", "id"): ID.format("m.id"),
    ("jobs", "custom_id"): "m.custom_id || '/' || k",
    ("jobs", "document_digest"): "m.document_digest || '/' || k",
}
ORDER = {"documents": "m.created_at, m.digest", "jobs": "m.id"}


def figures(bench: Bench) -> dict[str, Any]:
    many = bench.scale_jobs or bench.sized(QUICK, USUAL)
    yards = {"few": bench.ground, "many": bench.ground.beside("many")}
    try:
        loaded_s = {
            name: _loaded(bench, yard, total)
            for (name, yard), total in zip(yards.items(), (FEW, many), strict=True)
        }
        time.sleep(bench.sized(QUICK_REST_S, REST_S))
        bench.ground.pretend.become()
        for yard in yards.values():
            yard.start_yard()
            _await_called(yard, yard.pretend.seen()["calls"] + SETTLE)
            yard.hold()
        spans = _by_turns(yards)
    finally:
        for yard in yards.values():
            yard.go_on()
            yard.stop_roles()
        yards["many"].drop()
    found = {name: _told(each) | {"loaded_s": round(loaded_s[name])} for name, each in spans.items()}
    growth = spread(by_round(found["many"]["spans"], found["few"]["spans"]))
    return {
        "cost_growth_1m": round(growth["median"], 3),
        "cost_growth_1m_spread": rounded(growth),
        "cost_growth_jobs": many,
        "growth": {
            name: each | {"jobs": jobs} for (name, each), jobs in zip(found.items(), (FEW, many), strict=True)
        },
    }


class Span(NamedTuple):
    jobs: int
    spent: Spent
    rss_mb: dict[str, float]
    """When it was over."""

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.spent.without(*NEIGHBOURS) / self.jobs


def _loaded(bench: Bench, yard: Ground, total: int) -> float:
    """Seconds that it took."""
    yard.fresh()
    began = time.monotonic()
    load(yard, total)
    loaded_s = time.monotonic() - began
    bench.say(f"growth: {total:,} jobs are in the tables after {loaded_s:.0f} s")
    return loaded_s


def _by_turns(yards: dict[str, Ground]) -> dict[str, list[Span]]:
    """First one and then the other, and the other way round."""
    spans: dict[str, list[Span]] = {name: [] for name in yards}
    for number in range(SPANS):
        for name in list(yards) if number % 2 == 0 else list(reversed(yards)):
            spans[name].append(_span(yards[name]))
    return spans


def _span(yard: Ground) -> Span:
    yard.go_on()
    with yard.meter() as meter:
        first = _await_called(yard, yard.pretend.seen()["calls"] + LEAD)
        before = meter.read()
        done = _await_called(yard, first + SPAN_JOBS)
        spent, rss_mb = meter.read() - before, meter.rss_mb()
    yard.hold()
    return Span(done - first, spent, rss_mb)


def _told(spans: list[Span]) -> dict[str, Any]:
    jobs = sum(span.jobs for span in spans)
    spent = reduce(Spent.__add__, (span.spent for span in spans))
    return {
        "measured": jobs,
        "spans": rounded_each([span.cpu_ms for span in spans]),
        "cpu_ms": rounded(spread([span.cpu_ms for span in spans])),
        "cpu_ms_by_process": spent.ms_each(jobs),
        "rss_mb": {
            name: [round(mb, 1), round(spans[-1].rss_mb[name], 1)] for name, mb in spans[0].rss_mb.items()
        },
    }


def _await_called(yard: Ground, calls: int) -> int:
    """Until the provider had so many; gives how many it had."""
    end = time.monotonic() + LONGEST_S
    while (found := int(yard.pretend.seen()["calls"])) < calls:
        if time.monotonic() > end:
            raise RuntimeError(f"only {found:,} of {calls:,} calls came within {LONGEST_S:g} s")
        time.sleep(0.02)
    return found


def load(ground: Ground, total: int) -> None:
    """So many jobs, half of them finished. The yard is not running when it returns."""
    ground.start_yard()
    ground.wait(ground.accept(ground.documents(MODELS)))
    # A finished batch gets its bound once, from all its documents; what is copied into this one later is not of it.
    until(
        lambda: ground.one("select count(*) from batches where bounded_at is null") == 0,
        "the bound of the batch that is copied",
    )
    ground.stop_roles()
    ground.accept(ground.documents(MODELS, first=MODELS))
    copies = max(0, total // (2 * MODELS) - 1)
    with psycopg.connect(ground.database_url("producer"), autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")  # no triggers, no checks between tables
        connection.execute(
            "create temporary table model as select id, tenant_id, document_digest from jobs"
            " order by id limit %s",
            (2 * MODELS,),
        )
        for table in TABLES if copies else ():
            connection.execute(_copied(connection, table), (copies,))  # type: ignore[call-overload]
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")


def _copied(connection: psycopg.Connection[Any], table: str) -> str:
    """The statement that copies all rows of the models in this table."""
    rows = connection.execute(
        "select column_name from information_schema.columns where table_schema = 'public' and table_name = %s"
        " and is_generated = 'NEVER' order by ordinal_position",
        (table,),
    ).fetchall()
    names = [row[0] for row in rows]
    values = [
        CHANGED.get((table, name), ID.format("m.job_id") if name == "job_id" else f"m.{name}")
        for name in names
    ]
    key = {"documents": "(tenant_id, digest) in (select tenant_id, document_digest from model)"}
    key["jobs"] = "id in (select id from model)"
    where = key.get(table, "job_id in (select id from model)")
    quoted = ", ".join(names)
    return (
        f"insert into {table} ({quoted}) select {', '.join(values)} from"
        f" (select * from {table} where {where}) m cross join generate_series(1, %s) k"
        f" order by k, {ORDER.get(table, 'm.job_id')}"
    )


def page(found: dict[str, Any]) -> str:
    if (rows := found.get("growth")) is None:
        return ""
    few, many, asked = rows["few"], rows["many"], found["cost_growth_1m_spread"]
    memory = ", ".join(f"{name} {mb[0]:.0f} → {mb[1]:.0f} MB" for name, mb in many["rss_mb"].items())
    lines = [
        f"**Growth.** {many['jobs']:,} jobs in the tables, half finished and half waiting, copied there from jobs "
        f"that a yard served ({many['loaded_s']} s; `--scale JOBS` for others), and {few['jobs']:,} in those of "
        f"another yard. By turns, {len(few['spans'])} spans of some {SPAN_JOBS} jobs each: "
        f"{ranged(many['cpu_ms'], 2)} ms of processor time a job with {many['jobs']:,}, {ranged(few['cpu_ms'], 2)} "
        f"with {few['jobs']:,}. Of spans that followed each other, one over the other: "
        f"**{found['cost_growth_1m']}** [{asked['min']}, {asked['max']}] (asked: at most 1.1).",
        "",
        f"| ms a job, by process | {few['jobs']:,} | {many['jobs']:,} |",
        "|---|---|---|",
        *(f"| {name} | {small:.3f} | {large:.3f} |" for name, small, large in _processes(few, many)),
        "",
        f"Memory from the first of these spans to the last, with {many['jobs']:,}: {memory}.",
    ]
    return "\n".join(lines)


def _processes(few: dict[str, Any], many: dict[str, Any]) -> Iterator[tuple[str, float, float]]:
    """What takes a hundredth of a millisecond in either, under one name."""
    one, other = (
        {_unmarked(name): ms for name, ms in each["cpu_ms_by_process"].items()} for each in (few, many)
    )
    for name in sorted({*one, *other}, key=lambda name: -one.get(name, 0.0)):
        if max(one.get(name, 0.0), other.get(name, 0.0)) >= 0.01:
            yield name, one.get(name, 0.0), other.get(name, 0.0)


def _unmarked(name: str) -> str:
    return name.removesuffix("-many")
