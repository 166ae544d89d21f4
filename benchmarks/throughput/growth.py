"""Whether a job costs more, and whether processes grow, when very many jobs are in the tables.

Half of them are finished, with all that is written of a finished job; half wait to be routed. Both are copies, made in
the database, of jobs that a yard accepted and served: ids, documents and names differ, all else is as it was. The yard
then goes on with what waits, and a span of its work is measured, once with ten thousand jobs and once with all.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg

from benchmarks.throughput.bench import Bench
from benchmarks.throughput.ground import Ground
from benchmarks.throughput.serving import NEIGHBOURS
from tests.flows.yards import until

FEW = 10_000
QUICK, USUAL = 20_000, 100_000
"""Where no other number was asked for: what fits into the time."""
MODELS = 500
"""Jobs that are copied, of each kind."""
SETTLE = 1_000
"""Jobs that are served before: the first snapshots, connections and plans."""
LONGEST_S = 120.0
TABLES = ("documents", "jobs", "decisions", "attempts", "results", "audit_events")
ID = "md5({0}::text || '/' || k)::uuid"
"""Of a copy: from the id of its model and the number of the copy."""
CHANGED = {
    ("documents", "digest"): "m.digest || '/' || k",
    ("jobs", "id"): ID.format("m.id"),
    ("jobs", "custom_id"): "m.custom_id || '/' || k",
    ("jobs", "document_digest"): "m.document_digest || '/' || k",
}


def figures(bench: Bench) -> dict[str, Any]:
    many = bench.scale_jobs or bench.sized(QUICK, USUAL)
    jobs = bench.sized(500, 2_500)
    few, lot = (_measured(bench, total, jobs) for total in (FEW, many))
    return {
        "cost_growth_1m": round(lot["cpu_ms"] / few["cpu_ms"], 3),
        "cost_growth_jobs": many,
        "growth": {"few": few, "many": lot},
    }


def _measured(bench: Bench, total: int, jobs: int) -> dict[str, Any]:
    ground = bench.ground
    ground.fresh()
    began = time.monotonic()
    load(ground, total)
    loaded_s = time.monotonic() - began
    bench.say(f"growth: {total:,} jobs are in the tables after {loaded_s:.0f} s")
    ground.pretend.become()
    ground.start_yard()
    _await_called(ground, SETTLE, of=total)
    with ground.meter() as meter:
        before, calls, rss = meter.read(), ground.pretend.seen()["calls"], meter.rss_mb()
        done = _await_called(ground, calls + jobs, of=total) - calls
        spent, grown = meter.read() - before, meter.rss_mb()
    ground.stop_roles()
    return {
        "jobs": total,
        "measured": done,
        "cpu_ms": round(1000 * spent.without(*NEIGHBOURS) / done, 3),
        "cpu_ms_by_process": spent.ms_each(done),
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
    )


def page(found: dict[str, Any]) -> str:
    if (rows := found.get("growth")) is None:
        return ""
    few, many = rows["few"], rows["many"]
    memory = ", ".join(f"{name} {mb[0]:.0f} → {mb[1]:.0f} MB" for name, mb in many["rss_mb"].items())
    return (
        f"**Growth.** {many['jobs']:,} jobs in the tables, half finished and half waiting, copied there from jobs "
        f"that a yard served ({many['loaded_s']} s; `--scale 1000000` for a million): {many['cpu_ms']} ms of processor "
        f"time a job, over the next {many['measured']:,}. With {few['jobs']:,} in the tables {few['cpu_ms']} ms: "
        f"**{found['cost_growth_1m']}** (asked: at most 1.1). Memory over that span: {memory}."
    )
