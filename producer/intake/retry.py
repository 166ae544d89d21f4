"""Take up again what did not succeed of a batch: a new batch with the same documents and review.

A final job never changes, so trying again means new jobs, in a batch that names the one it came from. Nothing is
copied: documents and review are in the database already, by digest.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from runtime.db.session import Connection, Database, Row
from runtime.db.stores import batches, jobs
from runtime.ids import NewId, new_id
from schemas.audit import AuditEvent, event
from schemas.canonical import canonical, digest
from schemas.errors import BadInput, UnknownName
from schemas.job import GENESIS, Job
from schemas.lifecycle import FINAL, JobState
from schemas.submission import Requirements

GROUP = 500

WORTH_A_RETRY = (JobState.FAILED, JobState.EXPIRED, JobState.REFUSED)
"""What is taken up where nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class Which:
    """Jobs to take up: in one of these states, and with one of these reasons where any are given."""

    states: tuple[JobState, ...] = WORTH_A_RETRY
    reasons: tuple[str, ...] = ()
    """Words such as `deadline`, `timeout`, `boundary`."""

    def __post_init__(self) -> None:
        for state in self.states:
            if state not in FINAL or state is JobState.SUCCEEDED:
                raise BadInput(
                    f"What is {state.value} is not taken up again; failed, expired, refused and cancelled jobs are.",
                    where="--state",
                )


@dataclass(frozen=True, slots=True)
class Retried:
    batch_id: str
    jobs: int


async def retry(
    database: Database,
    tenant_id: str,
    batch_id: str,
    which: Which,
    *,
    requirements: Requirements | None = None,
    ids: NewId = new_id,
) -> Retried:
    """The new batch, committed whole. With the requirements of the old one, its deadline counted anew from now, unless
    others are given.

    Raises `UnknownName` where there is no such batch, `BadInput` where nothing of it matches.
    """
    async with database.transaction() as connection:
        old = await batches.find(connection, tenant_id, batch_id)
        if old is None:
            raise UnknownName(f"There is no batch {batch_id!r}.")
        wanted = requirements or Requirements.model_validate(old["requirements"])
        new_batch = ids()
        now = await _open(connection, old, new_batch, wanted)
        count = await _take_up(connection, old, new_batch, which, wanted, now, ids)
        if not count:
            raise BadInput(_nothing(which), code="nothing_to_retry")
        await batches.close_intake(
            connection,
            new_batch,
            accepted=count,
            rejected=0,
            content_digest=digest(canonical([old["id"], which])),
            max_cost_usd_micros=wanted.max_cost_usd_micros,
        )
    return Retried(new_batch, count)


async def _open(connection: Connection, old: Row, new_batch: str, wanted: Requirements) -> datetime:
    now = await batches.open_batch(
        connection,
        batch_id=new_batch,
        tenant_id=old["tenant_id"],
        source=f"what was left of batch {old['id']}",
        review_name=old["review_name"],
        review_digest=old["review_digest"],
        requirements=wanted.model_dump(mode="json"),
        retry_of=old["id"],
    )
    assert now is not None  # without a key there is no other batch
    return now


async def _take_up(
    connection: Connection,
    old: Row,
    new_batch: str,
    which: Which,
    wanted: Requirements,
    now: datetime,
    ids: NewId,
) -> int:
    """Page by page, in the order in which the old ones came."""
    count, after = 0, ""
    while found := await jobs.final_of_batch(
        connection, old["tenant_id"], old["id"], which.states, which.reasons, after=after, most=GROUP
    ):
        await batches.add_jobs(connection, [_again(job, new_batch, wanted, now, ids()) for job in found])
        count, after = count + len(found), found[-1].id
    return count


def _again(
    old: Job, batch_id: str, wanted: Requirements, now: datetime, job_id: str
) -> tuple[Job, AuditEvent]:
    seconds = wanted.deadline_s
    job = Job(
        id=job_id,
        tenant_id=old.tenant_id,
        batch_id=batch_id,
        custom_id=old.custom_id,
        name=old.name,
        document_digest=old.document_digest,
        review_digest=old.review_digest,
        # What was asked for may be asked for more carefully the second time, and never less.
        sensitivity=wanted.sensitivity.at_least(old.sensitivity),
        residency=_within(old.residency, wanted.residency),
        quality=wanted.quality,
        lane=wanted.lane,
        deadline_at=None if seconds is None else now + timedelta(seconds=seconds),
        max_cost_usd_micros=None,
        asked_model=wanted.model or old.asked_model,
        asked_tier=wanted.tier or old.asked_tier,
        audit_head=GENESIS,
    )
    facts = {
        "batch": batch_id,
        "document": job.document_digest,
        "quality": job.quality,
        "residency": job.residency,
        "retry_of": old.id,
        "review": job.review_digest,
        "sensitivity": job.sensitivity,
        **job.asked,
    }
    accepted = event(None, job, at=now, actor="intake", facts=facts)
    return replace(job, audit_head=accepted.hash), accepted


def _within(old: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Both rules hold: a rule that is there is never dropped, and two are met by their common regions.

    Raises `BadInput` where they have none in common.
    """
    if not old or not wanted:
        return old or wanted
    both = tuple(region for region in wanted if region in old)
    if not both:
        raise BadInput(
            f"The documents must stay in {', '.join(old)}; none of {', '.join(wanted)} is among them.",
            where="--residency",
        )
    return both


def _nothing(which: Which) -> str:
    states: Collection[str] = [state.value for state in which.states]
    because = f" because of {' or '.join(which.reasons)}" if which.reasons else ""
    return f"No document of the batch is {' or '.join(states)}{because}."
