"""Jobs: read as values, and moved. `move` is the only writer of a job's state, version and audit events.

One statement changes the rows and writes the events: neither is ever there without the other. What endpoints want to be
told of it is written in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any

import orjson

from runtime.db.session import Connection, Row, fetch
from runtime.db.stores import budgets, webhooks
from schemas.audit import AuditEvent, event
from schemas.changing import changed
from schemas.decision import step_of
from schemas.features import JobFeatures, features_of
from schemas.job import Job
from schemas.lifecycle import JobState
from schemas.sensitivity import Lane, Quality, Sensitivity
from schemas.webhooks import told_as

_LANES = tuple(Lane)

COLUMNS = """
    j.id::text, j.tenant_id, j.batch_id::text, j.custom_id, j.name, j.document_digest, j.review_digest,
    j.sensitivity, j.residency, j.quality, j.lane, j.deadline_at, j.max_cost_usd_micros, j.state, j.version,
    j.lease_token, j.slot_id::text, j.route_class, j.features, j.provider, j.model, j.plan, j.step, j.attempts,
    j.excused, j.step_attempts, j.interruptions, j.plans, j.not_before, j.reason_code, j.reason, j.cost_usd_micros,
    j.start_by, j.work_ms, j.reserved_usd_micros, j.audit_head, j.asked_model, j.asked_tier
"""
"""For a select from `jobs j`, to be read by `job_of`."""


@dataclass(frozen=True, slots=True)
class Move:
    """One step in a job's life, ready to be written."""

    before: Job
    after: Job
    event: AuditEvent


def move_of(before: Job, after: Job, *, at: datetime, actor: str, facts: Mapping[str, Any]) -> Move:
    """The move with its audit event; `after` as it will be stored, with the new head of its chain."""
    written = event(before, after, at=at, actor=actor, facts=facts)
    return Move(before, changed(after, audit_head=written.hash), written)


_MOVING: dict[str, tuple[str, Callable[[Job], Any]]] = {
    "state": ("text", lambda job: job.state.value),
    "lease_token": ("bigint", attrgetter("lease_token")),
    "slot_id": ("uuid", attrgetter("slot_id")),
    "route_class": ("text", attrgetter("route_class")),
    "provider": ("text", attrgetter("provider")),
    "model": ("text", attrgetter("model")),
    "plan": ("jsonb", lambda job: orjson.dumps(job.plan).decode()),
    "step": ("int", attrgetter("step")),
    "attempts": ("int", attrgetter("attempts")),
    "excused": ("int", attrgetter("excused")),
    "step_attempts": ("int", attrgetter("step_attempts")),
    "interruptions": ("int", attrgetter("interruptions")),
    "plans": ("int", attrgetter("plans")),
    "not_before": ("timestamptz", attrgetter("not_before")),
    "reason_code": ("text", attrgetter("reason_code")),
    "reason": ("text", attrgetter("reason")),
    "cost_usd_micros": ("bigint", attrgetter("cost_usd_micros")),
    "start_by": ("timestamptz", attrgetter("start_by")),
    "work_ms": ("bigint", attrgetter("work_ms")),
    "reserved_usd_micros": ("bigint", attrgetter("reserved_usd_micros")),
}
"""What a move may change, each with its type and how it is read; `features` come beside these."""

_AHEAD = frozenset({"attempts", "step_attempts"})
"""Always sent: a worker counts a call before it makes it, so the job that it moves is ahead of its row in these."""

_SPECIAL = {
    "features": "features = coalesce(a.features, j.features), tokens = a.tokens",
    "reserved_usd_micros": "reserved_usd_micros = a.reserved_usd_micros, reserved_on = case"
    " when a.reserved_usd_micros > 0 then (now() at time zone 'utc')::date::text else j.reserved_on end",
}


_FENCE = "and j.version = a.version and j.lease_token = a.token"


