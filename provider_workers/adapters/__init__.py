"""Translation between our values and the wires of providers. Pure: nothing here sends, waits or logs."""

from __future__ import annotations

from provider_workers.adapters.anthropic import Anthropic
from provider_workers.adapters.base import Adapter, Usage
from provider_workers.adapters.gemini import Gemini
from provider_workers.adapters.openai import OPENAI, OPENAI_COMPATIBLE
from schemas.errors import BadConfiguration

__all__ = ["ADAPTERS", "Adapter", "Usage", "adapter_for"]

ADAPTERS: dict[str, Adapter] = {
    adapter.name: adapter for adapter in (OPENAI, OPENAI_COMPATIBLE, Anthropic(), Gemini())
}
"""By the name that a catalog uses."""


def adapter_for(name: str) -> Adapter:
    """The adapter of that name. Raises `BadConfiguration`: the catalog names a wire that we do not speak."""
    adapter = ADAPTERS.get(name)
    if adapter is None:
        known = ", ".join(sorted(ADAPTERS))
        raise BadConfiguration(f"There is no adapter {name!r}; the catalog may use one of: {known}.")
    return adapter
