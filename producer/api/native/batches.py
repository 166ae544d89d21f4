"""`/v1/reviews`: the list of batches, one of them, what it cost; cancel, expire, retry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from producer.api.batches import Watcher
from producer.api.errors import NATIVE
from producer.api.files import Submitter
from producer.api.native.found import After, BatchId, cursor, the_batch
from producer.api.ring import ring
from producer.api.state import state_of
from producer.api.values import (
    MOST_REASONS,
    Batch,
    BatchListed,
    BatchPage,
    Cancelled,
    Cost,
    Expired,
    ProviderCost,
    Reason,
    ReasonCode,
    Retried,
    Status,
)
from producer.intake.cancel import cancel_batch
from producer.intake.expire import expire_batch
from producer.intake.retry import WORTH_A_RETRY, Which
from producer.intake.retry import retry as take_up
from runtime.db.session import Row
from runtime.db.stores import bounds, reading, views
from schemas.lifecycle import FINAL, JobState

router = APIRouter(prefix=NATIVE, tags=["reviews"])


@router.get("", summary="List batches")
async def every(
    request: Request,
    caller: Watcher,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    review: Annotated[str | None, Query(max_length=100)] = None,
    status: Annotated[Literal["open", "ended"] | None, Query()] = None,
) -> BatchPage:
    """The newest first, those included that came by `submit` or by another shape of the API."""
    async with state_of(request).database.transaction() as connection:
        rows = await reading.batch_page(
            connection,
            caller.tenant,
            after=cursor(after),
            most=limit + 1,
            review=review,
            is_open=None if status is None else status == "open",
        )
    shown, has_more = rows[:limit], len(rows) > limit
    return BatchPage(
        data=[_listed(row) for row in shown], has_more=has_more, next=shown[-1]["id"] if has_more else None
    )


def _listed(row: Row) -> BatchListed:
    return BatchListed(
        id=row["id"],
        review=row["review_name"],
        source=row["source"],
        status=status_of(row["is_open"], row["cancelled_at"]),
        accepted=row["accepted"],
        rejected=row["rejected"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        cost_usd_micros=row["cost_usd_micros"],
        retry_of=row["retry_of"],
    )


def status_of(is_open: bool, cancelled_at: datetime | None) -> Status:
    return "open" if is_open else "cancelled" if cancelled_at else "done"


def open_of(states: Mapping[str, int]) -> int:
    return sum(jobs for state, jobs in states.items() if state not in FINAL)


@router.get("/{batch_id}", summary="One batch")
async def one(request: Request, caller: Watcher, batch_id: BatchId) -> Batch:
    async with state_of(request).database.transaction() as connection:
        row = await the_batch(connection, caller, batch_id)
        states = await views.states(connection, caller.tenant, row["id"])
    return Batch(
        id=row["id"],
        review=row["review_name"],
        status=status_of(bool(open_of(states)), row["cancelled_at"]),
        accepted=row["accepted"],
        rejected=row["rejected"],
        states={JobState(name): jobs for name, jobs in states.items()},
        requirements=row["requirements"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        retry_of=str(row["retry_of"]) if row["retry_of"] else None,
    )


@router.get("/{batch_id}/cost", summary="What a batch cost, and the least it could have cost")
async def cost(request: Request, caller: Watcher, batch_id: BatchId) -> Cost:
    async with state_of(request).database.transaction() as connection:
        await views.one_picture(connection)
        row = await the_batch(connection, caller, batch_id)
        providers = await views.by_provider(connection, caller.tenant, row["id"])
        escalated = await bounds.escalated(connection, caller.tenant, row["id"])
        reasons = await bounds.reasons(connection, caller.tenant, row["id"])
    known = {name: row[name] for name in Cost.model_fields if name in row}
    return Cost(
        **known,
        spent_usd_micros=sum(one["cost_usd_micros"] for one in providers),
        escalated=escalated,
        providers=[
            ProviderCost(**{name: one[name] for name in ProviderCost.model_fields}) for one in providers
        ],
        reasons=[Reason(**one) for one in reasons],
    )


# -- steering


@router.post("/{batch_id}/cancel", summary="Cancel what is still open")
async def cancel(request: Request, caller: Submitter, batch_id: BatchId) -> Cancelled:
    """What is final stays as it is. Safe to send again."""
    database = state_of(request).database
    async with database.transaction() as connection:
        row = await the_batch(connection, caller, batch_id)
    done = await cancel_batch(database, caller.tenant, row["id"], actor=f"api key {caller.key_id}")
    return Cancelled(id=row["id"], cancelled=done.jobs, in_flight=done.in_flight)


@router.post("/{batch_id}/expire", summary="End what is still open as expired")
async def expire(request: Request, caller: Submitter, batch_id: BatchId) -> Expired:
    """As if its deadline were now: what is done is kept, and so is an earlier usable answer of what is not. Safe to
    send again."""
    database = state_of(request).database
    async with database.transaction() as connection:
        row = await the_batch(connection, caller, batch_id)
    done = await expire_batch(database, caller.tenant, row["id"], actor=f"api key {caller.key_id}")
    return Expired(id=row["id"], expired=done.expired, kept=done.kept, in_flight=done.in_flight)


States = Annotated[list[JobState], Query(max_length=len(JobState), description="Those that are taken up.")]
Reasons = Annotated[
    list[Annotated[str, ReasonCode]],
    Query(max_length=MOST_REASONS, description="Only with one of these reasons, such as `deadline`."),
]


@router.post("/{batch_id}/retry", status_code=202, summary="Take up again what did not succeed")
async def retry(
    request: Request,
    caller: Submitter,
    batch_id: BatchId,
    state: States = list(WORTH_A_RETRY),  # noqa: B006 (never changed)
    reason: Reasons = [],  # noqa: B006
) -> Retried:
    """What failed, expired or was refused, or what the filters say, as a new batch."""
    here = state_of(request)
    async with here.database.transaction() as connection:
        row = await the_batch(connection, caller, batch_id)
    made = await take_up(here.database, caller.tenant, row["id"], Which(tuple(state), tuple(reason)))
    ring(here.bells)
    return Retried(id=made.batch_id, accepted=made.jobs, retry_of=row["id"])
