"""`/v1/reviews/{id}/jobs/{job}`: one job with its result and calls, how it was decided, and its audit trail."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Request

from producer.api.batches import Watcher
from producer.api.errors import NATIVE
from producer.api.files import Reader
from producer.api.native.found import BatchId, JobName, the_batch, the_job
from producer.api.native.results import fields
from producer.api.state import state_of
from producer.api.values import AuditedMove, AuditTrail, Call, Decided, Decisions
from producer.api.values import Job as JobShown
from runtime.db.session import Connection, Row
from runtime.db.stores import jobs, record, views
from schemas.job import Job
from schemas.lifecycle import FINAL
from schemas.stored import chain_flaw, decision_flaw

router = APIRouter(prefix=f"{NATIVE}/{{batch_id}}/jobs", tags=["jobs"])


@router.get("/{job}", summary="One job, with its result and its calls")
async def one(request: Request, caller: Reader, batch_id: BatchId, job: JobName) -> JobShown:
    """A custom id with a `/` in it cannot stand in an address: use `/results?custom_id=…`, or the job's id."""
    async with state_of(request).database.transaction() as connection:
        await views.one_picture(connection)
        batch = await the_batch(connection, caller, batch_id)
        found = await _job(connection, caller.tenant, await the_job(connection, caller, batch["id"], job))
        (row,) = await views.results_page(
            connection,
            caller.tenant,
            batch["id"],
            after=None,
            last=found.id,
            most=1,
            custom_id=found.custom_id,
        )
        calls = await views.attempts(connection, caller.tenant, found.id)
    return JobShown(
        **fields(row),
        batch_id=batch["id"],
        review=batch["review_name"],
        accepted_at=row["created_at"],
        finished_at=row["updated_at"] if row["state"] in FINAL else None,
        deadline_at=found.deadline_at,
        calls=[_call(call) for call in calls],
    )


def _call(row: Row) -> Call:
    return Call(
        **{name: row[name] for name in Call.model_fields if name != "used"},
        used=not row["fenced"],
    )


@router.get("/{job}/decisions", summary="How a job was decided, in plain sentences and in full")
async def decisions(request: Request, caller: Watcher, batch_id: BatchId, job: JobName) -> Decisions:
    state = state_of(request)
    async with state.database.transaction() as connection:
        await views.one_picture(connection)
        batch = await the_batch(connection, caller, batch_id)
        found = await _job(connection, caller.tenant, await the_job(connection, caller, batch["id"], job))
        rows = await views.decisions(connection, caller.tenant, found.id)
        events = await record.events(connection, caller.tenant, [found.id])
    return Decisions(
        job_id=found.id,
        custom_id=found.custom_id,
        data=[
            Decided(
                number=row["number"],
                outcome=row["outcome"],
                decided_at=row["decided_at"],
                policy=row["policy_name"],
                policy_digest=row["policy_digest"],
                catalog_digest=row["catalog_digest"],
                snapshot_digest=row["snapshot_digest"],
                digest=row["digest"],
                flaw=decision_flaw(row, events),
                explanation=state.advice.told(row["body"]),
                decision=_read(row["body"]),
            )
            for row in rows
        ],
    )


def _read(body: bytes) -> dict[str, object]:
    """Empty where what is stored is no JSON object; then the digest tells."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


@router.get("/{job}/audit", summary="Every move of a job, chained by hash")
async def audit(request: Request, caller: Watcher, batch_id: BatchId, job: JobName) -> AuditTrail:
    async with state_of(request).database.transaction() as connection:
        await views.one_picture(connection)
        batch = await the_batch(connection, caller, batch_id)
        found = await _job(connection, caller.tenant, await the_job(connection, caller, batch["id"], job))
        events = await record.events(connection, caller.tenant, [found.id])
    flaw = chain_flaw(events, version=found.version, state=found.state, head=found.audit_head)
    return AuditTrail(
        job_id=found.id,
        custom_id=found.custom_id,
        intact=flaw is None,
        flaw=flaw,
        data=[
            AuditedMove(
                version=event.version,
                body=event.body.decode("utf-8", "replace"),
                prev_hash=event.prev_hash.hex(),
                hash=event.hash.hex(),
            )
            for event in events
        ],
    )


async def _job(connection: Connection, tenant: str, job_id: str) -> Job:
    found = await jobs.find(connection, tenant, job_id)
    assert found is not None
    return found
