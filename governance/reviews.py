"""Reviews by name, from the operator's folders and then from the ones that ship."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from runtime.yaml_files import read_yaml
from schemas.errors import UnknownName
from schemas.review import Review


def find_review(name: str, folders: Sequence[Path]) -> Review:
    """The review in the first folder that has a file `NAME.yaml`.

    Raises `UnknownName`, with the names there are, where none has; `BadConfiguration`, with file and line, where the
    file is wrong or holds a review of another name.
    """
    known = known_reviews(folders)
    if name not in known:
        there_are = ", ".join(known) or "none in any folder"
        raise UnknownName(f"There is no review {name!r}. There are: {there_are}.")
    file = read_yaml(known[name])
    review = file.validated(Review)
    if review.review != name:
        raise file.fault(
            ("review",), f"is {review.review!r}, and the file is named {name!r}: make them the same"
        )
    return review


def known_reviews(folders: Iterable[Path]) -> dict[str, Path]:
    """Every review's file by its name, in the order of names; an earlier folder wins. Missing folders are empty."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in folder.glob("*.yaml"):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))
