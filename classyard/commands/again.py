"""`classyard cancel` and `classyard retry`: end what is open, take up what did not succeed."""

from __future__ import annotations

from collections.abc import Sequence

from classyard.commands import resolve
from classyard.commands.submit import read_requirements, ring
from classyard.commands.terminal import counted, run
from classyard.commands.yard import say
from classyard.context import Context
from producer.intake.cancel import Cancelled, cancel_batch, cancel_job
from producer.intake.retry import WORTH_A_RETRY, Retried, Which, retry
from schemas.errors import BadInput, UnknownName
from schemas.lifecycle import JobState
from schemas.submission import Requirements

ACTOR = "command line"


def cancel(context: Context, given: str, *, job: bool) -> int:
    """Exit code 0, also where nothing was open any more."""
    connected = context.connected()
    if job:
        say(run(_cancel_job(connected, given)))
        return 0
    batch_id, done = run(_cancel_batch(connected, given))
    say(f"Cancelled {counted(done.jobs, 'document')} of batch {batch_id}; what was final stays.")
    if done.in_flight:
        say(f"{counted(done.in_flight, 'call')} may be under way; what they answer is not kept.")
    return 0


def again(
    context: Context,
    given: str,
    *,
    states: Sequence[str],
    reasons: Sequence[str],
    deadline: str | None,
    max_cost: str | None,
    wait: bool,
) -> int:
    which = Which(tuple(_state(one) for one in states) or WORTH_A_RETRY, tuple(reasons))
    changes = read_requirements(None, [], deadline, max_cost, None, None)
    connected = context.connected()
    batch_id, done = run(_retry(connected, given, which, changes))
    say(f"Took up {counted(done.jobs, 'document')} of batch {batch_id} as batch {done.batch_id}.")
    if not wait:
        say(f"Follow it with: classyard watch {done.batch_id}")
        return 0
    from classyard.commands.watch import watch

    return watch(connected, [done.batch_id])


def _state(given: str) -> JobState:
    try:
        return JobState(given)
    except ValueError:
        raise BadInput(
            f"{given!r} is not known; it may be failed, expired, refused or cancelled.", where="--state"
        ) from None


async def _cancel_batch(context: Context, given: str) -> tuple[str, Cancelled]:
    async with context.database() as database:
        tenant = context.settings.tenant
        batch_id = await resolve.batch_id(database, tenant, given)
        return batch_id, await cancel_batch(database, tenant, batch_id, actor=ACTOR)


async def _cancel_job(context: Context, given: str) -> str:
    async with context.database() as database:
        tenant = context.settings.tenant
        job_id = await resolve.job_id(database, tenant, given)
        was = await cancel_job(database, tenant, job_id, actor=ACTOR)
    if was is None:
        return f"Job {job_id} is final already, and stays as it is."
    return f"Cancelled job {job_id}, which was {was.state.value}."


async def _retry(context: Context, given: str, which: Which, changes: Requirements) -> tuple[str, Retried]:
    async with context.database() as database:
        tenant = context.settings.tenant
        batch_id = await resolve.batch_id(database, tenant, given)
        wanted = await _wanted(context, batch_id, changes)
        done = await retry(database, tenant, batch_id, which, requirements=wanted)
    await ring(context)
    return batch_id, done


async def _wanted(context: Context, batch_id: str, changes: Requirements) -> Requirements:
    """The batch's own requirements, with what was said anew in its place."""
    async with context.database() as database, database.transaction() as connection:
        from runtime.db.stores import batches

        old = await batches.find(connection, context.settings.tenant, batch_id)
    if old is None:
        raise UnknownName(f"There is no batch {batch_id!r}.")
    told = changes.model_dump(mode="json", exclude_unset=True)
    return Requirements.model_validate({**old["requirements"], **told})
