"""`classyard submit`: read, check, commit, ring once, and watch where that is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from classyard.commands.terminal import SIMULATED_NOTE, counted, run
from classyard.commands.text import clean
from classyard.commands.yard import say
from classyard.context import Context
from producer.durations import parse_duration
from producer.intake.accept import Accepted, NothingAccepted, accept, take_short_turns
from producer.intake.names import Names, names_in_force
from producer.money import parse_usd
from producer.sources import read_all
from runtime.doorbells import RedisDoorbells
from runtime.metrics import Metrics
from runtime.redis_client import make_redis
from schemas.errors import BadInput
from schemas.messages import CLASSIFIER_QUEUE
from schemas.review import Review
from schemas.sensitivity import Lane, Quality, Sensitivity
from schemas.submission import Rejection, Requirements, SourceDocument

SHOWN = 20
"""Rejections printed; the rest are counted, and `classyard status` has them all."""


def submit(
    context: Context,
    paths: Sequence[Path],
    *,
    review: str,
    wait: bool,
    sensitivity: str | None,
    residency: Sequence[str],
    deadline: str | None,
    max_cost: str | None,
    quality: str | None,
    priority: str | None,
    model: str | None = None,
    tier: str | None = None,
    key: str | None = None,
) -> int:
    """Returns the exit code: 0 only where every document was accepted and, with `wait`, succeeded."""
    requirements = read_requirements(
        sensitivity, residency, deadline, max_cost, quality, priority, model, tier
    )
    found = context.review(review)
    documents = read_all(
        paths, on_skip=lambda skipped: say(clean(f"Skipped {skipped.where}: {skipped.reason}"))
    )
    connected = context.connected()
    if (requirements.model or requirements.tier) and (names := run(_names(connected))) is not None:
        names.require(requirements)
    try:
        accepted = run(_hand_in(connected, paths, documents, found, requirements, key))
    except NothingAccepted as nothing:
        _show(nothing.rejections, len(nothing.rejections))
        raise
    _show(accepted.rejections, accepted.rejected)
    say(f"Accepted {counted(accepted.accepted, 'document')} as batch {accepted.batch_id}.")
    if accepted.repeated:
        say("It was handed in before, with the same key; this is that batch.")
    if connected.has_simulated():
        say(SIMULATED_NOTE)
    if not wait:
        say(f"Follow it with: classyard watch {accepted.batch_id}")
        return 1 if accepted.rejected else 0
    from classyard.commands.watch import watch

    return watch(connected, [accepted.batch_id])


async def _hand_in(
    context: Context,
    paths: Sequence[Path],
    documents: Iterable[SourceDocument | Rejection],
    review: Review,
    requirements: Requirements,
    key: str | None,
) -> Accepted:
    # Made first: a mistake in its address must not be found after everything is committed.
    bells = RedisDoorbells(make_redis(context.settings.redis_url, timeout_s=1.0), Metrics())
    take_short_turns()
    async with context.database() as database:
        accepted = await accept(
            database,
            documents,
            tenant_id=context.settings.tenant,
            source=", ".join(str(path) for path in paths)[:2_000],
            review=review,
            requirements=requirements,
            defaults=context.settings.tenant_defaults,
            key=key,
        )
    # Everything is committed. The bell only saves the keeper's next round; if it is lost, nothing is.
    await bells.ring(CLASSIFIER_QUEUE, 1)
    await bells.close()
    return accepted


async def _names(context: Context) -> Names | None:
    async with context.database() as database, database.transaction() as connection:
        return await names_in_force(connection, context.settings.tenant)


async def ring(context: Context) -> None:
    """Tells the router that there is work. The keeper would, two seconds later."""
    bells = RedisDoorbells(make_redis(context.settings.redis_url, timeout_s=1.0), Metrics())
    await bells.ring(CLASSIFIER_QUEUE, 1)
    await bells.close()


def read_requirements(
    sensitivity: str | None,
    residency: Sequence[str],
    deadline: str | None,
    max_cost: str | None,
    quality: str | None,
    priority: str | None,
    model: str | None = None,
    tier: str | None = None,
) -> Requirements:
    """Raises `BadInput` naming the option and what it may be."""
    given = {
        "sensitivity": _one_of(Sensitivity, "--sensitivity", sensitivity),
        "quality": _one_of(Quality, "--quality", quality),
        "lane": _one_of(Lane, "--priority", priority),
        "deadline_s": None if deadline is None else parse_duration(deadline),
        "max_cost_usd_micros": None if max_cost is None else parse_usd(max_cost),
        "residency": tuple(residency),
        "model": model,
        "tier": tier,
    }
    try:
        return Requirements(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(first["msg"].removeprefix("Value error, "), where=f"--{first['loc'][0]}") from error


def _one_of(kind: type[Sensitivity | Quality | Lane], option: str, given: str | None) -> str | None:
    if given is not None and given not in list(kind):
        known = ", ".join(kind)
        raise BadInput(f"{given!r} is not known; it may be one of: {known}.", where=option)
    return given


def _show(rejections: Sequence[Rejection], total: int) -> None:
    for rejection in rejections[:SHOWN]:
        say(clean(f"Not accepted: {rejection.where}: {rejection.sentence}"))
    if total > SHOWN:
        say(f"… and {total - SHOWN} more that were not accepted.")
