"""The page `benchmarks/RESULTS.md`: each program puts its own section into it, and touches no other."""

from __future__ import annotations

from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
TITLE = "# Results\n\nMeasured by the programs in this folder; each section says how to run it again.\n"


def put(name: str, section: str, *, by: str, path: Path = RESULTS) -> None:
    """Puts the section where it was before, or at the end. `by` is the command that writes it."""
    begin, end = f"<!-- {name}: written by {by} -->", f"<!-- /{name} -->"
    text = path.read_text(encoding="utf-8") if path.is_file() else TITLE
    marked = f"{begin}\n{section}{end}\n"
    if begin in text and end in text:
        before, rest = text.split(begin, 1)
        text = before + marked + rest.split(end, 1)[1].lstrip("\n")
    else:
        text = f"{text.rstrip()}\n\n{marked}"
    path.write_text(text, encoding="utf-8")
