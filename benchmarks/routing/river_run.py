"""Runs inside the peers' environment: river's ADWIN, with its defaults, on the streams of a file.

It imports nothing of Classyard. For each stream it says after how many values behind the change an alarm was first
raised, or null where none was; and how many alarms there were before the change.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from river.drift import ADWIN  # type: ignore[import-not-found]


def run(stream: list[float], change_at: int) -> dict[str, Any]:
    detector, before = ADWIN(), 0
    for count, value in enumerate(stream):
        detector.update(value)
        if detector.drift_detected:
            if count >= change_at:
                return {"after": count - change_at + 1, "false_alarms": before}
            before += 1
    return {"after": None, "false_alarms": before}


def main(path: str) -> None:
    asked = json.loads(Path(path).read_text(encoding="utf-8"))
    found = {
        name: [run(stream, asked["change_at"]) for stream in streams]
        for name, streams in asked["streams"].items()
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
