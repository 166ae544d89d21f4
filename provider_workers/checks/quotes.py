"""Where each quote stands in the document: letter by letter, but for typography, nearly, or not at all.

Time is bounded for hostile answers and documents: at most 50 quotes of 600 characters; typography is looked
through in the first 8 million characters only; and nearly-equal text is sought while 1 million characters
of document have not been read for it, over all quotes of an answer. What is not looked for counts as
absent, so a bound can only make an answer more doubtful. A near match is shown to people and never counts
as verified.
"""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz import fuzz

from provider_workers.checks.plain_text import PlainText, plain
from schemas.result import QuoteCheck, QuoteMatch
from schemas.review import MAX_QUOTE_CHARACTERS

MAX_QUOTES = 50
PLAIN_CHARACTERS = 8_000_000
"""More than any model's context holds; the exact search goes through the whole document all the same."""
NEAR_CHARACTERS = 1_000_000
"""10 to 40 ns each on ordinary text, 1 µs on text made to be slow (rapidfuzz 3.14, measured 2026-11-23)."""
NEAR_SCORE = 90.0
"""Of 100: about one letter in ten may differ."""


def check_quotes(quotes: Sequence[str], document: str) -> tuple[QuoteCheck, ...]:
    """One check for each quote, in order. An empty quote is absent. Never raises."""
    search = _Search(document)
    return tuple(
        search.check(index, quote) if index < MAX_QUOTES else QuoteCheck(index, QuoteMatch.ABSENT)
        for index, quote in enumerate(quotes)
    )


class _Search:
    """One document, made plain at the first quote that needs it."""

    def __init__(self, document: str) -> None:
        self._document = document
        self._plain: PlainText | None = None
        self._near_left = NEAR_CHARACTERS

    def check(self, index: int, quote: str) -> QuoteCheck:
        start = self._document.find(quote) if quote else -1
        if start >= 0:
            return QuoteCheck(index, QuoteMatch.EXACT, start, start + len(quote))
        wanted = plain(quote).strip() if len(quote) <= MAX_QUOTE_CHARACTERS else ""
        if not wanted:
            return QuoteCheck(index, QuoteMatch.ABSENT)
        return self._in_plain(index, wanted)

    def _in_plain(self, index: int, wanted: str) -> QuoteCheck:
        if self._plain is None:
            self._plain = PlainText(self._document[:PLAIN_CHARACTERS])
        start = self._plain.text.find(wanted)
        if start >= 0:
            place = self._plain.origin(start, start + len(wanted))
            return QuoteCheck(index, QuoteMatch.NORMALISED, *place)
        near = self._near(self._plain, wanted)
        return QuoteCheck(index, QuoteMatch.CLOSE, *near) if near else QuoteCheck(index, QuoteMatch.ABSENT)

    def _near(self, within: PlainText, wanted: str) -> tuple[int, int] | None:
        size = len(within.text)
        if not len(wanted) <= size <= self._near_left:
            return None
        self._near_left -= size
        found = fuzz.partial_ratio_alignment(wanted, within.text, score_cutoff=NEAR_SCORE)
        if found is None or found.dest_end <= found.dest_start:
            return None
        return within.origin(found.dest_start, found.dest_end)
