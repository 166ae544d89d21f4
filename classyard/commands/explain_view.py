"""The story of a job as it is shown. Pure: from a `Story` to things to print, top to bottom.

What people wrote and models answered stands in `Text` objects after `shown`; nothing of it is markup.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from classyard.commands import features_view, history_view, result_view, rungs_view
from classyard.commands.progress_view import STYLES
from classyard.commands.story import Story
from classyard.commands.terminal import (
    UNKNOWN,
    alarm,
    counted,
    heading,
    indented,
    instant,
    joined,
    marked,
    milliseconds,
    number,
    short,
    shown,
)
from producer.money import format_usd
from router_worker.engine.explain import explain
from runtime.db.session import Row
from schemas.lifecycle import JobState
from schemas.stored import decision_flaw, decision_of


def parts(story: Story, *, width: int) -> Iterator[RenderableType]:
    yield from _opening(story)
    yield from _decisions(story)
    yield from _attempts(story, width)
    yield from rungs_view.parts(story.rungs, story.attempts)
    yield from result_view.parts(story.result)
    yield from history_view.parts(story)
    if story.simulated:
        names = ", ".join(sorted(shown(name, most=60) for name in story.simulated))
        yield Text(f"\nSimulated: {names}. What these answer means nothing.", style="yellow")


# -- the job, its document and its review


def _opening(story: Story) -> Iterator[RenderableType]:
    job = story.job
    title = Text(f"Job {job.id}  ", style="bold")
    yield title.append(job.state.value.replace("_", " "), style=STYLES.get(job.state, ""))
    facts = _facts()
    facts.add_row("document", Text(_document(story)))
    facts.add_row("review", Text(_review(story)))
    facts.add_row("batch", Text(joined((short(job.batch_id), shown(story.batch.get("source", ""), most=80)))))
    facts.add_row("asked for", Text(_asked_for(story)))
    for name, line in features_view.lines(job.features, job.sensitivity):
        facts.add_row(name, Text(line))
    if job.reason and job.state is not JobState.SUCCEEDED:
        facts.add_row("because", Text(f"{shown(job.reason, most=600)} [{shown(job.reason_code, most=60)}]"))
    yield facts


def _facts() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _document(story: Story) -> str:
    job, found = story.job, story.document
    own_name = "" if job.custom_id == job.name else f"custom id {shown(job.custom_id, most=80)}"
    length = f"{number(found['characters'])} characters" if found else ""
    return joined((shown(job.name, most=120), own_name, length, short_digest(job.document_digest)))


def _review(story: Story) -> str:
    name, version = story.review.get("review", UNKNOWN), story.review.get("version", "")
    title = shown(story.review.get("title", ""), most=120)
    return joined((f"{shown(name)} {version}".strip(), title, short_digest(story.job.review_digest)))


def _asked_for(story: Story) -> str:
    job = story.job
    within = f"stays in {', '.join(map(shown, job.residency))}" if job.residency else ""
    deadline = f"until {instant(job.deadline_at)}" if job.deadline_at else ""
    ceiling = job.max_cost_usd_micros
    cost = f"at most {format_usd(ceiling)}" if ceiling is not None else ""
    return joined(
        (job.sensitivity.value, within, f"quality {job.quality}", f"lane {job.lane}", deadline, cost)
    )


def short_digest(digest: str) -> str:
    return shown(digest, most=19)


# -- decisions


def _decisions(story: Story) -> Iterator[RenderableType]:
    for place, row in enumerate(story.decisions, start=1):
        of = f" {place} of {len(story.decisions)}" if len(story.decisions) > 1 else ""
        under = joined((f"policy {shown(row['policy_name'] or UNKNOWN)}", instant(row["decided_at"])))
        yield heading(f"Decision{of}", under)
        if flaw := decision_flaw(row, story.events):
            yield alarm(f"This decision was changed after it was made: {flaw}.")
        yield from (indented(Text(line.lstrip()), by=_depth(line)) for line in told(row["body"]))
        yield indented(Text(_digests(row), style="dim"))
    if not story.decisions:
        yield heading("Decision", "none yet")


def told(body: bytes) -> list[str]:
    """The decision in plain sentences. The indentation is ours; what follows it names what others have named."""
    try:
        sentences = explain(decision_of(body))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ["What is stored here is not a decision that this version can read."]
    return [" " * _depth(line) + shown(line, most=1_200) for line in sentences.splitlines()]


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _digests(row: Row) -> str:
    named = {"decision": row["digest"], "policy": row["policy_digest"], "catalog": row["catalog_digest"]}
    named["snapshot"] = row["snapshot_digest"]
    return "  ".join(f"{name} {short_digest(digest)}" for name, digest in named.items())


# -- attempts


def _attempts(story: Story, width: int) -> Iterator[RenderableType]:
    made = story.attempts
    if not made:
        yield heading("Calls", "none")
        return
    total = sum(row["cost_usd_micros"] for row in made)
    yield heading("Calls", joined((counted(len(made), "call"), format_usd(total))))
    table = Table(box=None, padding=(0, 2 if width >= 92 else 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", justify="right", no_wrap=True)
    for name in ("provider", "model", "outcome"):
        table.add_column(name, overflow="fold")
    for name in ("tokens in/out", "cost", "took"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in made:
        table.add_row(*_attempt(row))
    yield indented(table)
    for row in made:
        yield from (indented(Text(f"{row['number']}: {line}", style="dim")) for line in _remarks(row))


def _attempt(row: Row) -> tuple[RenderableType, ...]:
    answered = row["outcome"] == "answered"
    outcome = Text(shown(row["outcome"]).replace("_", " "), style="" if answered else "red")
    if row["http_status"] not in (None, 200):
        outcome.append(f" {row['http_status']}")
    if row["fenced"]:
        outcome.append(" not used", style="yellow")
    return (
        str(row["number"]),
        marked(row["provider"], row["simulated"]),
        Text(shown(row["model_version"], most=60)),
        outcome,
        f"{number(row['input_tokens'])}/{number(row['output_tokens'])}",
        format_usd(row["cost_usd_micros"]),
        milliseconds(row["latency_ms"]),
    )


def _remarks(row: Row) -> Iterator[str]:
    """What the provider says has answered, where it is not what was asked for; and what went wrong."""
    if row["model_reported"] not in ("", row["model_version"]):
        yield f"The provider says that {shown(row['model_reported'], most=100)} answered."
    if row["detail"]:
        yield shown(row["detail"], most=400)
