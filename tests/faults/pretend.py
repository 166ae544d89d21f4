"""Pretend providers that remember every call by its key, and the processes that the laboratory starts."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from typing import Any

from tests.flows.yards import ROOT, Pretend


class JournaledPretend(Pretend):
    """Pretend providers that count their calls by key."""

    def providers(self) -> list[str]:
        return list(self._get("/_stats")["providers"])

    def calls(self, name: str) -> dict[str, int]:
        found = self._get(f"/_calls/{name}")
        assert not found["unjournaled"], "more keys than the journal holds"
        return dict(found["calls"])

    def forget_calls(self) -> None:
        urllib.request.urlopen(f"{self.url}/_calls/reset", data=b"", timeout=10).close()

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=60) as reply:
            body: dict[str, Any] = json.loads(reply.read())
        return body


def simulator(profiles: Mapping[str, str], seed: int) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    words = [word for name, profile in profiles.items() for word in ("--provider", f"{name}={profile}")]
    return process("simulator", *words, "--port", "0", "--journal", "--seed", str(seed))


def process(module: str, *words: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """A Python module that says one line of JSON when it is ready."""
    child = subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line, f"{module} did not start"
    return child, json.loads(line)


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