@cache
def _statement(columns: tuple[str, ...], fence: str) -> str:
    """What a column held is what it holds, since the version stands in the condition: only what changes is sent. A
    yard sees a few kinds of moves, and so a few statements."""
    types = {name: _MOVING[name][0] for name in columns if name != "features"}
    types |= {"features": "jsonb", "tokens": "int"} if "features" in columns else {}
    names = ["id", "version", "token", "tenant", "body", "prev_hash", "audit_head", *types]
    sent = ", ".join(f"%({name})s::{kind}[]" for name, kind in types.items())
    sets = ", ".join(_SPECIAL.get(name, f"{name} = a.{name}") for name in columns)
    return f"""
with asked as (
    select * from unnest(
        %(id)s::uuid[], %(version)s::int[], %(token)s::bigint[], %(tenant)s::text[], %(body)s::bytea[],
        %(prev_hash)s::bytea[], %(audit_head)s::bytea[], {sent}
    ) as t({", ".join(names)})
), moved as (
    update jobs j set version = j.version + 1, audit_head = a.audit_head, updated_at = statement_timestamp()
        , {sets}
    from asked a
    where j.id = a.id and j.tenant_id = a.tenant {fence}
    returning j.id, j.version
), written as (
    insert into audit_events (tenant_id, job_id, version, body, prev_hash, hash)
    select a.tenant, m.id, m.version, a.body, a.prev_hash, a.audit_head from moved m join asked a on a.id = m.id
)
select id::text, exists (
    select 1 from webhook_endpoints e
    where e.tenant_id = any(%(tenant)s) and e.disabled_at is null and e.events && %(told)s::text[]) as is_told
from moved
"""


async def move(connection: Connection, moves: Sequence[Move]) -> frozenset[str]:
    """Writes the moves whose job is still as it was (version and lease token), each with its audit event.

    Returns the ids that moved. An id that is missing was fenced: somebody else has moved that job since, and
    nothing of the move was written.
    """
    if not moves:
        return frozenset()
    before = [m.before for m in moves]
    columns = _changed(moves)
    arguments = {
        "id": [job.id for job in before],
        "version": [job.version for job in before],
        "token": [job.lease_token for job in before],
        "tenant": [job.tenant_id for job in before],
        "body": [m.event.body for m in moves],
        "prev_hash": [m.event.prev_hash for m in moves],
        "audit_head": [m.after.audit_head for m in moves],
        "told": list({kind for m in moves if (kind := told_as(m.after.state))}),
        **_values(columns, moves),
    }
    rows = await fetch(connection, _statement(columns, _FENCE), arguments)
    moved = frozenset(row["id"] for row in rows)
    if rows and rows[0]["is_told"]:
        await webhooks.tell_jobs(connection, [m.after for m in moves if m.after.id in moved])
    await budgets.reserve(connection, _reservations(moves, moved))
    return moved


def _reservations(moves: Sequence[Move], moved: frozenset[str]) -> list[tuple[str, int]]:
    """Here and nowhere else: whoever moves a job keeps its budgets right, and a fenced move touches none."""
    changes = [
        (each.after.id, each.after.reserved_usd_micros - each.before.reserved_usd_micros)
        for each in moves
        if each.after.id in moved
    ]
    return [change for change in changes if change[1]]


def _changed(moves: Sequence[Move]) -> tuple[str, ...]:
    """What any of the moves changes, in the order of the table above."""
    pairs = [(m.before, m.after) for m in moves]
    found = [
        name
        for name in _MOVING
        if name in _AHEAD or any(getattr(old, name) != getattr(new, name) for old, new in pairs)
    ]
    if any(old.features is not new.features for old, new in pairs):
        found.append("features")
    return tuple(found)


def _values(columns: Sequence[str], moves: Sequence[Move]) -> dict[str, list[Any]]:
    after = [m.after for m in moves]
    values = {name: list(map(read, after)) for name, (_, read) in _MOVING.items() if name in columns}
    if "features" in columns:
        values["features"] = [
            _features_json(m.after.features) if m.after.features is not m.before.features else None
            for m in moves
        ]
        values["tokens"] = [job.features.tokens if job.features else 0 for job in after]
    return values


async def classify(connection: Connection, jobs: Sequence[Job]) -> None:
    """Keeps what the router learned of jobs that stay where they are: features, class and slack, no move."""
    await fetch(
        connection,
        """
        update jobs j set route_class = a.route_class, features = coalesce(a.features, j.features),
               tokens = a.tokens, start_by = a.start_by
        from unnest(%s::uuid[], %s::int[], %s::text[], %s::jsonb[], %s::int[], %s::timestamptz[])
             as a(id, version, route_class, features, tokens, start_by)
        where j.id = a.id and j.version = a.version
        """,
        (
            [job.id for job in jobs],
            [job.version for job in jobs],
            [job.route_class for job in jobs],
            [_features_json(job.features) for job in jobs],
            [job.features.tokens if job.features else 0 for job in jobs],
            [job.start_by for job in jobs],
        ),
    )


