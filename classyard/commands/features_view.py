"""What the router read in a document, as lines of a person's report. Pure; no text of the document is in it."""

from __future__ import annotations

from collections.abc import Iterator

from classyard.commands.terminal import counted, joined, number, shown
from schemas.features import JobFeatures
from schemas.sensitivity import Sensitivity


def lines(features: JobFeatures | None, asked: Sensitivity) -> Iterator[tuple[str, str]]:
    """Each with its name; none before the router has looked."""
    if features is None:
        return
    yield "read as", joined(_read_as(features))
    if found := joined(_found(features)):
        yield "found", found
    if features.sensitivity is not asked or features.raised_by:
        by = ", ".join(shown(each, most=80) for each in features.raised_by) or "nothing that is named"
        yield "raised", f"from {asked.value} to {features.sensitivity.value} by {by}"
    if features.closed_by:
        yield "closed by", ", ".join(shown(each, most=80) for each in features.closed_by)


def _read_as(features: JobFeatures) -> Iterator[str]:
    yield shown(features.kind)
    yield f"{number(features.tokens)} tokens"
    yield from (f"{number(count)} in {shown(family)}" for family, count in features.tokens_by_family)
    yield "language unknown" if features.language == "und" else f"language {shown(features.language)}"
    for figure, word in (
        (features.pages, "page"),
        (features.sections, "heading"),
        (features.tables, "table"),
    ):
        if figure:
            yield counted(figure, word)
    if features.kind:
        yield f"difficulty {features.difficulty:.2f}"


def _found(features: JobFeatures) -> Iterator[str]:
    yield from (f"marked {shown(each)}" for each in features.markings)
    yield from (f"{number(count)} {shown(kind).replace('_', ' ')}" for kind, count in features.personal_data)
    yield from (f"{number(count)} secret of {shown(maker)}" for maker, count in features.secrets)
