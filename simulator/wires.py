"""What the two wires have in common, and the paths that they are spoken at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from simulator import anthropic_wire, openai_wire
from simulator.behaviour import RequestFacts, SimulatedReply


class Wire(Protocol):
    """From a body to facts and from a reply to a body; kept by the modules `openai_wire` and `anthropic_wire`."""

    REQUEST_ID_HEADER: str

    def key_of(self, headers: Mapping[str, str]) -> str: ...
    def read(
        self,
        body: Mapping[str, Any],
        headers: Mapping[str, str],
        *,
        provider: str,
        digest: bytes,
        repeat: int,
    ) -> RequestFacts: ...
    def answer(
        self, reply: SimulatedReply, request: RequestFacts, *, call_id: str, now_unix_s: int
    ) -> dict[str, Any]: ...
    def error(
        self, status: int, sentence: str, *, call_id: str, field: str | None = None
    ) -> dict[str, Any]: ...
    def limit_headers(
        self, limit: int, left: int, reset_s: float, *, now_unix_s: float
    ) -> dict[str, str]: ...
    def status_of(self, status: int) -> int: ...
    def models(self, names: list[str], *, now_unix_s: int) -> dict[str, Any]: ...


OPENAI: Wire = openai_wire
ANTHROPIC: Wire = anthropic_wire
WIRES = {"v1/chat/completions": OPENAI, "v1/messages": ANTHROPIC}
"""By path, below the name of the provider."""
