"""Text from outside, made safe for a terminal: no control characters, no escape sequences, no endless lines."""

from __future__ import annotations

import unicodedata

LONGEST = 400


def clean(text: str, *, most: int = LONGEST) -> str:
    """What may be printed of a stranger's text; control and format characters become `�`."""
    safe = "".join(
        "�" if unicodedata.category(char) in {"Cc", "Cf", "Cs"} else char for char in text[: most + 1]
    )
    return safe if len(safe) <= most else safe[: most - 1] + "…"
