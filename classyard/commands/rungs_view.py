"""The rungs that a job walked: the evidence on each answer, what was asked of it, what it cost. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from classyard.commands.terminal import counted, heading, indented, marked, number, shown
from producer.money import format_usd
from runtime.db.session import Row
from schemas.decision import NOT_KEPT
from schemas.rung import RungAnswer


def parts(rungs: Sequence[RungAnswer], attempts: Sequence[Row]) -> Iterator[RenderableType]:
    """Nothing where there was no ladder and no answer was set aside."""
    if not rungs:
        return
    costs = {row["number"]: row["cost_usd_micros"] for row in attempts if not row["fenced"]}
    yield heading("Rungs", f"{counted(len(rungs), 'answer')}, with evidence of 0 to 1,000,000")
    for answer in rungs:
        line = Text(f"{answer.attempt}. ").append_text(marked(answer.provider, answer.simulated))
        line.append(
            f"/{shown(answer.model, most=80)}" + (f", sample {answer.sample}" if answer.sample > 1 else "")
        )
        line.append(f": evidence {number(answer.score)}, {_asked(answer)}")
        if answer.attempt in costs:
            line.append(f", {format_usd(costs[answer.attempt])}")
        if answer.output is None:
            line.append(", the result")
        yield indented(line)


def _asked(answer: RungAnswer) -> str:
    if answer.keep_from is None:
        return f"{answer.report.standing.value}"
    if answer.keep_from >= NOT_KEPT:
        return "not to be kept whatever it is"
    return f"{number(answer.keep_from)} asked"
