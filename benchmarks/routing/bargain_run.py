"""Runs inside the peers' environment: BARGAIN on the triples of a file, one line of figures for each run.

It imports nothing of Classyard. The package imports an API client at the top, which nothing here uses: two empty
modules stand in for it. Every answer and label is laid ready beforehand, so no thread pool and no network is involved.
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

for name, thing in (("openai", "OpenAI"), ("pydantic", "BaseModel")):
    stub = types.ModuleType(name)
    setattr(stub, thing, type(thing, (), {}))
    sys.modules[name] = stub

import numpy as np  # noqa: E402
from BARGAIN import BARGAIN_A, Oracle, Proxy  # type: ignore[import-not-found]  # noqa: E402

CHEAP = 1  # the cheap answer to every question; the strong one is 1 where it agrees, 0 where not


class Scored(Proxy):  # type: ignore[misc]
    def __init__(self, scores: list[float]) -> None:
        super().__init__(verbose=False, max_workers=1)
        self.scores = scores

    def reset(self) -> None:
        self.preds_dict = {index: (CHEAP, score) for index, score in enumerate(self.scores)}


class Labelled(Oracle):  # type: ignore[misc]
    def __init__(self, agrees: list[int]) -> None:
        super().__init__(verbose=False, max_workers=1)
        self.agrees = agrees

    def reset(self) -> None:
        self.preds_dict = dict(enumerate(self.agrees))
        self.cached_validations = {(index, CHEAP): bool(value) for index, value in enumerate(self.agrees)}


def run(task: dict[str, Any], target: float, delta: float, seed: int) -> dict[str, float]:
    """Share of expensive calls avoided, labels counted as such, and share of agreement over all cases."""
    agrees = task["agrees"]
    judge = BARGAIN_A(
        Scored(task["scores"]), Labelled(agrees), target=target, delta=delta, verbose=False, seed=seed
    )
    answers, expensive = judge.process(np.arange(len(agrees)), return_oracle_usage=True)
    right = float(np.mean(np.array(answers) == np.array(agrees)))
    return {"T": target, "avoided": 1 - float(np.mean(expensive)), "agreement": right}


def main(path: str) -> None:
    asked = json.loads(Path(path).read_text(encoding="utf-8"))
    found = [
        [
            run(task, target, asked["delta"], seed)
            for target in asked["targets"]
            for seed in range(asked["seeds"])
        ]
        for task in asked["tasks"]
    ]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
