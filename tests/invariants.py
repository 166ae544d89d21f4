"""The invariants of the yard, checked on its tables: whatever was thrown at it, after every test these hold.

I1 one state a job, and a result exactly where it succeeded · I2 at most one result · I3 an audit event for every move,
gapless, chained and legal · I4 the result carries the highest lease token · I6 every call went to a
candidate that its decision allowed · I9 nothing accepted is missing ·
I10 a job's cost is the sum of what its own attempts cost ·
I11 a budget's figures are the ledger's and those of the calls under way.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import Any

import orjson
import psycopg
from psycopg.rows import dict_row

from runtime.db.stores import hops
from schemas.audit import AuditEvent, first_flaw
from schemas.lifecycle import EDGES, INITIAL, JobState

Row = dict[str, Any]

_JOBS = """
select j.id::text, j.state, j.version, j.lease_token, j.audit_head, j.cost_usd_micros,
    r.results, r.highest_token, coalesce(a.cost, 0)::bigint as ledger
from jobs j
left join lateral (
    select count(*) as results, max(lease_token) as highest_token from results where job_id = j.id) r on true
left join lateral (
    select sum(cost_usd_micros) as cost from attempts where job_id = j.id and not fenced) a on true
where j.tenant_id = %s order by j.id
"""

_EVENTS = """
select tenant_id, job_id::text, version, body, prev_hash, hash from audit_events
where tenant_id = %s order by job_id, version
"""

_BATCHES = """
select b.id::text, b.accepted, b.rejected, b.finished_at is not null as finished,
    (select count(*) from jobs j where j.batch_id = b.id) as jobs,
    (select count(*) from rejections r where r.batch_id = b.id) as rejections,
    (select count(*) from jobs j where j.batch_id = b.id
        and j.state in ('accepted', 'held', 'routed', 'serving', 'in_review')) as open
from batches b where b.tenant_id = %s
"""


_BUDGETS = """
select b.scope, b.subject, b.spent_usd_micros as spent, b.reserved_usd_micros as reserved,
    (select coalesce(sum(a.cost_usd_micros), 0)::bigint from attempts a where a.tenant_id = b.tenant_id
        and case b.scope when 'batch' then a.batch_id::text = b.subject
            when 'day' then (a.settled_at at time zone 'utc')::date::text = b.subject else true end) as ledger,
    (select coalesce(sum(j.reserved_usd_micros), 0)::bigint from jobs j where j.tenant_id = b.tenant_id
        and j.state = 'serving' and case b.scope when 'batch' then j.batch_id::text = b.subject
            when 'day' then j.reserved_on = b.subject else true end) as serving
from budgets b where b.tenant_id = %s and (b.subject <> '' or b.scope = 'tenant')
"""


def check_invariants(database_url: str, tenant: str = "default") -> None:
    """Raises `AssertionError` with a line for each invariant that a row breaks; says nothing where all hold.

    May be called at any time, also while the yard works: all of it is read from one snapshot.
    """
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        jobs, events, batches, budgets = (
            connection.execute(asked, (tenant,)).fetchall() for asked in (_JOBS, _EVENTS, _BATCHES, _BUDGETS)
        )
        outside = connection.execute(hops.OUTSIDE, hops.asked(tenant)).fetchall()
    broken = [
        *_broken_by_jobs(jobs),
        *_broken_by_events(jobs, events),
        *_broken_by_batches(batches),
        *_broken_by_hops(outside),
        *_broken_by_budgets(budgets),
    ]
    assert not broken, "\n".join(broken[:20])


def _broken_by_jobs(jobs: list[Row]) -> Iterator[str]:
    states = {state.value for state in JobState}
    for job in jobs:
        name = f"job {job['id']} ({job['state']})"
        if job["state"] not in states:
            yield f"I1: {name} is in no known state"
        if (job["results"] > 0) != (job["state"] == JobState.SUCCEEDED):
            yield f"I1: {name} has {job['results']} results"
        if job["results"] > 1:
            yield f"I2: {name} has {job['results']} results"
        if job["results"] and job["highest_token"] != job["lease_token"]:
            yield f"I4: {name} has a result of token {job['highest_token']}, and its own is {job['lease_token']}"
        if job["cost_usd_micros"] != job["ledger"]:
            yield f"I10: {name} cost {job['cost_usd_micros']}, and its attempts {job['ledger']}"


def _broken_by_events(jobs: list[Row], events: list[Row]) -> Iterator[str]:
    chains = {job_id: list(rows) for job_id, rows in groupby(events, key=lambda row: row["job_id"])}
    for job in jobs:
        chain = chains.pop(job["id"], [])
        if len(chain) != job["version"]:
            yield f"I3: job {job['id']} is at version {job['version']} and has {len(chain)} events"
            continue
        flaw = first_flaw([_event(row) for row in chain])
        yield from [f"I3: {flaw}"] if flaw else _broken_by_chain(job, chain)
    for job_id in chains:
        yield f"I3: there are events of job {job_id}, and no such job"


def _broken_by_chain(job: Row, chain: list[Row]) -> Iterator[str]:
    """What the events say is what happened: legal edges, one after another, that end where the row stands."""
    bodies = [orjson.loads(row["body"]) for row in chain]
    if bodies[0]["from"] is not None or bodies[0]["to"] != INITIAL:
        yield f"I3: job {job['id']} does not begin with its acceptance"
    for before, after in pairwise(bodies):
        if after["from"] != before["to"] or JobState(after["to"]) not in EDGES[JobState(after["from"])]:
            yield f"I3: job {job['id']} went {before['to']}, {after['from']} → {after['to']}"
        if after["token"] < before["token"]:
            yield f"I3: the lease token of job {job['id']} fell from {before['token']} to {after['token']}"
    last = bodies[-1]
    if (last["to"], last["token"]) != (job["state"], job["lease_token"]):
        yield f"I3: job {job['id']} is {job['state']}, and its last event says {last['to']}"
    if chain[-1]["hash"] != job["audit_head"]:
        yield f"I3: the head of job {job['id']} is not the hash of its last event"


def _broken_by_batches(batches: list[Row]) -> Iterator[str]:
    for batch in batches:
        if batch["accepted"] != batch["jobs"]:
            yield f"I9: batch {batch['id']} accepted {batch['accepted']} and has {batch['jobs']} jobs"
        if batch["rejected"] != batch["rejections"]:
            yield f"I9: batch {batch['id']} rejected {batch['rejected']} and shows {batch['rejections']}"
        if batch["finished"] and batch["open"]:
            yield f"I9: batch {batch['id']} is finished, and {batch['open']} of its jobs are open"


def _broken_by_hops(outside: list[Row]) -> Iterator[str]:
    """Jobs that a test has bound by hand, past the router, have no decision; what those call is the test's own."""
    for row in outside:
        if row["decision"] is not None:
            where = f"{row['provider']}/{row['model']}"
            yield f"I6: call {row['number']} of job {row['job_id']} went to {where}, outside of {row['allowed']}"


def _broken_by_budgets(budgets: list[Row]) -> Iterator[str]:
    for one in budgets:
        name = f"the budget {one['scope']} {one['subject']}"
        if one["spent"] != one["ledger"]:
            yield f"I11: {name} has spent {one['spent']}, and its attempts cost {one['ledger']}"
        if one["reserved"] != one["serving"]:
            yield f"I11: {name} has {one['reserved']} reserved, and its calls under way {one['serving']}"


def _event(row: Row) -> AuditEvent:
    return AuditEvent(
        row["tenant_id"], row["job_id"], row["version"], row["body"], row["prev_hash"], row["hash"]
    )
