"""What did not become a success, and why: documents that were turned away, and jobs that ended without a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from classyard.commands.terminal import short, shown
from runtime.db.session import Database
from runtime.db.stores import views

MOST = 20
"""Of each kind are listed; the rest is in the results."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    what: str
    """`rejected`, or the state in which a job ended."""
    name: str
    """The document, for people."""
    code: str
    """The rule or cause, as a stable word."""
    why: str
    job: str = ""
    """Its id, where it became a job."""


async def gather(database: Database, tenant: str, batch_ids: Sequence[str]) -> list[Shortfall]:
    """At most `MOST` + 1 of each kind and batch, so that one can tell whether there are more."""
    found: list[Shortfall] = []
    async with database.transaction() as connection:
        for batch in batch_ids:
            rejected = await views.rejections(connection, tenant, batch, most=MOST + 1)
            ended = await views.not_done(connection, tenant, batch, most=MOST + 1)
            found += [Shortfall("rejected", row["place"], row["code"], row["sentence"]) for row in rejected]
            found += [
                Shortfall(row["state"], row["name"], row["reason_code"], row["reason"], row["id"])
                for row in ended
            ]
    return found


def lines(found: Sequence[Shortfall]) -> list[Text]:
    """One a shortfall: the word, the document, the rule, the sentence."""
    rejected = [one for one in found if one.what == "rejected"]
    ended = [one for one in found if one.what != "rejected"]
    return [line for group in (rejected, ended) for line in _listed(group)]


def _listed(group: Sequence[Shortfall]) -> list[Text]:
    named = [_line(one) for one in group[:MOST]]
    if len(group) > MOST:
        named.append(
            Text("… and more of them; `classyard results` has every job with its reason.", style="dim")
        )
    return named


def _line(one: Shortfall) -> Text:
    line = Text(f"{one.what} ", style="red")
    line.append(shown(one.name, most=80), style="bold")
    line.append(f" [{shown(one.code, most=40)}] ", style="dim")
    line.append(shown(one.why, most=300), style="default")
    return line.append(f"  ({short(one.job)})" if one.job else "", style="dim")
