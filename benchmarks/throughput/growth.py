"""Whether a job costs more, and whether processes grow, when very many jobs are in the tables.

Half of them are finished, with all that is written of a finished job; half wait to be routed. Both are copies, made in
the database, of jobs that a yard accepted and served: ids, documents and names differ, all else is as it was, and ids
are in the order in which the rows were written, as those of accepted jobs are. The yard then goes on with what waits,
and spans of its work are measured: with ten thousand jobs, with all, and with ten thousand again, since the machine may
have become quicker or slower meanwhile; ten thousand twice each time, all over three times as many spans. A quick run
measures each once, and nothing after.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import psycopg

from benchmarks.throughput.bench import Bench, ratio, rounded, spread
from benchmarks.throughput.ground import Ground
from benchmarks.throughput.serving import NEIGHBOURS
from tests.flows.yards import until

FEW = 10_000
QUICK, USUAL = 20_000, 1_000_000
"""Where no other number was asked for: what fits into the time."""
MODELS = 500
"""Jobs that are copied, of each kind."""
SETTLE = 1_000
"""Jobs that are served before: the first snapshots, connections and plans."""
QUICK_REST_S, REST_S = 1, 10
"""For the server, after rows were written that fast: its writer goes on as though there were more of them to come."""
LONGEST_S = 120.0
TABLES = ("documents", "jobs", "decisions", "attempts", "results", "audit_events")
SPAN_JOBS, QUICK_SPAN_JOBS = 1_200, 1_000
SPANS, LONG = 3, 3
"""Of a yard with ten thousand jobs, which has not many more to serve; and times as many of one that has plenty."""
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
    times = bench.sized(1, 2)
    before = [_measured(bench, FEW, SPANS) for _ in range(times)]
    lot = _measured(bench, many, SPANS * bench.sized(1, min(LONG, many // FEW)))
    after = [] if bench.quick else [_measured(bench, FEW, SPANS) for _ in range(times)]
    beside = before + after
    few = spread([span for one in beside for span in one["spans"]])
    growth = ratio(spread(lot["spans"]), few)
    return {
        "cost_growth_1m": round(growth["median"], 3),
        "cost_growth_1m_spread": rounded(growth),
        "cost_growth_jobs": many,
        "growth": {"few": beside, "few_cpu_ms": rounded(few), "many": lot},
    }


def _measured(bench: Bench, total: int, times: int) -> dict[str, Any]:
    ground, jobs = bench.ground, bench.sized(QUICK_SPAN_JOBS, SPAN_JOBS)
    ground.fresh()
    began = time.monotonic()
    load(ground, total)
    loaded_s = time.monotonic() - began
    bench.say(f"growth: {total:,} jobs are in the tables after {loaded_s:.0f} s")
    time.sleep(bench.sized(QUICK_REST_S, REST_S))
    ground.pretend.become()
    ground.start_yard()
    _await_called(ground, SETTLE, of=total)
    spans: list[float] = []
    with ground.meter() as meter:
        began_at, first, rss = meter.read(), ground.pretend.seen()["calls"], meter.rss_mb()
        before, calls = began_at, first
        for _ in range(times):
            done = _await_called(ground, calls + jobs, of=total)
            now = meter.read()
            spans.append(1000 * (now - before).without(*NEIGHBOURS) / (done - calls))
            before, calls = now, done
        spent, grown = before - began_at, meter.rss_mb()
    ground.stop_roles()
    return {
        "jobs": total,
        "measured": calls - first,
        "spans": [round(one, 3) for one in spans],
        "cpu_ms": round(median(spans), 3),
        "cpu_ms_by_process": spent.ms_each(calls - first),
        "loaded_s": round(loaded_s),
        "rss_mb": {name: [round(mb, 1), round(grown[name], 1)] for name, mb in rss.items()},
    }


def _await_called(ground: Ground, calls: int, *, of: int) -> int:
    """Until the provider had so many; gives how many it had."""
    end = time.monotonic() + LONGEST_S
    while (found := int(ground.pretend.seen()["calls"])) < calls:
        if time.monotonic() > end:
            raise RuntimeError(f"only {found:,} jobs of {of:,} were called for within {LONGEST_S:g} s")
        time.sleep(0.05)
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
    when = "measured before and after" if len(rows["few"]) > 1 else "measured before"
    provider = [f"{one['cpu_ms_by_process'].get('provider', 0):.3f}" for one in (*rows["few"], rows["many"])]
    few, many, asked = rows["few_cpu_ms"], rows["many"], found["cost_growth_1m_spread"]
    memory = ", ".join(f"{name} {mb[0]:.0f} → {mb[1]:.0f} MB" for name, mb in many["rss_mb"].items())
    return (
        f"**Growth.** {many['jobs']:,} jobs in the tables, half finished and half waiting, copied there from jobs "
        f"that a yard served ({many['loaded_s']} s; `--scale JOBS` for others): {many['cpu_ms']} ms of processor "
        f"time a job, over the next {many['measured']:,}. With {FEW:,} in the tables, {when}, "
        f"{few['median']} ms [{few['min']}, {few['max']}]: "
        f"**{found['cost_growth_1m']}** [{asked['min']}, {asked['max']}] (asked: at most 1.1). "
        f"The provider, which does the same each time and shows how quick the machine is, took {provider[-1]} ms of it "
        f"with {many['jobs']:,}, {' and '.join(provider[:-1])} with {FEW:,}. Memory over that span: {memory}."
    )
