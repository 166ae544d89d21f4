"""The roof: public names, the command line, roles, and the yard on one machine.

What a program needs to talk to a yard is here by name, and read when it is first asked for: importing the package alone
costs nothing, and a client brings only httpx with it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from classyard.client.asynchronous import AsyncClient as AsyncClient
    from classyard.client.blocking import Client as Client
    from classyard.client.bodies import Document as Document
    from classyard.client.values import Batch as Batch
    from classyard.client.values import Result as Result
    from classyard.client.webhooks import verify_webhook as verify_webhook

_PUBLIC = {
    "AsyncClient": "asynchronous",
    "Batch": "values",
    "Client": "blocking",
    "Document": "bodies",
    "Result": "values",
    "verify_webhook": "webhooks",
}
"""By name, the module of `classyard.client`."""

__all__ = ["AsyncClient", "Batch", "Client", "Document", "Result", "verify_webhook"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"classyard.client.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
