"""What a review found, as it is shown: verdict, summary, findings, and whether their quotes stand. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from classyard.commands.terminal import UNKNOWN, heading, indented, joined, marked, shown
from runtime.db.session import Row
from schemas.result import QuoteMatch

VERIFIED = frozenset({QuoteMatch.EXACT, QuoteMatch.NORMALISED})


def parts(row: Row | None) -> Iterator[RenderableType]:
    """A row of `results`, from its verdict down to where each quote stands."""
    if row is None:
        yield heading("Result", "none")
        return
    output, checks = row["output"], row["checks"]
    confidence = output.get("confidence")
    told = f"confidence {confidence:g}" if isinstance(confidence, (int, float)) else ""
    by = marked(row["provider"], row["simulated"]).plain
    under = joined((shown(output.get("verdict", UNKNOWN)), told, f"by {by}", f"checks: {row['standing']}"))
    yield heading("Result", under)
    yield indented(Text(shown(output.get("summary", ""), most=2_000)))
    if checks.get("sentence"):
        yield indented(Text(shown(checks["sentence"], most=400), style="yellow"))
    for index, finding in enumerate(output.get("findings", ())):
        yield indented(_finding(index, finding, _quote_of(checks, index)))


def _quote_of(checks: Mapping[str, Any], finding: int) -> Mapping[str, Any]:
    return next((quote for quote in checks.get("quotes", ()) if quote["finding"] == finding), {})


def _finding(index: int, finding: Mapping[str, Any], quote: Mapping[str, Any]) -> Text:
    line = Text(f"{index + 1}. {shown(finding.get('id', ''), most=80)}", style="bold")
    line.append(f" [{shown(finding.get('severity', ''), most=20)}] ", style="not bold dim")
    line.append(shown(finding.get("explanation", ""), most=1_000), style="not bold")
    line.append(f'\n   "{shown(finding.get("quote", ""), most=600)}"', style="not bold italic")
    verified = quote.get("match") in VERIFIED
    return line.append(f"\n   {_standing_of(quote)}", style=f"not bold {'green' if verified else 'yellow'}")


def _standing_of(quote: Mapping[str, Any]) -> str:
    """Whether the quote stands in the document, and where."""
    place = f"characters {quote.get('start')} to {quote.get('end')}"
    sentences = {
        QuoteMatch.EXACT: f"✓ stands in the document letter by letter, {place}",
        QuoteMatch.NORMALISED: f"✓ stands in the document but for typography, {place}",
        QuoteMatch.CLOSE: f"! not verified: something close to it stands at {place}",
        QuoteMatch.ABSENT: "! not verified: it was not found in the document",
    }
    return sentences.get(quote.get("match", ""), "! not checked")