async def find(connection: Connection, tenant_id: str, job_id: str, *, lock: bool = False) -> Job | None:
    """With `lock` it stays as it is until the transaction ends."""
    rows = await fetch(
        connection,
        f"select {COLUMNS} from jobs j where j.tenant_id = %s and j.id = %s{' for update' if lock else ''}",
        (tenant_id, job_id),
    )
    return job_of(rows[0]) if rows else None


async def open_of_batch(connection: Connection, tenant_id: str, batch_id: str, *, most: int) -> list[Job]:
    """Locks jobs of a batch that are not final; those that somebody else is just moving are waited for."""
    rows = await fetch(
        connection,
        f"""
        select {COLUMNS} from jobs j
        where j.tenant_id = %s and j.batch_id = %s
          and j.state in ('accepted', 'held', 'routed', 'serving', 'in_review')
        order by j.id limit %s for update
        """,
        (tenant_id, batch_id, most),
    )
    return [job_of(row) for row in rows]


async def withdrawn(connection: Connection, held: Sequence[str]) -> frozenset[str]:
    """Of the jobs that a worker holds, those that were cancelled meanwhile, or ended before their time."""
    if not held:
        return frozenset()
    rows = await fetch(
        connection,
        "select j.id::text from unnest(%s::uuid[]) as a(id) join jobs j on j.id = a.id"
        " where j.state in ('cancelled', 'expired')",
        (list(held),),
    )
    return frozenset(row["id"] for row in rows)


async def final_of_batch(
    connection: Connection,
    tenant_id: str,
    batch_id: str,
    states: Sequence[JobState],
    reasons: Sequence[str],
    *,
    after: str,
    most: int,
) -> list[Job]:
    """Jobs of a batch in these final states, by id from the one behind `after`; no reasons: whatever the reason."""
    rows = await fetch(
        connection,
        f"""
        select {COLUMNS} from jobs j
        where j.tenant_id = %(tenant)s and j.batch_id = %(batch)s and j.state = any(%(states)s)
          and (cardinality(%(reasons)s::text[]) = 0 or j.reason_code = any(%(reasons)s))
          and (%(after)s = '' or j.id > nullif(%(after)s, '')::uuid)
        order by j.id limit %(most)s
        """,
        {
            "tenant": tenant_id,
            "batch": batch_id,
            "states": [state.value for state in states],
            "reasons": list(reasons),
            "after": after,
            "most": most,
        },
    )
    return [job_of(row) for row in rows]


def job_of(row: Row) -> Job:
    """The value of a row that was selected with `COLUMNS`; further columns are left alone."""
    return Job(
        id=row["id"],
        tenant_id=row["tenant_id"],
        batch_id=row["batch_id"],
        custom_id=row["custom_id"],
        name=row["name"],
        document_digest=row["document_digest"],
        review_digest=row["review_digest"],
        sensitivity=Sensitivity(row["sensitivity"]),
        residency=tuple(row["residency"]),
        quality=Quality(row["quality"]),
        lane=_LANES[row["lane"]],
        deadline_at=row["deadline_at"],
        max_cost_usd_micros=row["max_cost_usd_micros"],
        asked_model=row["asked_model"],
        asked_tier=row["asked_tier"],
        state=JobState(row["state"]),
        version=row["version"],
        lease_token=row["lease_token"],
        slot_id=row["slot_id"],
        features=features_of(row["features"]) if row["features"] else None,
        route_class=row["route_class"],
        provider=row["provider"],
        model=row["model"],
        plan=tuple(step_of(step) for step in row["plan"]),
        step=row["step"],
        attempts=row["attempts"],
        excused=row["excused"],
        step_attempts=row["step_attempts"],
        interruptions=row["interruptions"],
        plans=row["plans"],
        not_before=row["not_before"],
        reason_code=row["reason_code"],
        reason=row["reason"],
        cost_usd_micros=row["cost_usd_micros"],
        start_by=row["start_by"],
        work_ms=row["work_ms"],
        reserved_usd_micros=row["reserved_usd_micros"],
        audit_head=bytes(row["audit_head"]),
    )


def _features_json(features: JobFeatures | None) -> str | None:
    return orjson.dumps(features).decode() if features else None


__all__ = [
    "COLUMNS",
    "Move",
    "classify",
    "final_of_batch",
    "find",
    "job_of",
    "move",
    "move_of",
    "open_of_batch",
    "withdrawn",
]
