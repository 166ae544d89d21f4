"""`classyard demo`: a whole yard, three groups of synthetic documents, the results in a file, one decision explained.

It runs in a home of its own beside the user's, so that it can be tried next to a real yard and thrown away.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from classyard.commands.explain import explain
from classyard.commands.results import results
from classyard.commands.watch import watch
from classyard.commands.yard import say
from classyard.context import Context
from classyard.embedded.home import Home
from classyard.up import Yard, running
from producer.intake.accept import accept
from runtime.db.stores import views
from schemas.sensitivity import Sensitivity
from schemas.submission import Requirements, SourceDocument
from simulator.documents import SyntheticDocument, make_documents

SEED = 20
REVIEW = "contract-clauses"
CONFIDENTIAL_SHARE = 6
"""One document in so many is confidential: the small model reads each for five to ten seconds."""


@dataclass(frozen=True)
class Group:
    """Documents that are handed in together."""

    title: str
    requirements: Requirements
    documents: tuple[SyntheticDocument, ...]


def show(context: Context, *, documents: int) -> int:
    """Returns the exit code: 0 where every document succeeded."""
    began = time.monotonic()
    own = _at_home(context)
    groups = groups_of(documents)
    with running(own, say=say) as yard:
        batches = asyncio.run(_submit(yard.context, groups))
        code = _beside(yard, batches)
        files = _export(yard.context, groups, batches)
        say("")
        say("One of these decisions, as the record has it:")
        say("")
        explain(yard.context, asyncio.run(_a_confidential_job(yard.context, batches)))
    say("")
    say(
        f"The demo took {time.monotonic() - began:.0f} s. Its yard is down; what it did is kept in {own.home.path}."
    )
    for title, path in files:
        say(f"Results, {title}: {path}")
    say(
        "Next, documents of your own: `classyard up`, then `classyard submit PATH --review contract-clauses --wait`."
    )
    return code


def groups_of(count: int) -> tuple[Group, ...]:
    """The demo's documents: most may be read by the pretend providers, some only in the EU, some only here."""
    confidential = max(1, count // CONFIDENTIAL_SHARE)
    european = max(1, (count - confidential) // 3)
    made = make_documents(SEED, count, language="en")
    bounds = (confidential, confidential + european)
    return (
        Group("ordinary contracts", Requirements(), made[bounds[1] :]),
        Group("to be processed in the EU", Requirements(residency=("eu",)), made[bounds[0] : bounds[1]]),
        Group(
            "confidential: only the model on this machine may read them",
            Requirements(sensitivity=Sensitivity.CONFIDENTIAL),
            made[: bounds[0]],
        ),
    )


def _at_home(context: Context) -> Context:
    """The demo's own home and the demo's own catalog and policy, whatever the user has."""
    plain = context.settings.model_copy(
        update={"catalog": "", "policy": "", "reviews": "", "database_url": "", "redis_url": ""}
    )
    return Context(plain, Home(context.home.path / "demo"), context.environ)


async def _submit(context: Context, groups: Sequence[Group]) -> list[str]:
    review, batches = context.review(REVIEW), []
    async with context.database() as database:
        for group in groups:
            say(f"{len(group.documents):>3} documents: {group.title}")
            accepted = await accept(
                database,
                _sources(group),
                tenant_id=context.settings.tenant,
                source=f"demo: {group.title}",
                review=review,
                requirements=group.requirements,
            )
            batches.append(accepted.batch_id)
    return batches


def _sources(group: Group) -> Iterator[SourceDocument]:
    for document in group.documents:
        yield SourceDocument(document.name, document.name, document.text, "utf-8")


def _beside(yard: Yard, batches: Sequence[str]) -> int:
    """Watches in this thread's stead while the yard's children are looked after in this one."""
    done, codes = threading.Event(), [1]

    def follow() -> None:
        try:
            codes[0] = watch(yard.context, batches, goes_on=False)
        finally:
            done.set()

    watcher = threading.Thread(target=follow, name="watch")
    watcher.start()
    try:
        yard.watch(done)
    finally:
        watcher.join()
    return codes[0]


def _export(context: Context, groups: Sequence[Group], batches: Sequence[str]) -> list[tuple[str, str]]:
    folder = context.home.path / "results"
    folder.mkdir(exist_ok=True)
    files = []
    for number, (group, batch) in enumerate(zip(groups, batches, strict=True), start=1):
        path = folder / f"{number}-{batch[-8:]}.jsonl"
        results(context, batch, form="jsonl", to=str(path))
        files.append((group.title, str(path)))
    return files


async def _a_confidential_job(context: Context, batches: Sequence[str]) -> str:
    async with context.database() as database:
        async for row in views.results(database, context.settings.tenant, batches[-1]):
            return str(row["job_id"])
    raise LookupError("the demo has no confidential document")
